"""How far a whole batch is: one number that rises over all of its shots, whoever makes their units.

A shot counts as much as it is expected to cost, and keeps that weight whatever turns out later; so
the number never falls. What is kept already counts as done, and so does what failed for good.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

from ..errors import VisagistError
from ..progress import Moment
from ..ranges import frame_range
from .delivery import JOIN
from .shots import ANALYSIS, CODES, RENDER, ShotCourse
from .units import Course, Ending, Kept, Outcome, Unit

SECONDS: Final[Mapping[str, float]] = {ANALYSIS: 0.8, CODES: 1.0, RENDER: 5.0, JOIN: 0.3}
"""What a frame costs in the units of a kind, compared with the others: as measured in three shots
of one face (512 and 720 lines, one and two attributes), whose shares differ by half."""
_ORDER: Final = tuple(SECONDS)
_USUAL: Final = 100
"""Frames of a shot of which nobody knows how many it has."""
_MOST: Final = 10**9
"""Frames that no clip has."""
_SURE: Final = 0.01
"""Share of the batch from which on its speed says when it ends."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How many frames a shot is expected to have."""

    frames: int = _USUAL
    """That are delivered."""
    analysed: int = _USUAL
    """Of the clip; 0: another shot of the same clip has it analysed."""
    kinds: tuple[str, ...] = _ORDER
    """Of the units that are counted."""

    def cost(self, kind: str) -> float:
        """Return what its units of a kind are expected to cost, compared with others."""
        if kind not in self.kinds:
            return 0.0
        return SECONDS[kind] * (self.analysed if kind == ANALYSIS else self.frames)

    @property
    def whole(self) -> float:
        """What all of its units are expected to cost."""
        return sum(map(self.cost, _ORDER))


def extents(courses: Iterable[ShotCourse]) -> dict[str, Extent]:
    """Return how many frames shots are expected to have; nothing is decoded for it."""
    found, clips = {}, set[Path]()
    for course in courses:
        clip, count = course.shot.request.input, 0
        with suppress(VisagistError):
            count = course.outlook.frames
        frames = count or _USUAL
        with suppress(VisagistError):
            text, rate = course.shot.frames, Fraction(*course.outlook.rate)
            if text is not None:
                most, timecode = count or _MOST, course.outlook.timecode
                frames = len(frame_range(text, most, timecode=timecode, rate=rate))
        found[course.name] = Extent(frames, 0 if clip in clips else count or _USUAL)
        clips.add(clip)
    return found


def extent_of_unit(course: ShotCourse, name: str, kept: Kept) -> Extent:
    """Return what there is to do for one unit of a shot: what it needs and is kept counts not."""
    kind = name if name in _ORDER else RENDER
    due = _ORDER[: _ORDER.index(kind) + 1]
    before = (course.analysis, course.codes)
    gone = [unit.kind for unit in before if unit.kind != kind and kept.has(unit.kind, unit.key)]
    return Extent(kinds=tuple(k for k in due if k not in gone))


@dataclass(slots=True)
class _Way:
    """How far one shot is."""

    extent: Extent
    share: float = 0.0
    """0–1; it never falls."""
    passed: float = 0.0
    """Cost of the stages that are behind it."""
    stage: Mapping[str, float] = field(default_factory=dict)
    """Of the present stage, by key of its units, what each costs."""
    shares: dict[str, float] = field(default_factory=dict)
    """Of these, by key, how far they are."""

    def now(self) -> float:
        done = sum(cost * self.shares.get(key, 0.0) for key, cost in self.stage.items())
        return (self.passed + done) / (self.extent.whole or 1.0)


class Watch:
    """Tells how far a batch is.

    Args:
        tell: hears of it; None: nobody does.
        shots: all that are to be dealt with.
    """

    def __init__(self, tell: Callable[[Moment], None] | None, shots: Mapping[str, Extent]) -> None:
        self._tell = tell
        self._ways = {name: _Way(extent) for name, extent in shots.items()}
        self._open = set(shots)
        self._whole = sum(extent.whole for extent in shots.values()) or 1.0
        self._frames = sum(extent.frames for extent in shots.values())
        self._done = self._frames_done = self._worked = 0.0
        self._begin = time.perf_counter()

    def course(self, course: Course) -> Course:
        """Return the same course, watched."""
        return _Watched(course, self)

    def reached(self, shot: str, stage: Sequence[Unit]) -> None:
        """All stages of a shot before one are kept."""
        way, kind = self._ways[shot], stage[0].kind
        way.passed = sum(way.extent.cost(earlier) for earlier in _ORDER[: _ORDER.index(kind)])
        length = sum(unit.frames or 1 for unit in stage)
        cost = way.extent.cost(kind) / length
        way.stage = {unit.key: cost * (unit.frames or 1) for unit in stage}
        way.shares.clear()
        self._advance(shot, way.now())

    def within(self, unit: Unit, share: float) -> None:
        """A unit that is being made is so far, 0–1."""
        way = self._ways[unit.shot]
        if unit.key in way.stage:
            way.shares[unit.key] = share
            self._advance(unit.shot, way.now(), is_work=True)

    def noted(self, outcome: Outcome) -> None:
        """A unit was made, or was not."""
        if outcome.trouble is None:
            self.within(outcome.unit, 1.0)

    def ended(self, ending: Ending) -> None:
        """A shot is dealt with; what was stopped, or may succeed later, is not."""
        if ending.state not in ("stopped", "later"):
            self._open.discard(ending.shot)
            is_told = self._advance(ending.shot, 1.0)
            if self._tell is not None and not self._open and not is_told:
                self._tell(self._moment())

    def _advance(self, shot: str, share: float, *, is_work: bool = False) -> bool:
        """Note how far a shot is; return whether that is farther, and was told."""
        way = self._ways[shot]
        more = min(share, 1.0) - way.share
        if more <= 0:
            return False
        way.share += more
        self._done += more * way.extent.whole
        self._frames_done += more * way.extent.frames
        self._worked += more * way.extent.whole * is_work
        if self._tell is not None:
            self._tell(self._moment())
        return True

    def _moment(self) -> Moment:
        elapsed = time.perf_counter() - self._begin
        is_over = not self._open
        share = 1.0 if is_over else min(self._done / self._whole, 0.9999)
        worked = self._worked / self._whole
        frames = self._frames if is_over else min(int(self._frames_done), self._frames)
        return Moment(
            stage="run",
            frames=frames,
            total=self._frames,
            share=share,
            elapsed_s=elapsed,
            left_s=elapsed * (1 - share) / worked if worked > _SURE else None,
            rate=frames / elapsed if elapsed > 0 else 0.0,
        )


class _Watched:
    """A course that says which of its stages is reached."""

    def __init__(self, course: Course, watch: Watch) -> None:
        self._course, self._watch = course, watch

    @property
    def name(self) -> str:
        """Of the shot."""
        return self._course.name

    def is_delivered(self) -> bool:
        """Return whether it is done, see `units.Course`."""
        return self._course.is_delivered()

    def stages(self) -> Iterator[Sequence[Unit]]:
        """Yield the stages, see `units.Course`."""
        for stage in self._course.stages():
            self._watch.reached(self.name, stage)
            yield stage
