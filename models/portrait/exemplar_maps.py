"""Maps over the mean head that say which texels belong to a region taken from another face."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import torch
from torch import Tensor

from ..ops.gaussian import blurred
from .regions import (
    BROWS,
    EYES,
    FACE_OVAL,
    LIPS,
    UPPER_LIP_SKIN,
    holes,
    polygon_mask,
    vertex_indices,
)
from .warp import CANONICAL_SIDE, CANONICAL_TOP, smoothstep

REGIONS: Final = ("mouth", "eyes", "brows", "nose", "lower", "face")
"""What of a face can be taken from another one."""

NOSE = (27, *vertex_indices((129,)), *range(31, 36), *vertex_indices((358,)))
_LOWER = (0.05, 0.75)
"""Heights on the mean head between which the contour begins to move with the lower half and does
so wholly: a jaw that narrowed faster would be dented."""
_CONTOUR = 0.6
"""Share of its move that the contour takes: what lies beside it bends with it."""
_SOFT = 0.045
"""Sigma of the edge of a region, outer-eye distances."""


def region_map(canonical: Tensor, region: str, side: int) -> Tensor:
    """Return how much of a region's texture every texel takes (side, side) float in 0-1.

    Args:
        canonical: (V, 2) vertices of the mean head.
        region: one of `REGIONS`.
        side: texels.
    """
    if region == "mouth":
        found = _joined(canonical, [LIPS], side, grow=0.12)
    elif region == "eyes":
        brows = _joined(canonical, BROWS, side, grow=0.02, soften=0.03)
        found = _joined(canonical, EYES, side, grow=0.12) * (1 - brows)
    elif region == "brows":
        found = _joined(canonical, BROWS, side, grow=0.08)
    elif region == "nose":
        lip = _joined(canonical, [UPPER_LIP_SKIN], side, grow=0.0, soften=0.02)
        found = _joined(canonical, [NOSE], side, grow=0.08) * (1 - lip)
    else:
        found = _joined(canonical, [FACE_OVAL], side, grow=-0.08)
        if region == "lower":
            found = found * lower_half(canonical, side)
    return (found + found.flip(1)) / 2


def lower_half(canonical: Tensor, side: int) -> Tensor:
    """Return what lies below the nose (side, 1) float in 0-1."""
    y = _heights(canonical, side)
    return ((y - canonical[33, 1] + 0.06) / 0.16).clamp(0, 1)


def move_map(canonical: Tensor, region: str, side: int) -> Tensor:
    """Return how much of a region's shape every place takes, as `region_map`: the whole contour
    moves with the lower half and with the face, and beyond the parts moves fade out slowly."""
    inside = _joined(canonical, [FACE_OVAL], side, grow=-0.12, soften=0.08)
    if region in ("lower", "face"):
        moves = _CONTOUR + (1 - _CONTOUR) * inside
        lower = region == "lower"
        return moves * smoothstep(_heights(canonical, side), *_LOWER) if lower else moves
    return _wider(region_map(canonical, region, side)) * inside


def beard_map(canonical: Tensor, side: int) -> Tensor:
    """Return where beards grow (side, side) float in 0-1: below nose and cheekbones, not on the
    lips."""
    lips = _joined(canonical, [LIPS], side, grow=0.0, soften=0.012)
    return lower_half(canonical, side) * (1 - lips)


def below_nose(canonical: Tensor, side: int) -> Tensor:
    """Return where hair may be a beard (side, side) float in 0-1: below the tip of the nose."""
    y = _heights(canonical, side)
    low, high = float(canonical[30, 1]), float(canonical[33, 1])
    return smoothstep(y, low, high).expand(side, side)


def chin_map(canonical: Tensor, side: int) -> Tensor:
    """Return where every beard grows (side, side) float in 0-1: round the mouth and on the chin."""
    round_mouth = _joined(canonical, [LIPS, range(6, 11)], side, grow=0.06)
    return beard_map(canonical, side) * round_mouth


def eye_maps(canonical: Tensor, side: int) -> Tensor:
    """Return what closes with each eye (2, side, side) float in 0-1: lids and the skin round
    them."""
    return torch.stack([_joined(canonical, [eye], side, grow=0.14, soften=0.03) for eye in EYES])


def lip_map(canonical: Tensor, side: int) -> Tensor:
    """Return the red of the lips (side, side) float in 0-1."""
    inside = holes(canonical.cpu(), side, grow=0.01, soften=0.012).to(canonical.device)
    return _joined(canonical, [LIPS], side, grow=0.0, soften=0.012) * (1 - inside)


def feature_map(canonical: Tensor, side: int) -> Tensor:
    """Return what is no bare skin by its place (side, side) float in 0-1: eyes, brows, nostrils,
    mouth."""
    return torch.stack(
        [
            _joined(canonical, BROWS, side, grow=0.05, soften=0.02),
            _joined(canonical, EYES, side, grow=0.05, soften=0.02),
            _joined(canonical, [LIPS], side, grow=0.02, soften=0.02),
        ]
    ).amax(dim=0)


def _heights(canonical: Tensor, side: int) -> Tensor:
    """Return the height on the mean head of every row of texels (side, 1)."""
    bottom = CANONICAL_TOP + CANONICAL_SIDE
    return torch.linspace(CANONICAL_TOP, bottom, side, device=canonical.device)[:, None]


def _wider(map_: Tensor) -> Tensor:
    """Return a map (S, S) that ends further out."""
    texels = map_.shape[-1] / CANONICAL_SIDE
    reach = 2 * round(0.10 * texels) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    grown = torch.from_numpy(cv2.dilate(map_.cpu().numpy(), kernel)).to(map_.device)
    sigma = 0.05 * texels
    return blurred(grown[None], sigma, int(3 * sigma), edges="replicate")[0]


def _joined(
    canonical: Tensor,
    parts: Sequence[Sequence[int]],
    side: int,
    *,
    grow: float,
    soften: float = _SOFT,
) -> Tensor:
    """Return the hulls of groups of vertices as one mask (side, side) float in 0-1."""
    points = canonical.cpu()
    hulls = [cv2.convexHull(points[list(part)].numpy())[:, 0] for part in parts]
    masks = [polygon_mask(torch.from_numpy(h), side, grow=grow, soften=soften) for h in hulls]
    return torch.stack(masks).amax(dim=0).to(canonical.device)
