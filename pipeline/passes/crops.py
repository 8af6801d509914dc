"""The crops of a clip's faces: where they lie, how many at a time, on how many threads."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from ..causes import Demand
from ..imaging.geometry import enlarged
from ..stages.align import Chunk, align, place, placing_of
from ..thread_limit import workers
from ..types import AlignedBatch, CropRule, FaceTrack, Frame
from .batching import Halving

if TYPE_CHECKING:
    from ..parsing import Parsing


T = TypeVar("T")


class Parser(Protocol):
    """Tells what crops on the device show where."""

    sha256: str
    """Of its weights."""

    def __call__(self, batch: AlignedBatch) -> Parsing:
        """Return it, on the device; for any thread."""


@dataclass(frozen=True, slots=True)
class Crops:
    """How faces are cut out of the frames of one clip, and on which device they are edited."""

    pixel_aspect: float
    rule: CropRule
    batch_size: int
    device: torch.device
    times: NDArray[np.float64]
    """(frames of the clip,) [s]."""
    halving: Halving = field(default_factory=Halving)
    parser: Parser | None = None
    """None: nobody asks what crops show where."""

    @property
    def workers(self) -> int:
        """Threads that work through the frames; where the networks lie elsewhere, few keep that
        busy."""
        return workers() if self.device.type == "cpu" else min(4, workers())

    def by(self, rule: CropRule | None) -> Crops:
        """Return the same for another rule; None: for this one."""
        return self if rule is None else dataclasses.replace(self, rule=rule)

    def at(self, pixel_aspect: float, frame_count: int) -> Crops:
        """Return the same for another clip, or a picture; its times do not matter."""
        times = np.arange(frame_count) / 25.0
        return dataclasses.replace(self, pixel_aspect=pixel_aspect, times=times)

    def parsed(self, batch: AlignedBatch, *, wider: float = 1.0) -> AlignedBatch:
        """Return crops, wherever they are, with what they show where.

        `wider`: in a square so many times as large, about the middle between the eyes.
        """
        if self.parser is None:
            return batch
        there = batch.to(self.device)
        if wider != 1.0:
            there = dataclasses.replace(there, landmarks=enlarged(there.landmarks, wider))
        parsing = self.parser(there).to(batch.images.device)
        return dataclasses.replace(batch, parsing=parsing)

    def chunks(self, frames: Iterable[T]) -> Iterator[list[T]]:
        """Yield frames, or what goes with each, in order, `batch_size` at a time."""
        remaining = iter(frames)
        while chunk := list(islice(remaining, self.batch_size)):
            yield chunk

    def cutter(
        self, tracks: Iterable[FaceTrack], demands: Sequence[Demand] = ()
    ) -> Callable[[list[Frame]], Chunk]:
        """Return what cuts the faces of frames out, for any thread; `demands`: of the edits."""
        placing = placing_of(self.rule)
        placed = place(tracks, placing, times=self.times, pixel_aspect=self.pixel_aspect)
        return lambda frames: align(frames, placed, demands)
