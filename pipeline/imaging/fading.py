"""Fades to black and to white: measured on the face, undone before an edit and redone after it.

A fade is one straight change of all levels, x → a·x + b. The edit of a faded face should be the
edit of the unfaded face, faded in the same way. So a crop is restored, edited, and only a times the
difference is kept: an edit dims with its picture, and a black frame stays black.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..types import AlignedBatch, EditedBatch

Floats = NDArray[np.float32]

ORDINARY = 0.8
"""Share of the shot's usual contrast or light from which on a face is not faded at all: heads turn,
lamps flicker."""
MOST_GAIN = 25.0
"""Largest gain by which a crop is restored: beyond it there is nothing but rounding."""
_FIRST, _SECOND = np.triu_indices(51)
_INNER = 17
"""From this landmark on they lie inside the face: brows, nose, eyes, mouth."""


def tones(images: Tensor, landmarks: Tensor) -> Floats:
    """(N, 2) float32 mean and standard deviation of a face's luma, 0–1, between its landmarks
    (N, 68, 2) [crop px]; images (N, 3, S, S) float RGB in [-1, 1].
    """
    inner = landmarks[:, _INNER:].cpu().double().numpy()
    middles = np.rint(0.5 * (inner[:, _FIRST] + inner[:, _SECOND])).astype(np.int64)
    middles = middles.clip(0, images.shape[-1] - 1)
    out = np.empty((len(images), 2), np.float32)
    for n, at in enumerate(middles):
        x, y = (torch.from_numpy(c).to(images.device) for c in at.T)
        colours = np.clip(np.nan_to_num(images[n, :, y, x].cpu().double().numpy()), -1, 1)
        luma = 0.5 * (0.299 * colours[0] + 0.587 * colours[1] + 0.114 * colours[2]) + 0.5
        # Rounded, so that black has none of it to the bit.
        out[n] = round(float(luma.mean()), 6), round(float(luma.std()), 6)
    return out


def usual_tone(tone: Floats) -> Floats:
    """(2,) the tone of a face where it is not faded, of tones (M, 2) over a shot."""
    strong = tone[:, 1] >= ORDINARY * np.quantile(tone[:, 1], 0.9)
    return np.asarray(np.median(tone[strong], axis=0), np.float32)


def shares(tone: Floats, usual: Floats) -> tuple[Floats, Floats]:
    """a and b (N,) of the fades that bring usual tones (N, 2) to those found (N, 2), levels 0–1.

    A fade scales the spread of all levels, and their distance from black or from white. A thing in
    front of the face may change either, so the less faded of the two counts. Tones of 0 are
    unknown: no fade.
    """
    mean, spread = np.maximum(usual, 1e-3).T
    to_black, to_white = tone[:, 0] / mean, (1 - tone[:, 0]) / np.maximum(1 - mean, 1e-3)
    left = np.maximum(tone[:, 1] / spread, np.minimum(to_black, to_white)) / ORDINARY
    left = np.where(usual[:, 1] > 0, left.clip(0, 1), 1.0)
    added = np.where(to_white < to_black, 1 - left, 0.0)
    return left.astype(np.float32), added.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Fade:
    """How faded N crops are."""

    left: Tensor
    """(N, 1, 1, 1) a, 0–1: 1 is not faded at all."""
    added: Tensor
    """(N, 1, 1, 1) b, 0–1."""

    @classmethod
    def of(cls, batch: AlignedBatch, usual: Floats) -> Fade | None:
        """Return how faded crops are whose faces usually have the tones (N, 2); None: not at
        all."""
        left, added = shares(tones(batch.images, batch.landmarks), usual)
        if (left >= 1).all():
            return None
        return cls(*(torch.from_numpy(v)[:, None, None, None] for v in (left, added)))

    def taken_back(self, batch: AlignedBatch) -> AlignedBatch:
        """Return the crops as they would be without the fade."""
        levels = 0.5 * batch.images + 0.5
        levels = (levels - self.added) / self.left.clamp_min(1 / MOST_GAIN)
        images = torch.where(self.left < 1, 2 * levels.clamp(0, 1) - 1, batch.images)
        return dataclasses.replace(batch, images=images)

    def put_on(self, edited: EditedBatch, faded: AlignedBatch) -> EditedBatch:
        """Return an edit of crops taken back as one of the faded crops."""
        rows, columns = edited.part
        before = edited.source.images[:, :, rows, columns]
        images = faded.images[:, :, rows, columns] + self.left * (edited.images - before)
        images = torch.where(self.left < 1, images.clamp(-1, 1), edited.images)
        return dataclasses.replace(edited, source=faded, images=images)
