"""Fill in what the program says about itself: `python docs/generate.py`, or only `--check`.

Pages are written by hand. Between `<!-- generated: KIND NAME -->` and `<!-- /generated -->` stands
what comes from the command line's parser, the attributes, the weights and the errors, so that a
page cannot say something else than the program. A command or an attribute without a page gets one.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a checkout

from pipeline.arguments import command_line
from pipeline.cli import EXIT_BUG, EXIT_BY_SIGNAL, EXIT_FAILED, EXIT_INTERRUPTED
from pipeline.errors import VisagistError
from pipeline.files import write_whole
from pipeline.listings import Row, attributes
from pipeline.loading import embedded_weights
from pipeline.review.findings import CODES

DOCS = Path(__file__).resolve().parent
PACKS = ("portrait", "mini")
BLOCK = re.compile(r"(<!-- generated: ([\w-]+) ?([\w-]*) -->\n).*?(<!-- /generated -->)", re.DOTALL)


def main(arguments: list[str]) -> int:
    """Write every page that is out of date, or with `--check` only name them; 1 if any was."""
    stale = {path: text for path, text in pages().items() if _read(path) != text}
    for path, text in stale.items():
        print(f"{path.relative_to(DOCS.parent)} is out of date")
        if "--check" not in arguments:
            write_whole(path, text)
    stray = list(strays())
    for path in stray:
        print(f"{path.relative_to(DOCS.parent)} is about nothing the program has: delete it")
    if stale and "--check" in arguments:
        print("run `python docs/generate.py` and commit what it writes")
    return 1 if stray or (stale and "--check" in arguments) else 0


def pages() -> dict[Path, str]:
    """The text of every page as it should be, by path."""
    blank = {
        DOCS / folder / f"{name}.md": f"# {title}{name}\n\n{_block(kind, name)}\n"
        for folder, title, kind, names in _sorts()
        for name in names
    }
    written = {path: _read(path) for path in sorted(DOCS.rglob("*.md"))}
    return {path: filled(text) for path, text in (blank | written).items()}


def strays() -> Iterator[Path]:
    """The pages of commands and attributes that are there no longer."""
    for folder, _, _, names in _sorts():
        for path in sorted((DOCS / folder).glob("*.md")):
            if path.stem not in ("index", *names):
                yield path


def filled(text: str) -> str:
    """A page's text with its generated parts made anew."""
    return BLOCK.sub(lambda m: f"{m[1]}\n{_KINDS[m[2]](m[3]).strip()}\n\n{m[4]}", text)


def _sorts() -> Iterator[tuple[str, str, str, list[str]]]:
    """Folder, title, kind of block and names of the pages that the program asks for."""
    yield "commands", "visagist ", "command", list(_commands())
    yield "attributes", "", "attribute", list(_attributes())


def _block(kind: str, name: str) -> str:
    return f"<!-- generated: {kind} {name} -->\n<!-- /generated -->"


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


# Commands


def _commands() -> dict[str, argparse.ArgumentParser]:
    return dict(_children(command_line()))


