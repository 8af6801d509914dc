"""The mouth in a crop: a window round it, and how much of each pixel is lips, teeth, or neither.

Where the lips are say the landmarks; which pixels are of them say the colours beside. Arrays are of
one face, on a CPU.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .geometry import Points
from .masks import polygon_mask
from .tones import Floats, log_luma, logs_of, redness, smoothstep

_MARGIN = 0.12
"""Of the window round the lips [outer eye distances]."""
_OUTER, _INNER = np.arange(48, 60), np.arange(60, 68)
_BESIDE = ((31, 48, 3), (35, 54, 13))
"""The skin that lips and teeth are compared with: between the nose's wing, the corner of the mouth,
and half-way from there to the jaw."""
_INSIDE_GROWTH, _EDGE_SIGMA = 0.012, 0.008
"""How far the inside of the mouth is grown, because landmarks run along the lips' middle where they
touch; and sigma of soft edges [outer eye distances]."""
_GUIDE_RADIUS, _GUIDE_EDGE = 0.035, 0.08
"""Of the guided filter [outer eye distances; units of redness]."""
_LIPS_GROWTH = 0.015
_TOOTH_REDNESS = (0.85, 0.6)
"""Redness, as a share of that of the lips, at which a pixel begins to be a tooth, and is one; gums
and tongue are as red as lips, teeth about half as much."""
_TOOTH_LUMA = (-1.1, -0.6)
"""Log luma over that of the skin at which a tooth begins to be seen, and is."""

_TEETH_AREA = (0.002, 0.007)
"""Area [squared outer eye distances] from which what is pale between the lips begins to be teeth,
and is: the line of a closed mouth has pale specks."""


@dataclass(frozen=True, slots=True)
class MouthView:
    """The window round a mouth."""

    rows: slice
    columns: slice
    logs: Floats
    """(3, h, w) log colours (see `tones`)."""
    lips: Floats
    """(h, w) 0–1."""
    inside: Floats
    """(h, w) 0–1: between the lips."""
    lip: Floats
    """(3,) median log colour of the lips."""
    skin: Floats
    """(3,) median log colour of the skin beside the mouth."""
    eyes: float
    """Distance of the outer eye corners [px]."""

    @classmethod
    def of(cls, picture: Floats, landmarks: Points, eyes: float) -> MouthView | None:
        """Return the window of a crop (3, S, S); None where it does not hold the mouth.

        Args:
            picture: RGB in [-1, 1].
            landmarks: (68, 2) [px].
            eyes: size of the face, the distance of its outer eye corners [px].
        """
        points = np.asarray(landmarks, np.float64)
        window = _window(points, eyes, picture.shape[-1])
        if window is None:
            return None
        rows, columns, corner, size = window
        logs = logs_of(np.ascontiguousarray(picture[:, rows, columns]))
        outer, inner = (_inside(points[at] - corner, size, logs) for at in (_OUTER, _INNER))
        inside = _soft(_grown(inner, _INSIDE_GROWTH * eyes), _EDGE_SIGMA * eyes)
        lips = np.clip(outer - _soft(inner, _EDGE_SIGMA * eyes), 0, 1)
        beside = [_inside(part - corner, size, logs) for part in _skin_beside(points)]
        cheeks = np.maximum(*beside)
        if min((part > 0.9).sum() for part in (lips, cheeks)) < 8:
            return None
        lip, skin = (np.median(logs[:, part > 0.9], axis=1) for part in (lips, cheeks))
        return cls(rows, columns, logs, _refined(lips, inner, logs, eyes), inside, lip, skin, eyes)

    def change(self, edited: Floats, mask: Floats) -> tuple[slice, slice, Tensor, Tensor]:
        """Return where the window lies, what it shows once edited (3, h, w), RGB in [-1, 1], and
        its mask (h, w), as (1, h, w)."""
        return self.rows, self.columns, torch.from_numpy(edited), torch.from_numpy(mask)[None]

    def teeth(self) -> Floats:
        """Return how much of each pixel is a tooth, (h, w) 0–1: pale, and between the lips."""
        red = redness(self.logs) / max(float(redness(self.lip)), 0.1)
        bright = log_luma(self.logs) - float(log_luma(self.skin))
        pale = smoothstep(red, *_TOOTH_REDNESS) * smoothstep(bright, *_TOOTH_LUMA)
        teeth = self.inside * cv2.GaussianBlur(pale, (0, 0), 0.7)
        area = np.asarray(teeth.sum() / self.eyes**2, np.float32)
        return np.asarray(teeth * smoothstep(area, *_TEETH_AREA))


def _window(
    points: NDArray[np.float64], eyes: float, side: int
) -> tuple[slice, slice, NDArray[np.float64], int] | None:
    """Return rows, columns, corner and side [px] of a square round mouth and cheeks."""
    near = np.concatenate([points[_OUTER], *_skin_beside(points)])
    low, high = near.min(0) - _MARGIN * eyes, near.max(0) + _MARGIN * eyes
    size = int(np.ceil((high - low).max()))
    corner = np.rint(0.5 * (low + high - size))
    x, y = (int(v) for v in np.clip(corner, 0, side))
    if size > side or not (corner >= 0).all() or (corner + size > side).any():
        return None
    return slice(y, y + size), slice(x, x + size), corner, size


def _skin_beside(points: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return triangles (3, 2) of skin beside the mouth."""
    return [
        np.stack([points[wing], points[corner], 0.5 * (points[corner] + points[jaw])])
        for wing, corner, jaw in _BESIDE
    ]


def _inside(polygon: NDArray[np.float64], size: int, like: Floats) -> Floats:
    return np.asarray(polygon_mask(polygon[None], size)[0, 0].numpy(), like.dtype)


def _grown(mask: Floats, px: float) -> Floats:
    reach = round(px)
    return np.asarray(cv2.dilate(mask, np.ones((2 * reach + 1,) * 2, np.uint8))) if reach else mask


def _soft(mask: Floats, sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(sigma, 0.5)))


def _refined(lips: Floats, inner: Floats, logs: Floats, eyes: float) -> Floats:
    """Return the lips with their outer edge where red gives way to skin."""
    guide = np.clip(redness(logs), -0.3, 1.0)
    side = 2 * max(round(_GUIDE_RADIUS * eyes), 1) + 1
    fine = guided(guide, lips, side, _GUIDE_EDGE)
    near = _soft(_grown(lips, _LIPS_GROWTH * eyes), _EDGE_SIGMA * eyes)
    teeth = _soft(inner, _EDGE_SIGMA * eyes)
    return np.asarray(np.clip(smoothstep(fine, 0.15, 0.8) * near * (1 - teeth), 0, 1))


def guided(guide: Floats, mask: Floats, side: int, edge: float) -> Floats:
    """Return a mask (h, w) whose edges follow those of a guide (h, w).

    He, Sun, Tang, "Guided Image Filtering" (ECCV 2010), eq. 5–8, over squares of `side` px; steps
    of the guide well above `edge` are followed.
    """
    mean_guide, mean_mask = _box(guide, side), _box(mask, side)
    covariance = _box(guide * mask, side) - mean_guide * mean_mask
    variance = _box(guide * guide, side) - mean_guide * mean_guide
    slope = np.asarray(covariance / (variance + edge**2), np.float32)
    level = np.asarray(mean_mask - slope * mean_guide, np.float32)
    return np.asarray(_box(slope, side) * guide + _box(level, side))


def _box(values: Floats, side: int) -> Floats:
    return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT), np.float32)
