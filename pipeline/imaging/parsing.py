"""Masks from face parsing: which labels make up which part of a head.

Labels are those of the BiSeNet trained on CelebAMask-HQ (19 classes; another order than the data
set's own list). That network was trained on mirrored pictures without swapping left and right, so
it cannot tell left from right, and both labels are always used together.
"""

from __future__ import annotations

from typing import Final, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from .sampling import blurred

Region = Literal["face", "hair", "hat", "ears", "neck"]
"""Part of a picture that an edit may change; all but the face need a network that tells them."""

REGIONS: Final[dict[Region, tuple[int, ...]]] = {
    "face": (1, 2, 3, 4, 5, 6, 10, 11, 12, 13),  # skin, brows, eyes, glasses, nose, mouth, lips
    "ears": (7, 8, 9),  # and earrings
    "hair": (17,),
    "hat": (18,),
    "neck": (14, 15),  # and necklaces
}
"""Labels by the name of a region of an edit; 0 is the background, 16 cloth."""

_GROW, _SOFTNESS, _RIM = 1 / 64, 1 / 100, 1 / 24
"""Growth, blur and fall to the border of the square, in its sides."""


def region_mask(labels: Tensor, regions: frozenset[Region]) -> Tensor:
    """(N, 1, S, S) float32 0–1 soft mask of some regions; 0 along the border of the square.

    Args:
        labels: (N, S, S) int64, of 19 classes.
        regions: names in `REGIONS`.
    """
    values = sorted({label for name in regions for label in REGIONS[name]})
    side = labels.shape[-1]
    inside = torch.isin(labels, torch.tensor(values, device=labels.device))[:, None].float()
    reach = max(round(_GROW * side), 1)
    grown = F.max_pool2d(inside, 2 * reach + 1, 1, reach)
    soft = blurred(grown, _SOFTNESS * side)
    line = (torch.arange(side, dtype=soft.dtype, device=soft.device) / (_RIM * side)).clamp(max=1)
    line = torch.minimum(line, line.flip(0))
    return (soft * line[:, None] * line[None, :]).clamp(0, 1)
