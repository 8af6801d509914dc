"""The manifest of a batch: which shots, which frames of them, edited how, delivered where.

A TOML file (see `configs/reels/example.toml`). Reading it looks at no clip; whatever in it cannot
mean anything is found here, all of it at once, each with its line.
"""

from __future__ import annotations

import string
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from ..config import OnUnedited
from ..errors import UsageError
from ..ranges import check_range
from ..request import EditRequest
from ..side_files import DAMAGE, FACES_BYTES, in_words, read_text, shown
from .keys import EDIT_KEYS, REEL_KEYS, SHOT_KEYS, Complaint, Complaints, Values, request_of
from .lines import Lines
from .table import rows_of

VERSION: Final = 1
_FIELDS: Final = ("shot", "ext", "input")
"""What a pattern of outputs may hold."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One shot: plain data, all paths absolute."""

    name: str
    requests: tuple[EditRequest, ...]
    """One an edit, applied in order; same clip, analysis and encoder in all."""
    output: str
    """Path of the target, a pattern; see `target`."""
    frames: str | None
    """The frames of the clip that are wanted, as `ranges` reads them; None: all."""
    handles: int
    """Frames beyond both ends of `frames` that are delivered too."""
    on_unedited: OnUnedited
    lines: tuple[Mapping[str, int], ...]
    """Where the keys of each edit, with those of the shot, stand in the manifest or its table; '':
    where the shot begins."""

    @property
    def request(self) -> EditRequest:
        """What is asked for first; of all requests the clip, the analysis and the encoder."""
        return self.requests[0]

    def line(self, key: str = "", edit: int = 0) -> int:
        """Return the line of a key of an edit, or where the shot begins; 0: not known."""
        return self.lines[edit].get(key, self.lines[edit].get("", 0))

    def words(self, edit: int) -> str:
        """Return what an edit is, for messages."""
        request = self.requests[edit]
        return f"{', '.join(request.attributes)} of faces {request.render.faces}"

    def target(self, ending: str) -> Path:
        """Return the file it becomes; `ending`: of its name, if the pattern leaves that open."""
        clip = self.request.input
        return Path(self.output.format(shot=self.name, ext=ending, input=clip.stem))


@dataclass(frozen=True)
class Reel:
    """All shots of a manifest."""

    path: Path
    work: Path
    """Folder of units, logs and the report."""
    shots: tuple[Shot, ...]

    def shot(self, name: str) -> Shot:
        """Return a shot by its name.

        Raises:
            UsageError: there is none.
        """
        if name not in self._by_name:
            raise UsageError(f"{self.path} has no shot {name!r}; `--list` shows all of them")
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> Mapping[str, Shot]:
        return {shot.name: shot for shot in self.shots}


class ManifestError(UsageError):
    """A manifest some lines of which cannot mean anything."""

    def __init__(self, path: Path, complaints: Sequence[Complaint]) -> None:
        self.complaints = tuple(sorted(complaints, key=lambda one: (one.file, one.line)))
        super().__init__("; ".join(f"{path.name}: {complaint}" for complaint in self.complaints))


def read_manifest(path: Path) -> Reel:
    """Return what a manifest asks for.

    Raises:
        ManifestError: all lines that cannot be used.
        UsageError: it cannot be read, or is not TOML.
    """
    text = read_text(path, "cannot use the manifest", most=FACES_BYTES, error=UsageError)
    try:
        document = tomllib.loads(text)
    except DAMAGE as e:
        raise UsageError(f"cannot use the manifest {path}: {in_words(e)}; accepted is TOML") from e
    path = path.absolute()
    wrong = Complaints()
    reel = _reel(document, Lines(text), path, wrong)
    if wrong.found:
        raise ManifestError(path, wrong.found)
    return reel


def _reel(document: Mapping[str, Any], lines: Lines, path: Path, wrong: Complaints) -> Reel:
    top = Values.of(document, REEL_KEYS, lines.at(()), wrong, "the manifest")
    if document.get("version") != VERSION:
        wrong.add(
            lines.of((), "version"),
            f"version = {shown(document.get('version'))}; accepted: {VERSION}",
        )
    given = document.get("defaults", {})
    usual = Values.of(given, SHOT_KEYS, lines.at(("defaults",)), wrong, "[defaults]")
    for key in ("output", "handles", "on_unedited", "chunk"):
        usual = usual.with_default(key, top)
    shots = [
        shot
        for entry in _entries(document, lines, path, wrong)
        if (shot := _shot(entry, usual, path.parent, wrong)) is not None
    ]
    if not shots and not wrong.found:
        wrong.add(0, "it has no [[shot]] and no [table] with shots")
    _check_names(shots, wrong)
    work = top.values.get("work", f"{path.stem}.work")
    return Reel(path, path.parent / str(work), tuple(shots))


@dataclass(frozen=True, slots=True)
class _Entry:
    """A shot as it stands in the manifest or its table."""

    values: Values
    edits: tuple[Values, ...]


