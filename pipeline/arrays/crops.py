"""Crops of faces as arrays: as they are in their frame, and edited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from ..types import AlignedBatch, EditedBatch

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, repr=False)
class FaceCrop:
    """One face of one frame, as the pack of the clip sees it."""

    batch: AlignedBatch
    """The same as the program has it: tensors, N = 1."""

    @property
    def frame(self) -> int:
        """Number of the frame, from 0."""
        return int(self.batch.frame_index[0])

    @property
    def track(self) -> int:
        """Number of the track: the same person through one shot."""
        return int(self.batch.track_id[0])

    @property
    def name(self) -> str:
        """`TRACK/FRAME`, by which codes are kept in files."""
        return f"{self.track}/{self.frame}"

    @property
    def image(self) -> Floats:
        """(S, S, 3) float32 RGB in [0, 1]: the frame's own pixels round the face."""
        return to_array(self.batch.images[0])

    @property
    def landmarks(self) -> Floats:
        """(68, 2) float32 x, y [crop px], in the order of iBUG 300-W."""
        return np.asarray(self.batch.landmarks[0].numpy(), np.float32)

    @property
    def crop_to_frame(self) -> NDArray[np.float64]:
        """(3, 3) float64 from crop px to px of the upright frame."""
        return np.asarray(self.batch.crop_to_frame[0], np.float64)

    def edited(self, image: Floats, mask: Floats) -> EditedCrop:
        """Return the crop with another picture, made by whatever means, to be blended.

        Args:
            image: (S, S, 3) float32 RGB in [0, 1].
            mask: (S, S) float32, 0 keep … 1 replace; 0 along the border of the crop.

        Raises:
            ValueError: other shapes.
        """
        side = self.batch.images.shape[-1]
        if image.shape != (side, side, 3) or mask.shape != (side, side):
            raise ValueError(
                f"a crop of {side} px takes an image {(side, side, 3)} and a mask {(side, side)}, "
                f"got {image.shape} and {mask.shape}"
            )
        planes = np.ascontiguousarray(np.moveaxis(2 * image - 1, 2, 0), np.float32)
        cover = np.ascontiguousarray(mask, np.float32)
        return EditedCrop(
            EditedBatch(
                self.batch, torch.from_numpy(planes)[None], torch.from_numpy(cover)[None, None]
            )
        )

    def __repr__(self) -> str:
        side = self.batch.images.shape[-1]
        return f"FaceCrop(frame={self.frame}, track={self.track}, {side} px)"


@dataclass(frozen=True, slots=True, repr=False)
class EditedCrop:
    """A crop after an edit, with the mask of what changes of the frame."""

    batch: EditedBatch
    """The same as the program has it: tensors, N = 1; perhaps the part that the edit reaches."""

    @property
    def image(self) -> Floats:
        """(S, S, 3) float32 RGB in [0, 1]."""
        return to_array(self.batch.whole().images[0])

    @property
    def mask(self) -> Floats:
        """(S, S) float32, 0 keep … 1 replace."""
        return np.asarray(self.batch.whole().masks[0, 0].numpy(), np.float32)

    def __repr__(self) -> str:
        batch = self.batch.source
        return f"EditedCrop(frame={batch.frame_index[0]}, track={batch.track_id[0]})"


def to_array(images: Tensor) -> Floats:
    """Return pictures (…, S, S, 3) float32 in [0, 1] of tensors (…, 3, S, S) in [-1, 1]."""
    return np.asarray((images.float().cpu() / 2 + 0.5).movedim(-3, -1).numpy(), np.float32)
