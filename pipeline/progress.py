"""How long things take and how far they are: a stopwatch per stage, progress to watch."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar

T = TypeVar("T")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is one: `1 frame`, `2 frames`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def unheard(_sentence: str) -> None:
    """Do nothing with a warning; it is in the result too, if that holds any."""


class Progress(Protocol):
    """What a caller may watch; the command line draws a bar, the Python API is silent."""

    def start(self, stage: str, total: int) -> None:
        """A pass over `total` frames begins (0 if nobody knows how many)."""
        ...

    def advance(self, frames: int) -> None:
        """`frames` more frames are through."""
        ...

    def finish(self) -> None:
        """The pass is over."""
        ...


class Silent:
    """Progress nobody watches."""

    def start(self, stage: str, total: int) -> None:
        """Do nothing."""

    def advance(self, frames: int) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Do nothing."""


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
