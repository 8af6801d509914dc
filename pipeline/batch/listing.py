"""What is there of a batch and what is missing, and why; nothing is computed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from ..errors import VisagistError
from .delivery import JOIN
from .manifest import Shot
from .shots import CODES, RENDER, Desk, ShotCourse
from .units import Unit


class Line(NamedTuple):
    """One unit, as it is listed."""

    shot: str
    unit: str
    state: Literal["kept", "missing", "failed"]
    why: str


def listed(desk: Desk, shots: Iterable[Shot]) -> Iterator[Line]:
    """Yield every unit of some shots.

    Which chunks a shot has is known once its frames are counted, by its analysis; before that they
    are one line.
    """
    for shot in shots:
        note = desk.targets.note(shot.name)
        course = ShotCourse(shot, desk)
        try:
            yield from _of_shot(desk, course, note)
        except VisagistError as e:
            yield Line(shot.name, "-", "failed", str(e))


def _of_shot(desk: Desk, course: ShotCourse, note: Mapping[str, Any]) -> Iterator[Line]:
    lines = [_line(desk, course, unit, note) for unit in (course.analysis, course.codes)]
    if lines[0].state == "kept":
        chunks = course.chunks()
        units: Sequence[Unit] = (*chunks, course.join(chunks))
        lines += [_line(desk, course, unit, note) for unit in units]
        yield from lines
        return
    yield from lines
    for name in (f"{RENDER} …", JOIN):
        yield Line(course.name, name, "missing", "waits for the analysis")


def _line(desk: Desk, course: ShotCourse, unit: Unit, note: Mapping[str, Any]) -> Line:
    if desk.targets.has(unit.kind, unit.key):
        return Line(unit.shot, unit.name, "kept", "")
    trouble = note.get("trouble") or {}
    before = (note.get("aspects") or {}).get(_told_of(unit))
    now = course.aspects[unit.name]
    if trouble.get("unit") == unit.name and before in (None, now):
        return Line(unit.shot, unit.name, "failed", str(trouble.get("words")))
    return Line(unit.shot, unit.name, "missing", _why(desk, unit, before, now))


def _told_of(unit: Unit) -> str:
    """Return the unit whose aspects are noted for this one: those of all chunks are alike."""
    return "0" if unit.kind == RENDER else unit.name


def _why(desk: Desk, unit: Unit, before: Mapping[str, str] | None, now: Mapping[str, str]) -> str:
    if before is None:
        return "not made yet"
    changed = [name for name in now if name != "span" and before.get(name) != now[name]]
    if changed:
        return f"changed: {', '.join(changed)}"
    if unit.kind == JOIN and desk.store.has(unit.kind, unit.key):
        return "the target is missing, or not what was written"
    return "not made yet" if unit.kind != CODES else "not kept any more"
