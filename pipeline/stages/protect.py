"""Protect: what is not of the face keeps its pixels, whatever the editors do.

Print over a face stays where it is, and is not carried along; hands, hair and objects in front of
it are taken out of the mask; a picture that fades takes the edit along.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..causes import FADED, IN_FRONT
from ..imaging.fading import Fade
from ..imaging.masks import unseen_mask
from ..imaging.occlusion import hidden_by_colour
from ..imaging.overlays import filled, printed
from ..types import AlignedBatch, EditedBatch

Hidden = Callable[[AlignedBatch], Tensor | None]
"""Says what is in front of the faces of a batch on the device, (N, 1, S, S) 0–1."""


@dataclass(frozen=True, slots=True)
class Protection:
    """What is known of the faces of a clip to tell what is not of them."""

    tones: Mapping[int, NDArray[np.float32]] = field(default_factory=dict)
    """By track, (2,) the usual tone of the face (see `fading.tones`)."""
    hidden: Mapping[int, Hidden] = field(default_factory=dict)
    """By track, what tells more than the colours do."""
    occlusion: bool = True
    """Whether what lies in front of a face is kept."""
    spares_hair: bool = True
    """Whether hair in front of a face is kept, too: not where it is what is to be edited."""

    def around(
        self, batch: AlignedBatch, edit: Callable[[AlignedBatch], EditedBatch]
    ) -> EditedBatch:
        """Return an edit of crops of one track, made of them as they are without fade and print."""
        fade = self._fade(batch)
        if fade is None:
            return self._under_print(batch, edit)
        edited = fade.put_on(self._under_print(fade.taken_back(batch), edit), batch)
        return _with_left(edited, FADED, fade.left[:, 0, 0, 0])

    def uncovered(self, edited: EditedBatch, there: AlignedBatch) -> EditedBatch:
        """Return an edit without what is in front of the faces; `there`: the crops, on the
        device."""
        if not self.occlusion or not edited.masks.any():
            return edited
        rows, columns = edited.part
        masks = edited.masks
        for hidden in self._hidden(edited.source, there):
            masks = masks * (1 - hidden[:, :, rows, columns])
        return _seen(edited, masks)

    def _under_print(
        self, batch: AlignedBatch, edit: Callable[[AlignedBatch], EditedBatch]
    ) -> EditedBatch:
        letters = printed(batch.images, batch.landmarks) if self.occlusion else None
        if letters is None:
            return edit(batch)
        bare = dataclasses.replace(batch, images=filled(batch.images, letters))
        edited = edit(bare)
        rows, columns = edited.part
        here, below = batch.images[:, :, rows, columns], bare.images[:, :, rows, columns]
        images = torch.where(here == below, edited.images, here + (edited.images - below))
        printed_on = dataclasses.replace(edited, source=batch, images=images.clamp(-1, 1))
        return _seen(printed_on, edited.masks * (1 - letters[:, :, rows, columns]))

    def _fade(self, batch: AlignedBatch) -> Fade | None:
        """Return how faded the crops are against the rest of their shots."""
        tones = [self.tones.get(int(track)) for track in batch.track_id]
        if not tones or any(tone is None for tone in tones):
            return None
        return Fade.of(batch, np.stack([tone for tone in tones if tone is not None]))

    def _hidden(self, batch: AlignedBatch, there: AlignedBatch) -> Iterator[Tensor]:
        """Yield what is in front of the faces (N, 1, S, S) 0–1, where anything is."""
        if batch.parts is not None:
            unseen = unseen_mask(batch.landmarks, batch.parts, batch.images.shape[-1])
            if unseen is not None:
                yield unseen
        if not self.spares_hair:
            return
        by_colour = hidden_by_colour(batch.images, batch.landmarks)
        if by_colour is not None:
            yield by_colour
        tell = self.hidden.get(int(batch.track_id[0]))
        by_shot = None if tell is None else tell(there)
        if by_shot is not None:
            yield by_shot.cpu()


def _seen(edited: EditedBatch, masks: Tensor) -> EditedBatch:
    """Return an edit with less of its masks, and what share of them is left."""
    if masks is edited.masks:
        return edited
    before, after = (m.sum((1, 2, 3)) for m in (edited.masks, masks))
    share = torch.where(before > 0, after / before.clamp_min(1e-6), 1.0)
    return _with_left(dataclasses.replace(edited, masks=masks), IN_FRONT, share)


def _with_left(edited: EditedBatch, cause: str, share: Tensor) -> EditedBatch:
    """Return an edit of which a cause leaves a share (N,) 0–1."""
    left = {**edited.left, cause: edited.left.get(cause, 1.0) * share}
    return dataclasses.replace(edited, left=left)