def _entries(
    document: Mapping[str, Any], lines: Lines, path: Path, wrong: Complaints
) -> Iterator[_Entry]:
    listed = document.get("shot", [])
    if not isinstance(listed, list):
        wrong.add(lines.of((), "shot"), "shots are given as [[shot]], in two brackets")
        listed = []
    for number, given in enumerate(listed):
        place = (("shot", number),)
        plain = {k: v for k, v in given.items() if k != "edit"} if isinstance(given, dict) else {}
        name = f"shot {shown(plain.get('name', number))}"
        values = Values.of(plain, SHOT_KEYS, lines.at(place), wrong, name)
        parts = given.get("edit", []) if isinstance(given, dict) else []
        if not isinstance(parts, list):
            wrong.add(lines.of(place, "edit"), f"{name}: edits are given as [[shot.edit]]")
            parts = []
        edits = (
            Values.of(part, EDIT_KEYS, lines.at((*place, ("edit", n))), wrong, f"{name}, edit {n}")
            for n, part in enumerate(parts)
        )
        yield _Entry(values, tuple(edits))
    table = document.get("table")
    if table is None:
        return
    file = table.get("file") if isinstance(table, dict) and set(table) == {"file"} else None
    if not isinstance(file, str):
        wrong.add(lines.of(("table",), "file"), '[table] holds one key: file = "NAME.csv"')
        return
    for values in rows_of(path.parent / file, wrong):
        yield _Entry(values, ())


def _shot(entry: _Entry, usual: Values, base: Path, wrong: Complaints) -> Shot | None:
    own = entry.values.over(usual)
    before = len(wrong.found)
    name = own.text("name", needed=True)
    if name is not None and not _is_name(name):
        own.complain("name", "accepted: letters, digits, '.', '-', '_'; not '.' first")
    if own.text("input", needed=True) is None or len(wrong.found) > before:
        return None
    if entry.edits and "attr" in entry.values.values:
        entry.values.complain("attr", "the shot has edits of its own: write it into one of them")
    edits = [edit.over(own) for edit in entry.edits] or [own]
    requests = _requests(edits, base)
    shot = Shot(
        name=name or "",
        requests=tuple(requests),
        output=_pattern(own, base),
        frames=_frames(own),
        handles=own.number("handles", 0, 0, 10_000),
        on_unedited=own.choice("on_unedited"),
        lines=tuple({"": own.line(), **edit.lines} for edit in edits),
    )
    is_whole = shot.output and len(requests) == len(edits)
    return shot if is_whole and len(wrong.found) == before else None


def _requests(edits: Sequence[Values], base: Path) -> list[EditRequest]:
    """Return what each edit of a shot asks for, as far as it can be; they share what is of the
    whole shot."""
    requests: list[EditRequest] = []
    for edit in edits:
        if (request := request_of(edit, base)) is None:
            continue
        first = requests[0] if requests else request
        for name, what in (("analyze", "how faces are found"), ("encode", "how it is encoded")):
            if getattr(request, name) != getattr(first, name):
                edit.complain("config", f"it changes {what}, which the first edit decides")
        requests.append(request)
    return requests


def _is_name(text: str) -> bool:
    letters = string.ascii_letters + string.digits + ".-_"
    return 0 < len(text) <= 200 and text[0] != "." and all(letter in letters for letter in text)


def _pattern(own: Values, base: Path) -> str:
    """Return the path of the target with `{shot}`, `{ext}` and `{input}` left in it."""
    pattern = own.text("output", needed=True) or ""
    try:
        named = [field for _, field, spec, how in string.Formatter().parse(pattern) if field or how]
        wrong = [field for field in named if field not in _FIELDS]
        if wrong or any(spec for _, field, spec, _ in string.Formatter().parse(pattern) if field):
            raise ValueError(f"{{{wrong[0] if wrong else ''}}} is not known")
    except ValueError as e:
        own.complain("output", f"{e}; accepted in braces: {', '.join(_FIELDS)}")
        return ""
    folder = str(base).replace("{", "{{").replace("}", "}}")
    return pattern if Path(pattern).is_absolute() else f"{folder}/{pattern}"


def _frames(own: Values) -> str | None:
    text = own.text("frames")
    if text is not None:
        try:
            check_range(text)
        except UsageError as e:
            own.complain("frames", str(e))
    return text


def _check_names(shots: Sequence[Shot], wrong: Complaints) -> None:
    """Refuse two shots of one name, or of one target whatever the ending."""
    names: dict[str, Shot] = {}
    targets: dict[Path, Shot] = {}
    for shot in shots:
        if (other := names.setdefault(shot.name.casefold(), shot)) is not shot:
            wrong.add(
                shot.line("name"),
                f"name = {shot.name!r}: the shot of line {other.line('name')} has it too",
            )
            continue
        target = Path(str(shot.target("{ext}")).casefold())
        if (other := targets.setdefault(target, shot)) is not shot:
            wrong.add(
                shot.line(),
                f"shot {shot.name!r}: its output {shot.target('{ext}')} is that of "
                f"{other.name!r} (line {other.line()}); put {{shot}} into `output`",
            )
