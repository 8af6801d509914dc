"""Masks from face parsing: which labels make up which part of a head.

Labels are those of the BiSeNet trained on CelebAMask-HQ (19 classes; another order than the data
set's own list). That network was trained on mirrored pictures without swapping left and right, so
it cannot tell left from right, and both labels are always used together.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from .sampling import blurred


class Label(IntEnum):
    """What a pixel shows."""

    BACKGROUND = 0
    SKIN = 1
    BROW_A = 2
    BROW_B = 3
    EYE_A = 4
    EYE_B = 5
    GLASSES = 6
    EAR_A = 7
    EAR_B = 8
    EARRING = 9
    NOSE = 10
    MOUTH = 11
    UPPER_LIP = 12
    LOWER_LIP = 13
    NECK = 14
    NECKLACE = 15
    CLOTH = 16
    HAIR = 17
    HAT = 18


Region = Literal["face", "hair", "hat", "ears", "neck"]
"""Part of a picture that an edit may change; all but the face need a network that tells them."""

REGIONS: Final[dict[Region, tuple[int, ...]]] = {
    "face": (*range(Label.SKIN, Label.GLASSES + 1), *range(Label.NOSE, Label.LOWER_LIP + 1)),
    "ears": (Label.EAR_A, Label.EAR_B, Label.EARRING),
    "hair": (Label.HAIR,),
    "hat": (Label.HAT,),
    "neck": (Label.NECK, Label.NECKLACE),
}
"""Labels by the name of a region of an edit."""

_GROW, _SOFTNESS, _RIM = 1 / 64, 1 / 100, 1 / 24
"""Growth, blur and fall to the border of the square, in its sides."""


def region_mask(labels: Tensor, regions: frozenset[Region]) -> Tensor:
    """(N, 1, S, S) float32 0–1 soft mask of some regions; 0 along the border of the square.

    Args:
        labels: (N, S, S) int64 `Label` values.
        regions: names in `REGIONS`.
    """
    values = sorted({int(label) for name in regions for label in REGIONS[name]})
    side = labels.shape[-1]
    inside = torch.isin(labels, torch.tensor(values, device=labels.device))[:, None].float()
    reach = max(round(_GROW * side), 1)
    grown = F.max_pool2d(inside, 2 * reach + 1, 1, reach)
    soft = blurred(grown, _SOFTNESS * side)
    line = (torch.arange(side, dtype=soft.dtype, device=soft.device) / (_RIM * side)).clamp(max=1)
    line = torch.minimum(line, line.flip(0))
    return (soft * line[:, None] * line[None, :]).clamp(0, 1)
