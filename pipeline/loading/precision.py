"""Which numbers the large networks compute with."""

from __future__ import annotations

import torch

from ..config import Precision
from .device import multiplies_bf16

_LARGE_PX = 256
"""Generators from this size on gain by fewer bits; smaller ones are quick as they are."""


def is_bf16(precision: Precision, device: torch.device, generator_px: int) -> bool:
    """Return whether convolutions and matrix products run in bfloat16.

    Args:
        precision: `auto` chooses it where the hardware multiplies in it and it pays.
        device: where the networks run.
        generator_px: side of the generated pictures.
    """
    if precision != "auto":
        return precision == "bf16"
    return generator_px >= _LARGE_PX and multiplies_bf16(device)
