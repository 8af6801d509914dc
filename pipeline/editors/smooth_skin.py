"""Smooth skin: fine texture of the skin softened (or, at negative strength, brought out).

No network: texture is what an edge-preserving filter removes from luma; the
self-guided filter of He, Sun, Tang (Guided Image Filtering, ECCV 2010, eq. 5–8).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..imaging.masks import face_mask, polygon_mask
from ..request import Edit
from ..types import AlignedBatch, EditedBatch
from ._attribute import Attribute
from ._base import Editor, EditorSpec, Kit

SPEC = EditorSpec(
    name="smooth-skin",
    summary="softens skin texture by an edge-preserving filter; eyes, brows and lips stay",
    attributes=(
        Attribute(
            "smooth-skin",
            "skin texture softened by about a third; below 0 it is brought out",
            aliases=("skin", "retouch"),
            low=-1.5,
            high=2.5,
        ),
    ),
)

_SHARE_PER_UNIT = 0.35
"""Share of the texture that strength 1 removes."""
_RADIUS = 0.035
"""Filter radius in distances between the outer eye corners: pores and fine lines, not folds."""
_EDGE = 0.05
"""Luma steps ([-1, 1] units) well above this are edges and stay."""
_KEPT = ((36, 42), (42, 48), (48, 60), (17, 22), (22, 27))
"""Landmark ranges of eyes, lips and brows."""
_KEPT_SCALE = 1.45
"""How far the kept outlines are grown about their centre, to spare lashes and lip edges."""


class SmoothSkin(Editor):
    """Softens skin texture inside the face."""

    spec = SPEC

    def apply(
        self, batch: AlignedBatch, edit: Edit, amount: Tensor, prepared: object
    ) -> EditedBatch:
        """Return crops with softer skin."""
        del edit, prepared
        mask = _skin_mask(batch)
        weights = batch.images.new_tensor([0.299, 0.587, 0.114])[None, :, None, None]
        luma = (batch.images * weights).sum(1, keepdim=True)
        eyes = torch.linalg.vector_norm(batch.landmarks[:, 45] - batch.landmarks[:, 36], dim=1)
        smooth = torch.cat([_smooth(luma[n : n + 1], px) for n, px in enumerate(eyes.tolist())])
        share = (_SHARE_PER_UNIT * amount).clamp(-1.0, 0.95)[:, None, None, None]
        change = (smooth - luma) * share * mask
        # Adding the luma change to all channels keeps the hue; where it is 0 the sum is exact.
        return EditedBatch(batch, (batch.images + change).clamp(-1, 1), mask)


def _smooth(luma: Tensor, eyes_px: float) -> Tensor:
    """Return the self-guided filter of luma (1, 1, S, S) for an outer eye distance [px]."""
    radius = max(1, round(_RADIUS * eyes_px))
    mean = _box(luma, radius)
    variance = (_box(luma * luma, radius) - mean * mean).clamp_min(0)
    a = variance / (variance + _EDGE**2)
    return _box(a, radius) * luma + _box(mean * (1 - a), radius)


def _box(x: Tensor, radius: int) -> Tensor:
    padded = F.pad(x, (radius,) * 4, mode="replicate")
    return F.avg_pool2d(padded, 2 * radius + 1, stride=1)


def _skin_mask(batch: AlignedBatch) -> Tensor:
    side = batch.images.shape[-1]
    mask = face_mask(batch.landmarks, side)
    for begin, end in _KEPT:
        points = batch.landmarks[:, begin:end].double().cpu().numpy()
        centre = points.mean(1, keepdims=True)
        kept = polygon_mask(centre + _KEPT_SCALE * (points - centre), side)
        mask = mask * (1 - kept.to(mask))
    return mask


def build(kit: Kit) -> SmoothSkin:
    """Return the editor."""
    return SmoothSkin(kit)
