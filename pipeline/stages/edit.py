"""Edit: aligned crops of one face in, edited crops out, by any editors in their order.

Edits in a row that belong to one editor are handed to it together where it can draw them at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..causes import Demand
from ..editors import Editor
from ..imaging.sampling import pixels, sample
from ..request import Edit
from ..types import AlignedBatch, EditedBatch, Needs

_HARDLY = 0.1
"""Strength below which a face that is drawn anew fades, so that it does not come at once as a curve
leaves 0."""


@dataclass(frozen=True, slots=True)
class Step:
    """Consecutive edits of one editor."""

    editor: Editor
    edits: tuple[Edit, ...]
    strengths: tuple[float | NDArray[np.float32], ...]
    """Of each edit: a constant, or of a curve one for each frame of the clip."""
    needs: tuple[Needs, ...]
    """Of each edit, the parts of a face without which nothing of it is done."""
    prepared: Mapping[int, Any]
    """By track."""

    def shares(self, batch: AlignedBatch) -> Tensor:
        """Return how much of each edit each crop takes, (E, N) 0–1."""
        return torch.stack([batch.share(needs) for needs in self.needs])

    def amounts(self, batch: AlignedBatch) -> Tensor:
        """Return the strength of each edit in each crop, (E, N): as asked, times what it takes."""
        return self._asked(batch) * self.shares(batch)

    def _asked(self, batch: AlignedBatch) -> Tensor:
        """Return the strength that is asked of each edit in each crop, (E, N)."""
        rows = batch.frame_index
        asked = np.stack(
            [
                s[rows] if isinstance(s, np.ndarray) else np.full(len(rows), s, np.float32)
                for s in self.strengths
            ]
        )
        return torch.from_numpy(asked).to(batch.images.device)

    def demands(self) -> list[Demand]:
        """Return what each edit takes of a face, and in which frames it is asked for."""
        asked = [s != 0 if isinstance(s, np.ndarray) else None for s in self.strengths]
        return [Demand(*both) for both in zip(self.needs, asked, strict=True)]

    def done(self, batch: AlignedBatch) -> EditedBatch:
        """Return crops of one track with the edits."""
        amounts = self.amounts(batch)
        # An editor that draws a face anew fades what it drew as its edits fade.
        drawn = self.shares(batch) * (self._asked(batch).abs() / _HARDLY).clamp(max=1)
        faded = dataclasses.replace(batch, weights=drawn.amax(0))
        prepared = self.prepared.get(int(batch.track_id[0]))
        if self.editor.draws_together:
            edited = self.editor.apply_row(faded, self.edits, amounts, prepared)
        else:
            edited = self.editor.apply(faded, self.edits[0], amounts[0], prepared)
        return dataclasses.replace(edited, source=batch)


def followed(steps: tuple[Step, ...], step: Step) -> tuple[Step, ...]:
    """Return steps with one more, drawn together with the last of them where its editor can."""
    last = steps[-1]
    if last.editor is not step.editor or not step.editor.draws_together:
        return (*steps, step)
    both = dataclasses.replace(
        last,
        edits=last.edits + step.edits,
        strengths=last.strengths + step.strengths,
        needs=last.needs + step.needs,
    )
    return (*steps[:-1], both)


def apply(steps: Sequence[Step], batch: AlignedBatch) -> EditedBatch:
    """Return crops of one track with all edits; a strength or weight of 0 leaves them as they are.

    The batch is on the device of the editors.
    """
    if not steps:
        return EditedBatch(batch, batch.images, torch.zeros_like(batch.images[:, :1]))
    edited = steps[0].done(batch)
    for step in steps[1:]:
        edited = edited.whole()
        done = step.done(dataclasses.replace(batch, images=edited.images)).whole()
        edited = EditedBatch(
            batch,
            done.images,
            torch.maximum(edited.masks, done.masks),
            shifts=_moved_twice(edited.shifts, done.shifts),
        )
    return edited


def _moved_twice(first: Tensor | None, then: Tensor | None) -> Tensor | None:
    """Return how far pixels were shifted (N, 2, S, S) by one edit and then by another."""
    if first is None or then is None:
        return first if then is None else then
    at = pixels(then.shape[-1], then) + then.permute(0, 2, 3, 1)
    return then + sample(first, at, kernel="linear")


def fetched(edited: EditedBatch, source: AlignedBatch) -> EditedBatch:
    """Return edited crops beside those they were made of, in the CPU's memory."""
    if edited.source is source:
        return edited
    moved = () if edited.shifts is None else (edited.shifts,)
    all_of_it = torch.cat([edited.images, edited.masks, *moved], dim=1)
    here = torch.empty(all_of_it.shape, dtype=all_of_it.dtype, pin_memory=all_of_it.is_cuda)
    here.copy_(all_of_it)  # the one wait for all that was asked of the device
    shifts = here[:, 4:] if moved else None
    return EditedBatch(source, here[:, :3], here[:, 3:4], edited.corner, shifts)
