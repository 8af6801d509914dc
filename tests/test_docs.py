"""The README and the pages of `docs/`: what they link to is there, what they tell to type works."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.arguments import parse
from pipeline.cli import main

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLE = re.compile(r"<!-- run(?:: (\S+))? -->\n```sh\n(.*?)```", re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
RUN_MODULE = re.compile(r"python -m ((?:models|pipeline|tests)[\w.]*\w)")
COMMAND_PAGES = sorted(p for p in (DOCS / "commands").glob("*.md") if p.stem != "index")


def pages(root: Path = ROOT) -> list[Path]:
    folders = ("docs", "models", "samples", "tests")
    inside = [path for folder in folders for path in (root / folder).rglob("*.md")]
    return sorted([*root.glob("*.md"), *inside])


def anchors(page: Path) -> set[str]:
    """The names that headings of a page are linked by."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in headings}


def broken_links(root: Path) -> Iterator[str]:
    """The links of all pages that lead nowhere; pages of `docs` are published without the rest."""
    for page in pages(root):
        for target in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
            if re.match(r"\w+:", target):
                continue
            name, _, anchor = target.partition("#")
            file = (page.parent / name).resolve() if name else page
            is_out = (root / "docs") in page.parents and (root / "docs") not in file.parents
            is_lost = anchor and file.suffix == ".md" and anchor not in anchors(file)
            if not file.exists() or is_out or is_lost:
                yield f"{page.relative_to(root)}: {target}"


def typed(page: Path) -> Iterator[list[str]]:
    """The commands of a page's shell blocks, word by word."""
    for language, block in FENCE.findall(page.read_text("utf-8")):
        if language == "sh":
            for line in block.replace("\\\n", " ").splitlines():
                for part in line.split(" && "):
                    words = shlex.split(part, comments=True)
                    yield words[: words.index(">")] if ">" in words else words


def test_generated_parts_are_what_the_program_says() -> None:
    command = [sys.executable, str(DOCS / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_link_leads_somewhere() -> None:
    assert not list(broken_links(ROOT))


def test_links_that_lead_nowhere_are_found(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("# A b\n[1](#a-b) [2](#a-c) [3](no.md) [4](docs/x.md#y)")
    (tmp_path / "docs" / "x.md").write_text("# Y\n[5](../README.md)\n```\n[6](no.md)\n```\n")
    lost = {line.split(": ")[1] for line in broken_links(tmp_path)}
    assert lost == {"#a-c", "no.md", "../README.md"}


def test_every_command_a_page_tells_to_type_is_understood() -> None:
    seen = 0
    for page in pages():
        for words in typed(page):
            if words and words[0].endswith("visagist"):
                parse(words[1:])
                seen += 1
    assert seen > 30


def test_every_module_a_page_tells_to_run_is_there() -> None:
    for page in pages():
        text = page.read_text("utf-8")
        for name in RUN_MODULE.findall(text):
            if f"`{name.replace('.', '/')}/__init__.py`" in text:
                continue  # a tutorial's own, which its reader makes
            spec = importlib.util.find_spec(name)
            assert spec, f"{page}: {name}"
            if spec.submodule_search_locations:
                assert importlib.util.find_spec(f"{name}.__main__"), f"{page}: {name}"


def test_the_readme_tries_it_in_one_line_each() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    blocks = re.findall(r"<!-- command: (\w+) -->\n```sh\n(.*?)\n```", text, re.DOTALL)
    assert [name for name, _ in blocks] == ["demo", "test"]
    assert all(line.startswith("python3 -m venv") and "\n" not in line for _, line in blocks)


def test_pictures_are_small() -> None:
    sizes = {path: path.stat().st_size for path in (DOCS / "pictures").iterdir()}
    assert max(sizes.values()) < 130_000
    assert sum(sizes.values()) < 60_000 * len(sizes)


@pytest.mark.parametrize("page", COMMAND_PAGES, ids=lambda page: page.stem)
def test_the_examples_of_a_command_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page's example follows `<!-- run: FILE -->`, where FILE is what it writes, if anything."""
    examples = EXAMPLE.findall(page.read_text("utf-8"))
    assert examples, f"{page.name} needs an example behind a line <!-- run: FILE -->"
    (tmp_path / "samples").mkdir()
    for name in ("astronaut.mp4", "cut.edl"):
        shutil.copy(ROOT / "samples" / name, tmp_path / "samples")
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    for written, lines in examples:
        for line in lines.splitlines():
            assert main(shlex.split(line, comments=True)[1:]) == 0
        assert not written or (tmp_path / written).stat().st_size
