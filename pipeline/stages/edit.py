"""Edit: aligned crops in, edited crops out.

Latent edits in a row share one encode and one render; an image edit ends the row. The code of a
face is constant over a shot (`ShotCodes`), so texture cannot flicker; what changes from frame to
frame is the state the generator needs (mouth, yaw) and how much of the edit a frame takes
(`weights`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..editors._base import ImageEditor, LatentEditor, LatentModel
from ..imaging.occlusion import visible_face
from ..types import AlignedBatch, Codes, EditedBatch


@dataclass(frozen=True, slots=True, repr=False)
class ShotCodes:
    """The latent code of one track over its shot."""

    w: Tensor
    """(L, D) float32, one code for the shot."""
    state: Tensor
    """(T, G) float32, one row per frame of the track."""
    first_frame: int

    def __repr__(self) -> str:
        return f"ShotCodes(w={tuple(self.w.shape)}, state={tuple(self.state.shape)})"


@dataclass(frozen=True, slots=True)
class LatentStep:
    """Consecutive latent edits, rendered once."""

    editor: LatentEditor
    edits: tuple[tuple[str, float], ...]
    """(attribute, strength) in order."""


@dataclass(frozen=True, slots=True)
class ImageStep:
    """One image-space edit."""

    editor: ImageEditor
    attribute: str
    strength: float


Step = LatentStep | ImageStep


class EditChain:
    """The edits of one request, applied to batches of crops in order.

    With `occlusion`, what lies in front of a face keeps its pixels.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        model: LatentModel | None,
        codes: Mapping[int, ShotCodes],
        *,
        occlusion: bool = False,
    ) -> None:
        self._steps = tuple(steps)
        self._model = model
        self._codes = codes
        self._occlusion = occlusion

    def __call__(self, batch: AlignedBatch) -> EditedBatch:
        """Return the edited crops; strength 0 or weight 0 leaves a crop exactly as it was."""
        edited = EditedBatch(batch, batch.images, torch.zeros_like(batch.images[:, :1]))
        for step in self._steps:
            source = dataclasses.replace(batch, images=edited.images)
            step_result = (
                self._latent(source, step)
                if isinstance(step, LatentStep)
                else step.editor.apply(source, step.attribute, step.strength * source.weights)
            )
            edited = EditedBatch(
                batch, step_result.images, torch.maximum(edited.masks, step_result.masks)
            )
        if self._occlusion and edited.masks.any():
            seen = visible_face(batch.images, batch.landmarks)
            edited = dataclasses.replace(edited, masks=edited.masks * seen)
        return edited

    def _latent(self, batch: AlignedBatch, step: LatentStep) -> EditedBatch:
        assert self._model is not None, "a latent step needs a latent model"
        before = self._codes_of(batch)
        after = before
        for attribute, strength in step.edits:
            after = step.editor.move(after, attribute, strength * batch.weights)
        return self._model.render(batch, before, after)

    def _codes_of(self, batch: AlignedBatch) -> Codes:
        rows = [
            (self._codes[int(track)], int(frame))
            for track, frame in zip(batch.track_id, batch.frame_index, strict=True)
        ]
        w = torch.stack([codes.w for codes, _ in rows])
        state = torch.stack([codes.state[frame - codes.first_frame] for codes, frame in rows])
        device = batch.images.device
        return Codes(w=w.to(device), state=state.to(device))
