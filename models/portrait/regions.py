"""Where skin, eyes, brows and mouth lie in the canonical frame, as soft masks drawn from the mean
head's vertices."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .topology import MESH_VERTICES
from .warp import CANONICAL_LEFT, CANONICAL_SIDE, CANONICAL_TOP


def vertex_indices(mesh_vertices: tuple[int, ...]) -> list[int]:
    """Return the shape's vertex numbers of mesh vertices."""
    return [MESH_VERTICES.index(v) for v in mesh_vertices]


FACE_OVAL = (*range(17), *vertex_indices((251, 284, 332, 297, 338, 10, 109, 67, 103, 54, 21)))
"""Vertices of the face outline: jaw from left to right, forehead back."""

INNER_MOUTH = tuple(vertex_indices((78, 80, 82, 13, 312, 310, 308, 318, 317, 14, 87, 88)))
"""Vertices of the inner lip line, clockwise from the image's left corner."""

EYES = (tuple(range(36, 42)), tuple(range(42, 48)))
BROWS = (tuple(range(17, 22)), tuple(range(22, 27)))


def polygon_mask(points: Tensor, side: int, *, grow: float, soften: float) -> Tensor:
    """Return a polygon of canonical points (P, 2) as (side, side) float in 0-1.

    `grow` widens (or with a negative value narrows) it and `soften` is the sigma of its edge, in
    outer-eye distances.
    """
    texels = side / CANONICAL_SIDE
    corner = np.array([CANONICAL_LEFT, CANONICAL_TOP])
    corners = ((points.numpy() - corner) * texels - 0.5) * 16
    mask: NDArray[np.float32] = np.zeros((side, side), dtype=np.float32)
    cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], 1.0, shift=4)
    radius = max(1, round(abs(grow) * texels))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    if grow > 0:
        mask = cv2.dilate(mask, kernel).astype(np.float32)
    elif grow < 0:
        mask = cv2.erode(mask, kernel, borderValue=0.0).astype(np.float32)
    if soften > 0:
        mask = cv2.GaussianBlur(mask, (0, 0), soften * texels).astype(np.float32)
    return torch.from_numpy(mask)


def skin_mask(canonical: Tensor, side: int) -> Tensor:
    """Return where texture is learnt (side, side) bool: the face without eyes and inner mouth."""
    face = polygon_mask(canonical[list(FACE_OVAL)], side, grow=0.02, soften=0)
    skin = (face > 0.5) & (holes(canonical, side, grow=0.0, soften=0.0) < 0.5)
    return skin & skin.flip(1)


def holes(canonical: Tensor, side: int, *, grow: float, soften: float) -> Tensor:
    """Return eyes and inner mouth as (side, side) float in 0-1."""
    mouth = polygon_mask(canonical[list(INNER_MOUTH)], side, grow=max(grow, 0.01), soften=soften)
    eyes = [polygon_mask(canonical[list(e)], side, grow=grow + 0.015, soften=soften) for e in EYES]
    return torch.stack([mouth, *eyes]).amax(dim=0)


UPPER_LIP_SKIN = (
    *vertex_indices((129,)),
    *range(31, 36),
    *vertex_indices((358,)),
    *range(54, 47, -1),
)
"""Vertices around the skin between the wings of the nose and the upper lip."""

LIPS = tuple(range(48, 60))

UNDER_EYES = tuple(
    vertex_indices(side)
    for side in ((145, 159, 230, 229, 119, 118, 117), (374, 386, 450, 449, 348, 347, 346))
)
"""Vertices around the lower lids and what lies under them."""


def smile_gain(canonical: Tensor, side: int) -> Tensor:
    """Return how strongly what a smile shades may show (side, side) float in 0-1.

    Hardly between nose and mouth, where it is read as a moustache, half under the eyes, where it
    makes bags, and less on the forehead, which does not smile.
    """
    lip = polygon_mask(canonical[list(UPPER_LIP_SKIN)], side, grow=0.0, soften=0.035)
    lids = _first_of(
        [
            *(polygon_mask(canonical[list(v)], side, grow=0.03, soften=0.03) for v in UNDER_EYES),
            *(
                polygon_mask(canonical[list(e)] + _BELOW_EYE, side, grow=0.03, soften=0.02)
                for e in EYES
            ),
        ]
    )
    y = torch.linspace(CANONICAL_TOP, CANONICAL_TOP + CANONICAL_SIDE, side)[:, None]
    forehead = ((canonical[19:25, 1].mean() - y) / 0.1).clamp(0, 1)
    gain = (1 - 0.85 * lip) * (1 - 0.55 * lids) * (1 - 0.7 * forehead)
    return (gain + gain.flip(1)) / 2


_BELOW_EYE = torch.tensor([0.0, 0.05])


def cheeks(canonical: Tensor, side: int) -> Tensor:
    """Return the face below the eyes and beside nose and mouth (side, side) float in 0-1."""
    face = polygon_mask(canonical[list(FACE_OVAL)], side, grow=-0.1, soften=0.02)
    y = torch.linspace(CANONICAL_TOP, CANONICAL_TOP + CANONICAL_SIDE, side)[:, None]
    low = ((y - canonical[29, 1]) / 0.05).clamp(0, 1)
    off = _first_of(
        [
            polygon_mask(canonical[list(v)], side, grow=grow, soften=0.02)
            for v, grow in ((UPPER_LIP_SKIN, 0.0), (LIPS, 0.04), (range(27, 36), 0.06))
        ]
    )
    return face * low * (1 - off)


def _first_of(masks: list[Tensor]) -> Tensor:
    return torch.stack(masks).amax(dim=0)


def layer_gain(canonical: Tensor, side: int) -> Tensor:
    """Return how strongly a texture change may show (side, side) float in 0-1.

    0 in eyes and mouth, weak on brows and nostrils (whose dark shapes never quite coincide),
    feathered towards the outline and the forehead, where hair may hang.
    """
    face = polygon_mask(canonical[list(FACE_OVAL)], side, grow=-0.07, soften=0.05)
    brows = torch.stack(
        [polygon_mask(canonical[list(b)], side, grow=0.05, soften=0.02) for b in BROWS]
    ).amax(dim=0)
    open_skin = 1 - holes(canonical, side, grow=0.01, soften=0.012)
    y = torch.linspace(CANONICAL_TOP, CANONICAL_TOP + CANONICAL_SIDE, side)[:, None]
    forehead = ((y + 0.5) / 0.25).clamp(0, 1)
    x = torch.linspace(CANONICAL_LEFT, CANONICAL_LEFT + CANONICAL_SIDE, side)[None]
    nostrils = torch.exp(-(x / 0.16).square() - ((y - 0.46) / 0.10).square())
    gain = face * open_skin * (1 - 0.65 * brows) * (0.4 + 0.6 * forehead) * (1 - 0.85 * nostrils)
    return (gain + gain.flip(1)) / 2
