"""How long things take and how far they are: a stopwatch per stage, progress to watch."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

T = TypeVar("T")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is one: `1 frame`, `2 frames`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def unheard(_sentence: str) -> None:
    """Do nothing with a warning; it is in the result too, if that holds any."""


PASSES: Mapping[str, float] = {"analyze": 2.0, "prepare": 2.0, "edit": 5.0}
"""The passes of an edit and what they weigh: about their shares of the time, which depend on the
machine, the pack and the size of the faces (portrait and mini, 720p, one face, two cores)."""


def passes(last: str = "edit") -> dict[str, float]:
    """Return the passes of a run whose last one is called otherwise, with their weights."""
    return {last if name == "edit" else name: weight for name, weight in PASSES.items()}


@dataclass(frozen=True, slots=True)
class Moment:
    """How far a run is."""

    stage: str
    """Name of the pass."""
    frames: int
    """Frames that went through this pass."""
    total: int
    """Frames that will, as far as is known; 0: nobody knows."""
    share: float
    """Of the whole run, all passes together, 0–1; it never falls."""
    elapsed_s: float
    """Since the first pass began [s]."""
    left_s: float | None
    """Until the last pass ends [s], about; None where it cannot be told yet."""
    rate: float
    """Frames per second of this pass; 0 before the first."""
    is_end: bool = False
    """Whether this pass is over."""


class Progress:
    """What a run tells of itself: one rising number over all of its passes.

    Args:
        watch: called when a pass begins, after every few frames, and when it ends; on the thread
            that runs the pass. What it raises ends the run. None: nobody watches.
    """

    def __init__(self, watch: Callable[[Moment], None] | None = None) -> None:
        self.watch = watch
        self._weights: dict[str, float] = {}
        self._over: set[str] = set()
        self._stage, self._frames, self._total = "", 0, 0
        self._share = 0.0
        self._begin: float | None = None
        self._stage_begin = 0.0

    def expect(self, weights: Mapping[str, float]) -> None:
        """Say which passes are to come, and about how long each takes compared with the others.

        Passes that are known already keep their weights.
        """
        self._weights = {**weights, **self._weights}

    def skip(self, stage: str) -> None:
        """Say that a pass is not needed; nothing changes if it is over."""
        if stage not in self._over:
            self._weights.pop(stage, None)

    def start(self, stage: str, total: int) -> None:
        """A pass over `total` frames begins (0 if nobody knows how many)."""
        now = time.perf_counter()
        self._begin = now if self._begin is None else self._begin
        self._stage, self._frames, self._total = stage, 0, total
        self._stage_begin = now
        self._weights.setdefault(stage, 1.0)
        self._tell()

    def advance(self, frames: int) -> None:
        """`frames` more frames are through."""
        self._frames += frames
        self._tell()

    def at(self, stage: str, done: int, total: int) -> None:
        """A pass that is not counted in frames is at `done` of `total`."""
        if (self._stage, self._total) != (stage, total):
            self.start(stage, total)
        self.advance(done - self._frames)

    def finish(self) -> None:
        """The pass is over."""
        self._over.add(self._stage)
        self._tell(is_end=True)

    def _tell(self, *, is_end: bool = False) -> None:
        if self.watch is None:
            return
        now, whole = time.perf_counter(), sum(self._weights.values())
        done = sum(w for stage, w in self._weights.items() if stage in self._over)
        part = min(1.0, self._frames / self._total) if self._total and not is_end else 0.0
        own = self._weights.get(self._stage, 0.0)
        self._share = max(self._share, min(1.0, (done + own * part) / whole if whole else 1.0))
        spent, elapsed = now - self._stage_begin, now - (self._begin or now)
        left = None
        if part > _SURE and own:
            # This pass goes on at its own speed, later ones go as all went so far.
            later = (whole - done - own) * elapsed / (done + own * part)
            left = spent * (1 - part) / part + later
        self.watch(
            Moment(
                stage=self._stage,
                frames=self._frames,
                total=self._total,
                share=self._share,
                elapsed_s=elapsed,
                left_s=left,
                rate=self._frames / spent if spent > 0 else 0.0,
                is_end=is_end,
            )
        )


def one_of_several(whole: Progress, number: int, count: int) -> Progress:
    """Return the progress of one of several runs, of which one watcher sees one rising number.

    `number` counts from 0; when the others end is not known.
    """
    watch = whole.watch
    if watch is None or count == 1:
        return whole
    return Progress(lambda m: watch(replace(m, share=(number + m.share) / count, left_s=None)))


_SURE = 0.02
"""Share of a pass from which on its speed says when it ends."""


class Stopwatch:
    """Seconds spent per stage, by wall clock, as the thread that runs it sees them.

    A stage named `WHOLE / PART` is a part of another one.
    """

    def __init__(self) -> None:
        self._samples: dict[str, array[float]] = {}

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self._samples.setdefault(stage, array("d")).append(time.perf_counter() - begin)

    def timed(self, stage: str, items: Iterable[T]) -> Iterator[T]:
        """Yield the items, adding the time spent waiting for each of them to a stage."""
        iterator = iter(items)
        while True:
            with self.time(stage):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def seconds(self) -> dict[str, float]:
        """Return seconds by stage, in the order of first use."""
        return {stage: round(sum(times), 4) for stage, times in self._samples.items()}

    def samples(self) -> Mapping[str, Sequence[float]]:
        """Return the seconds of every single time, by stage, in the order of first use."""
        return dict(self._samples)