def _children(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def _summaries() -> dict[str, str]:
    """What each command does, in the words of `visagist --help`."""
    return {
        choice.dest: choice.help or ""
        for action in command_line()._actions
        if isinstance(action, argparse._SubParsersAction)
        for choice in action._choices_actions
    }


def command_table(_: str) -> str:
    """All commands, one per row."""
    rows = [f"| [{name}]({name}.md) | {text} |" for name, text in _summaries().items()]
    return "\n".join(["| command | what it does |", "|---|---|", *rows])


def command(name: str) -> str:
    """What a command takes, group by group."""
    return "\n\n".join(_described(f"visagist {name}", _commands()[name], level=2))


def _described(title: str, parser: argparse.ArgumentParser, level: int) -> Iterator[str]:
    yield f"`{_synopsis(title, parser)}`"
    if parser.description:
        yield _sentence(parser.description)
    for group in parser._action_groups:
        lines = [_line(action, parser) for action in group._group_actions if _is_told(action)]
        if lines:
            yield f"{'#' * level} {_heading(group.title or '')}"
            yield "\n".join(lines)
    for name, child in _children(parser):
        yield f"{'#' * level} {title} {name}"
        yield from _described(f"{title} {name}", child, level + 1)


def _synopsis(title: str, parser: argparse.ArgumentParser) -> str:
    parts = [title]
    for action in parser._actions:
        if not action.option_strings:
            name = str(action.metavar or action.dest)
            needed = action.nargs not in ("?", "*") and action.required
            name += " …" if action.nargs in ("+", "*") else ""
            parts.append(name if needed else f"[{name}]")
    return " ".join([*parts, "[options]"])


def _heading(title: str) -> str:
    known = {"positional arguments": "Arguments", "options": "Options"}
    return known.get(title, title[:1].upper() + title[1:])


def _is_told(action: argparse.Action) -> bool:
    kinds = (argparse._HelpAction, argparse._SubParsersAction)
    return not isinstance(action, kinds) and action.help != argparse.SUPPRESS


def _line(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    value = str(action.metavar or "") if action.nargs != 0 else ""
    names = action.option_strings or [value or action.dest]
    if action.option_strings and value:
        names = [f"{name} {value}" for name in names]
    shown = ", ".join(f"`{name}`" for name in names)
    told = f": {parser._get_formatter()._expand_help(action)}" if action.help else ""
    return f"- {shown}{told}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


# Attributes


def _attributes() -> dict[str, dict[str, Row]]:
    """The rows of every attribute by pack; what packs have in common stands once, at the first."""
    by_name: dict[str, dict[str, Row]] = {}
    for pack in PACKS:
        for row in attributes(pack):
            rows = by_name.setdefault(row["attribute"], {})
            if row not in rows.values():
                rows[pack] = row
    return by_name


def attribute_table(_: str) -> str:
    """All attributes, one per row."""
    lines = ["| `--attr` | what +1 does | packs |", "|---|---|---|"]
    for name, rows in _attributes().items():
        text = next(iter(rows.values()))["what +1 does"]
        lines.append(f"| [{name}]({name}.md) | {text} | {', '.join(rows)} |")
    return "\n".join(lines)


def attribute(name: str) -> str:
    """What +1 does, the range, what must be seen, and a picture; once per pack."""
    parts = []
    for pack, row in _attributes()[name].items():
        parts += [f"## In the pack `{pack}`", _facts(row)]
        parts += [f"![{name} on the sample, pack {pack}](../pictures/{pack}-{name}.jpg)"]
    return "\n\n".join(parts)


def _facts(row: Row) -> str:
    needs = row["needs"]
    seen = (
        f"the {needs}; while covered, the edit fades" if needs != "–" else "no part in particular"
    )
    facts = {
        "what +1 does": row["what +1 does"],
        "useful strengths": f"{row['useful']} (accepted: {row['accepted']})",
        "state": row["state"],
        "must be in sight": seen,
        "other names": row["aliases"],
    }
    return "\n".join(f"- {key}: {value}" for key, value in facts.items())


# Weights, errors


def weight_table(_: str) -> str:
    """The embedded weights and their licences."""
    lines = ["| weights | what for | licence | commercial use |", "|---|---|---|---|"]
    lines += [
        f"| {row['name']} | {row['use']} | {row['licence']} | {row['commercial use']} |"
        for row in embedded_weights()
    ]
    return "\n".join(lines)


def exit_code_table(_: str) -> str:
    """Every exit code, with the error of the Python API behind it."""
    lines = ["| exit code | meaning | raised in Python |", "|---|---|---|", "| 0 | done | – |"]
    lines += [f"| {EXIT_FAILED} | failed: memory, threads, a missing library | several |"]
    lines += [
        f"| {error.exit_code} | {_meaning(error)} | `{error.__name__}` |"
        for error in sorted(_errors(VisagistError), key=lambda error: error.exit_code)
    ]
    lines += [f"| {EXIT_BUG} | a bug in visagist: please report what it printed | any other |"]
    signals = f"{EXIT_INTERRUPTED}, {EXIT_BY_SIGNAL + 15}, {EXIT_BY_SIGNAL + 1}"
    lines += [f"| {signals} | interrupted by Ctrl-C, SIGTERM, SIGHUP | `KeyboardInterrupt` |"]
    return "\n".join(lines)


def _errors(error: type[VisagistError]) -> Iterator[type[VisagistError]]:
    for child in error.__subclasses__():
        yield child
        yield from _errors(child)


def _meaning(error: type[VisagistError]) -> str:
    text = " ".join((error.__doc__ or "").split("\n\n")[0].split()).rstrip(".")
    return text[:1].lower() + text[1:]


def contributing(section: str) -> str:
    """A section of CONTRIBUTING.md, without its heading."""
    text = _read(DOCS.parent / "CONTRIBUTING.md")
    return text.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]


def findings_table(_: str = "") -> str:
    """What a report may say of a shot, by code."""
    rows = [f"| `{code}` | {level} | {means} |" for code, (level, means) in CODES.items()]
    return "\n".join(["| code | level | means |", "|---|---|---|", *rows])


_KINDS: dict[str, Callable[[str], str]] = {
    "commands": command_table,
    "command": command,
    "attributes": attribute_table,
    "attribute": attribute,
    "weights": weight_table,
    "exit-codes": exit_code_table,
    "findings": findings_table,
    "contributing": contributing,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
