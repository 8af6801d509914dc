"""What is there of a batch and what is missing, and why; nothing is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from ..errors import VisagistError
from .delivery import JOIN
from .manifest import Shot
from .shots import ANALYSIS, CODES, RENDER, Desk, ShotCourse
from .units import Unit

Has = Callable[[str, str], bool]
"""Tells whether a unit of a kind and a key is kept."""


class Line(NamedTuple):
    """One unit, as it is listed."""

    shot: str
    unit: str
    state: Literal["kept", "missing", "failed"]
    why: str


def listed(desk: Desk, shots: Iterable[Shot]) -> Iterator[Line]:
    """Yield every unit of some shots.

    Which chunks a shot has is known once its frames are counted, by its analysis; before that they
    are one line. Chunks are many: that one is there is told by its name, whether its files are as
    they were made is seen when they are used.
    """
    is_there = desk.store.glance()

    def has(kind: str, key: str) -> bool:
        return is_there(kind, key) if kind == RENDER else desk.targets.has(kind, key)

    for shot in shots:
        note = desk.targets.note(shot.name)
        course = ShotCourse(shot, desk)
        try:
            yield from _of_shot(desk, course, note, has)
        except VisagistError as e:
            yield Line(shot.name, "-", "failed", str(e))


def _of_shot(desk: Desk, course: ShotCourse, note: Mapping[str, Any], has: Has) -> Iterator[Line]:
    units = [course.analysis, course.codes]
    if is_analysed := has(ANALYSIS, course.analysis.key):
        chunks = course.chunks()
        units += [*chunks, course.join(chunks)]
    for unit in units:
        if has(unit.kind, unit.key):
            yield Line(unit.shot, unit.name, "kept", "")
        else:
            yield _missing(desk, course, unit, note)
    if not is_analysed:
        for name in (f"{RENDER} …", JOIN):
            yield Line(course.name, name, "missing", "waits for the analysis")


def _missing(desk: Desk, course: ShotCourse, unit: Unit, note: Mapping[str, Any]) -> Line:
    trouble = note.get("trouble") or {}
    before = (note.get("aspects") or {}).get(_told_of(unit))
    now = course.aspects[_told_of(unit)]
    if trouble.get("unit") == unit.name and before in (None, now):
        return Line(unit.shot, unit.name, "failed", str(trouble.get("words")))
    return Line(unit.shot, unit.name, "missing", _why(desk, unit, before, now))


def _told_of(unit: Unit) -> str:
    """Return under which name the aspects of a unit are noted: those of all chunks are alike."""
    return RENDER if unit.kind == RENDER else unit.name


def _why(desk: Desk, unit: Unit, before: Mapping[str, str] | None, now: Mapping[str, str]) -> str:
    if before is None:
        return "not made yet"
    changed = [name for name in now if before.get(name) != now[name]]
    if changed:
        return f"changed: {', '.join(changed)}"
    if unit.kind == JOIN and desk.store.has(unit.kind, unit.key):
        return "the target is missing, or not what was written"
    return "not made yet" if unit.kind != CODES else "not kept any more"
