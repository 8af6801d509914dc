"""Where on every face, in its own frame, lie the skin, the folds of age, the bags, the shine.

Maps are (side, side) float32 0–1 over the window of `face_frame`, soft, drawn once. Positions are
in distances between the outer eye corners (E), of the right half of the picture, and mirrored.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Final, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .face_frame import WINDOW_LEFT, WINDOW_SIDE, WINDOW_TOP, head, texels

Place = Literal[
    "forehead", "frown", "crows-feet", "under-eye", "bags", "nasolabial", "marionette", "upper-lip",
    "cheek", "nose", "chin",
]  # fmt: skip
"""A part of the face that has detail of its own kind."""

Line = Sequence[tuple[float, float]]

_STROKES: Final[dict[Place, tuple[Line, float]]] = {
    "forehead": (((0.0, -0.56), (0.36, -0.56), (0.0, -0.78), (0.36, -0.76)), 0.16),
    "frown": (((0.0, -0.36), (0.05, -0.30), (0.05, -0.14)), 0.09),
    "crows-feet": (((0.62, -0.06), (0.66, 0.06), (0.62, 0.16)), 0.10),
    "under-eye": (((0.20, 0.10), (0.30, 0.155), (0.42, 0.14)), 0.065),
    "bags": (((0.20, 0.11), (0.32, 0.17), (0.46, 0.15)), 0.085),
    "nasolabial": (((0.19, 0.46), (0.27, 0.58), (0.36, 0.74)), 0.07),
    "marionette": (((0.34, 0.84), (0.36, 0.96), (0.36, 1.04)), 0.06),
    "upper-lip": (((0.0, 0.60), (0.16, 0.62)), 0.06),
    "cheek": (((0.46, 0.34), (0.50, 0.56), (0.52, 0.78)), 0.15),
    "nose": (((0.0, 0.02), (0.0, 0.40), (0.10, 0.42)), 0.10),
    "chin": (((0.0, 1.02), (0.16, 1.04)), 0.10),
}
"""A line along the middle of each part, and how far on both sides of it the part reaches."""

_BROW_GROW, _EYE_GROW, _LIP_GROW = 0.055, 0.05, 0.035
"""How far brows, lids with lashes, and lips reach beyond their landmarks."""
_NOSTRILS: Final = (((0.05, 0.485), (0.09, 0.47)), 0.05)
_SOFT = 0.02


@cache
def place(name: Place, side: int) -> Tensor:
    """Return one part of the face, 1 along its middle and falling to 0.6 at its reach."""
    line, reach = _STROKES[name]
    return torch.exp(-0.5 * (_distance(line, side) / reach).square())


@cache
def open_skin(side: int) -> Tensor:
    """Return what is skin on every face: without lids and lashes, brows, lips, nostrils; up to the
    jaw and the forehead, soft."""
    points = head()
    outline = np.concatenate([points[:17], points[:-10:-1]])
    inside = _polygon(outline, side, grow=-0.05, soften=0.03)
    eyes = [_polygon(points[s], side, grow=_EYE_GROW, soften=_SOFT) for s in _EYES]
    brows = [_polygon(points[s], side, grow=_BROW_GROW, soften=_SOFT) for s in _BROWS]
    lips = _polygon(points[48:60], side, grow=_LIP_GROW, soften=_SOFT)
    line, reach = _NOSTRILS
    nostrils = torch.exp(-((_distance(line, side) / reach) ** 4))
    kept = torch.stack([*eyes, *brows, lips, nostrils]).amax(0)
    return inside * (1 - kept)


@cache
def spotted_skin(side: int) -> Tensor:
    """Return where a dark spot is not likely to be a shade that every face has: off the lids, the
    creases of the nose's wings, the corners of the mouth."""
    kept = open_skin(side)
    for line, reach in _SHADED:
        kept = kept * (1 - torch.exp(-((_distance(line, side) / reach) ** 4)))
    eroded: NDArray[np.float32] = cv2.erode(
        kept.numpy(), np.ones((2 * round(_SPOT_OFF * side / WINDOW_SIDE) + 1,) * 2, np.uint8)
    )
    return torch.from_numpy(eroded)


_SHADED: Final[tuple[tuple[Line, float], ...]] = (
    (((0.15, 0.34), (0.20, 0.42), (0.19, 0.50), (0.04, 0.52)), 0.055),
    (((0.28, 0.78), (0.32, 0.79)), 0.06),
    (((0.50, -0.04), (0.66, 0.00), (0.62, 0.06)), 0.07),
)
_SPOT_OFF = 0.02
"""How far spots lie from all that is no skin [E]."""
_EYES = (slice(36, 42), slice(42, 48))
_BROWS = (slice(17, 22), slice(22, 27))


def _distance(line: Line, side: int) -> Tensor:
    """Return the distance [E] of every texel from a line of points and from its mirror image."""
    at = np.abs(texels(side) * (1, 0)) + texels(side) * (0, 1)
    distances = [_from_segment(at, np.array(a), np.array(b)) for a, b in pairwise(line)]
    return torch.from_numpy(np.minimum.reduce(distances).astype(np.float32))


def _from_segment(
    at: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]
) -> NDArray[np.float64]:
    along = np.clip(((at - a) @ (b - a)) / ((b - a) @ (b - a)), 0.0, 1.0)
    return np.asarray(np.linalg.norm(at - (a + along[..., None] * (b - a)), axis=-1))


def _polygon(points: NDArray[np.float64], side: int, *, grow: float, soften: float) -> Tensor:
    """Return the inside of a polygon (K, 2) [E], grown and softened by distances [E]."""
    unit = side / WINDOW_SIDE
    corners = ((points - (WINDOW_LEFT, WINDOW_TOP)) * unit - 0.5) * 256
    mask = np.zeros((side, side), np.uint8)
    cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], 1, shift=8)
    inner = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    outer = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5)
    signed = (inner - outer) / unit + grow
    return torch.from_numpy(np.clip(0.5 + signed / (2 * soften), 0, 1).astype(np.float32))
