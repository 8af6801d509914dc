"""From an edit list to a manifest: which frames of which plates a batch is to edit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from pathlib import Path

from .edl import Event, read_edl
from .errors import InputError
from .fcpxml import read_fcpxml, read_xml
from .media.base import Source
from .media.opening import open_source
from .progress import unheard
from .timecode import Timecode
from .timelines import ADAPTERS, read_timeline


@dataclass(frozen=True, slots=True)
class _Shot:
    """One event with its plate."""

    name: str
    plate: Path
    first: int
    last: int
    """Frames of the plate, from 0, both included."""
    event: Event


def manifest_of(
    cut: Path,
    plates: Path,
    *,
    attributes: Sequence[str] = ("smile",),
    handles: int = 8,
    output: str = "deliver/{shot}{ext}",
    folder: Path | None = None,
    warn: Callable[[str], None] = unheard,
) -> str:
    """Return the manifest (TOML) of a batch of the events of an edit list.

    Args:
        cut: the list: an EDL, FCPXML, or what OpenTimelineIO reads (`ADAPTERS`).
        plates: folder with the clips, named as the list names clips, sources or reels.
        attributes: what is changed in all of them.
        handles: frames more at both ends [frames]; fewer, and told, where a plate has no more.
        output: pattern of the files delivered.
        folder: where the manifest will lie, from which its paths count; None: they are absolute.
        warn: hears of everything in the list that needs a look.

    Raises:
        InputError: the list cannot be read, or not one plate is found.
        UsageError: it needs an extra that is not installed.
    """
    files = clips_in(plates)
    found: list[_Shot] = []
    for event in _events(cut, warn):
        plate = _plate_of(event, files, warn)
        shot = None if plate is None else _shot(event, plate, found, handles, warn)
        if shot is not None:
            found.append(shot)
    if not found:
        raise InputError(
            f"no event of {cut} has a plate in {plates}; accepted are clips named as its clips, "
            "sources or reels"
        )
    return "\n".join(_lines(cut, found, attributes, handles, output, folder)) + "\n"


def _events(cut: Path, warn: Callable[[str], None]) -> list[Event]:
    ending = cut.suffix.lower()
    if ending in (".fcpxml", ".fcpxmld") or (ending == ".xml" and read_xml(cut).tag == "fcpxml"):
        return read_fcpxml(cut, warn)
    return read_timeline(cut, warn) if ending in ADAPTERS else read_edl(cut, warn)


def clips_in(folder: Path) -> list[Path]:
    """Return the files of a folder that may be plates.

    Raises:
        InputError: the folder cannot be read.
    """
    try:
        return sorted(path for path in folder.iterdir() if path.is_file() and path.suffix)
    except OSError as e:
        raise InputError(f"cannot look for plates in {folder}: {e.strerror or e}") from e


def _plate_of(event: Event, files: Sequence[Path], warn: Callable[[str], None]) -> Path | None:
    """Return the plate of an event: named as its clip, or else as its reel."""
    for name in filter(None, (event.clip, event.reel, *event.others)):
        wanted = Path(name.replace("\\", "/")).name.lower()
        named = [f for f in files if wanted in (f.name.lower(), f.stem.lower())]
        if not named:
            stem = Path(wanted).stem
            named = [f for f in files if f.stem.lower() == stem]
        if len(named) == 1:
            return named[0]
        if named:
            several = ", ".join(f.name for f in named)
            warn(f"{event.where}: {name} may be any of {several}; left out")
            return None
    warn(f"{event.where}: no plate is named {event.clip or event.reel}; left out")
    return None


def _shot(
    event: Event, plate: Path, before: Sequence[_Shot], handles: int, warn: Callable[[str], None]
) -> _Shot | None:
    """Return an event as frames of its plate, as far as the plate has them."""
    where = event.where
    source = open_source(plate)
    rate = source.info.rate
    count = source.info.frame_count_hint
    first, last = (0, count - 1) if event.whole and count else _frames(event, source, rate)
    if first is None or last is None:
        warn(f"{where}: {event.begin} to {event.end} are no timecodes at {float(rate):g}; left out")
        return None
    if last < 0 or (count and first >= count):
        warn(f"{where}: {plate.name} has none of {event.begin} to {event.end}; left out")
        return None
    wanted, first = first, max(first, 0)
    if count and last >= count:
        warn(f"{where}: {plate.name} ends {last - count + 1} frames too early")
        last = count - 1
    if wanted < 0:
        warn(f"{where}: {plate.name} begins {-wanted} frames too late")
    short = [
        f"{there} at its {end}"
        for there, end in ((first, "beginning"), (count - 1 - last if count else handles, "end"))
        if there < handles
    ]
    if short and not event.whole:
        warn(f"{where}: {plate.name} has fewer handles than {handles}: {' and '.join(short)}")
    name = f"sh{int(event.number) * 10:03}"
    taken = sum(shot.name.partition("-")[0] == name for shot in before)
    return _Shot(f"{name}-{taken + 1}" if taken else name, plate, first, last, event)


def _frames(event: Event, source: Source, rate: Fraction) -> tuple[int | None, int | None]:
    """Return first and last frame of an event in its plate, from 0.

    The plate begins at its timecode, or else where the list says that its file does, or at
    00:00:00:00. Timecodes of another rate than the plate's are turned into its frames.
    """
    listed = event.rate or rate
    scale = Fraction(1) if round(listed) == round(rate) else rate / listed
    begin, end = (Timecode.read(text) for text in (event.begin, event.end))
    if begin is None or end is None:
        return None, None
    start = begin.count(listed) * scale - _start(event, source, rate, scale)
    length = end.count(listed) - begin.count(listed) + event.longer
    if event.fps is not None:
        length = max(ceil(length * abs(event.fps) / round(listed)), 1)
        if event.fps < 0:
            return floor(start - (length - 1) * scale), floor(start)
    return floor(start), ceil(start + length * scale) - 1


def _start(event: Event, source: Source, rate: Fraction, scale: Fraction) -> Fraction:
    """Return at which of its frames, counted from 00:00:00:00, a plate begins."""
    own, said = Timecode.read(source.timecode), Timecode.read(event.start)
    if own is not None:
        return Fraction(own.count(rate))
    return said.count(event.rate or rate) * scale if said is not None else Fraction(0)


def _lines(
    cut: Path,
    shots: Sequence[_Shot],
    attributes: Sequence[str],
    handles: int,
    output: str,
    folder: Path | None,
) -> Iterator[str]:
    yield f"# From {cut.name}; look it through, then: visagist run FILE --list"
    yield "version = 1"
    yield f"output = {_text(output)}"
    yield f"handles = {handles}"
    yield 'on-unedited = "fail"    # where there is nobody: fail | warn (deliver as it came) | skip'
    yield ""
    yield "[defaults]"
    yield f"attr = [{', '.join(map(_text, attributes))}]"
    for shot in shots:
        event, plate = shot.event, shot.plate.absolute()
        if folder is not None and plate.is_relative_to(folder.absolute()):
            plate = plate.relative_to(folder.absolute())
        yield ""
        yield f"[[shot]]                # event {event.number}, {event.begin} to {event.end}"
        yield f"name = {_text(shot.name)}"
        yield f"input = {_text(plate.as_posix())}"
        yield f'frames = "{shot.first}-{shot.last}"'


def _text(value: str) -> str:
    """Return a text as TOML writes it: as JSON does, within its first plane."""
    return json.dumps(value, ensure_ascii=False)
