"""The render pass: every frame once, in order, edited or as it came.

It needs one frame at a time, so any part of a clip can be rendered anywhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from ..causes import NOT_ASKED
from ..config import BlendMethod
from ..editors import FACE
from ..imaging.parsing import Region
from ..mattes import Mattes
from ..media.threads import in_order
from ..progress import Stopwatch
from ..stages import room
from ..stages.align import Chunk, held_of
from ..stages.blend import blend
from ..stages.edit import Step, apply, fetched
from ..stages.protect import Protection
from ..types import (
    AlignedBatch,
    EditedBatch,
    EditResult,
    FaceOutcome,
    FaceTrack,
    Frame,
)
from .crops import Crops

Cutter = Callable[[list[Frame]], Chunk]
"""Cuts the faces out of frames; for any thread."""


@dataclass(frozen=True, slots=True)
class Group:
    """Consecutive edits that see the same crops."""

    steps: tuple[Step, ...]
    crops: Crops
    regions: frozenset[Region] = FACE
    """What of the picture they change: with hair among it, hair in front of a face is not spared;
    with hats, nor are glasses, which go with a head as hats do."""

    def sees_as(self, other: Group) -> bool:
        """Whether another group's edits can be done on the same crops, protected alike."""
        mine, others = (g.crops.rule for g in (self, other))
        return mine == others and self._spares() == other._spares()

    def _spares(self) -> tuple[bool, bool]:
        """Return whether hair, and glasses, in front of a face stay where they are."""
        return "hair" not in self.regions, "hat" not in self.regions

    def cutter(self, tracks: Iterable[FaceTrack]) -> Cutter:
        """Return what cuts out the faces that take anything of the edits."""
        return self.crops.cutter(tracks, [d for step in self.steps for d in step.demands()])

    def edited(
        self,
        batch: AlignedBatch,
        protection: Protection,
        clock: Stopwatch,
        mattes: Mapping[int, Mattes],
    ) -> Iterator[EditedBatch]:
        """Yield the edited crops of a batch, by as many at once as memory holds; `mattes`: by
        frame."""
        if not self.steps:  # nothing to look for, nothing to protect
            yield apply(self.steps, batch)
            return
        hair, worn = self._spares()
        guard = dataclasses.replace(protection, spares_hair=hair, spares_glasses=worn)

        def bare(source: AlignedBatch) -> EditedBatch:
            there = source.to(self.crops.device)
            edited = fetched(apply(self.steps, there), source)
            with clock.time("edit / room"):
                return room.kept(edited)

        def whole(part: AlignedBatch) -> EditedBatch:
            with clock.time("edit / parse"):
                parsed = self.crops.parsed(part)
            return guard.around(parsed, bare, held_of(part, mattes))

        for _, edited in self.crops.halving(whole, batch):
            yield edited


@dataclass(frozen=True, slots=True)
class Rendering:
    """All that turns frames into edited frames."""

    groups: tuple[Group, ...]
    """At least one; without edits it has no steps."""
    tracks: tuple[FaceTrack, ...]
    protection: Protection
    blend: BlendMethod

    def cutters(self) -> list[Cutter]:
        """Return what cuts out the faces, for each group."""
        return [group.cutter(self.tracks) for group in self.groups]


def render(
    rendering: Rendering, frames: Iterable[tuple[Frame, Mattes]], clock: Stopwatch
) -> Generator[EditResult, None, None]:
    """Yield every frame once, in order, edited or as it came; each comes with the user's mattes.

    Some threads cut out, edit and blend, so that one's work on the device overlaps the others' on
    the frames. Close the iterator if it is not used up, so that its threads end.
    """
    cutters = rendering.cutters()
    crops = rendering.groups[0].crops
    chunks = clock.timed("wait for decoder", crops.chunks(frames))

    def rendered(frames: list[tuple[Frame, Mattes]]) -> list[EditResult]:
        return _rendered(rendering, cutters, frames, clock)[0]

    with in_order(rendered, chunks, workers=crops.workers) as results:
        for result in results:
            yield from result


def look(
    rendering: Rendering, frame: Frame, mattes: Mattes
) -> tuple[EditResult, tuple[EditedBatch, ...]]:
    """Return one frame, edited or as it came, and the crops that were made for it, whole."""
    results, edited = _rendered(rendering, rendering.cutters(), [(frame, mattes)], Stopwatch())
    return results[0], tuple(part.whole() for part in edited)


def _rendered(
    rendering: Rendering,
    cutters: Sequence[Cutter],
    shown: list[tuple[Frame, Mattes]],
    clock: Stopwatch,
) -> tuple[list[EditResult], list[EditedBatch]]:
    """Return some frames and their edited crops, group by group."""
    frames = [frame for frame, _ in shown]
    mattes = {frame.index: own for frame, own in shown}
    results: list[EditResult] = []
    all_edited: list[EditedBatch] = []
    for group, cut in zip(rendering.groups, cutters, strict=True):
        with clock.time("align"):
            chunk, batches, skipped = cut([r.frame for r in results] or frames)
        with clock.time("edit"), torch.inference_mode():
            edited = [
                part
                for batch in batches
                for part in group.edited(batch, rendering.protection, clock, mattes)
            ]
        with clock.time("blend"):
            blended = blend(
                chunk,
                edited,
                skipped=skipped,
                method=rendering.blend,
                clock=clock,
                mattes=mattes,
            )
        results = _both(results, blended) if results else blended
        all_edited += edited
    return results, all_edited


def _both(before: Sequence[EditResult], after: Sequence[EditResult]) -> list[EditResult]:
    """Return the later results; a face edited before counts as edited."""
    return [
        dataclasses.replace(new, faces=tuple(_joined(old.faces, new.faces)))
        for old, new in zip(before, after, strict=True)
    ]


def _joined(before: Sequence[FaceOutcome], after: Sequence[FaceOutcome]) -> Iterator[FaceOutcome]:
    earlier = {outcome.track_id: outcome for outcome in before}
    for outcome in after:
        old = earlier.get(outcome.track_id, outcome)
        edited = old.edited or outcome.edited
        left = {c: max(old.left[c], outcome.left[c]) for c in old.left.keys() & outcome.left.keys()}
        reason = old.reason if outcome.reason == NOT_ASKED else outcome.reason
        yield FaceOutcome(outcome.track_id, edited, "" if edited else reason, left)
