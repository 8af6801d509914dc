"""Which numbers the large networks compute with."""

from __future__ import annotations

import torch

from ..config import Precision

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
    return generator_px >= _LARGE_PX and _multiplies_bf16(device)


def _multiplies_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Not public in torch, and not there in each of its versions.
    tests = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(bool(getattr(torch.cpu, test, bool)()) for test in tests)
