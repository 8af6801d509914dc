"""The labels of the published face parser, and the regions made of them.

Left and right are not to be trusted: the network was trained on mirrored pictures whose labels were
not swapped. So only the unions of pairs have names here beside the enum itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from types import MappingProxyType

import torch
from torch import Tensor


class Label(IntEnum):
    """What a pixel shows; the order is the network's, not that of CelebAMask-HQ's own list."""

    BACKGROUND = 0
    SKIN = 1
    L_BROW = 2
    R_BROW = 3
    L_EYE = 4
    R_EYE = 5
    GLASSES = 6
    L_EAR = 7
    R_EAR = 8
    EARRING = 9
    NOSE = 10
    MOUTH = 11
    U_LIP = 12
    L_LIP = 13
    NECK = 14
    NECKLACE = 15
    CLOTH = 16
    HAIR = 17
    HAT = 18


REGIONS = MappingProxyType(
    {
        "brows": frozenset({Label.L_BROW, Label.R_BROW}),
        "eyes": frozenset({Label.L_EYE, Label.R_EYE}),
        "ears": frozenset({Label.L_EAR, Label.R_EAR, Label.EARRING}),
        "lips": frozenset({Label.U_LIP, Label.L_LIP}),
        "mouth": frozenset({Label.MOUTH, Label.U_LIP, Label.L_LIP}),
        "face": frozenset(
            {
                Label.SKIN,
                Label.L_BROW,
                Label.R_BROW,
                Label.L_EYE,
                Label.R_EYE,
                Label.GLASSES,
                Label.NOSE,
                Label.MOUTH,
                Label.U_LIP,
                Label.L_LIP,
            }
        ),
        "hair": frozenset({Label.HAIR}),
        "hat": frozenset({Label.HAT}),
        "neck": frozenset({Label.NECK, Label.NECKLACE}),
        "head": frozenset(Label) - {Label.BACKGROUND, Label.CLOTH, Label.HAT},
    }
)
"""Name -> labels. `face` has no ears, neck or hair; `head` is everything that belongs to the person
but clothes and hat (what STIT calls foreground)."""


def region_mask(labels: Tensor, names: Iterable[str]) -> Tensor:
    """Return where any of the named regions is: bool, the shape of `labels`.

    Args:
        labels: (N, H, W) integer labels, as `parse` returns.
        names: names from `REGIONS`.

    Raises:
        KeyError: a name that is not a region.
    """
    wanted = sorted({int(label) for name in names for label in REGIONS[name]})
    return torch.isin(labels, torch.tensor(wanted, device=labels.device, dtype=labels.dtype))
