"""The device the networks run on, and which numbers the large ones compute with there."""

from __future__ import annotations

import torch

from ..config import Precision
from ..errors import DeviceError


def resolve_device(name: str) -> torch.device:
    """Return the device of that name.

    Raises:
        DeviceError: there is no such device; the program never falls back to another one.
    """
    try:
        device = torch.device(name)
    except RuntimeError as e:
        raise DeviceError(f"unknown device {name!r}; accepted: cpu, cuda, cuda:N") from e
    count = torch.cuda.device_count() if device.type == "cuda" else 1
    if device.type not in ("cpu", "cuda") or (device.index or 0) >= count:
        raise DeviceError(
            f"device {name!r} is not there ({torch.cuda.device_count()} CUDA devices found); use "
            "--device cpu, or see `visagist doctor`"
        )
    return device


def multiplies_bf16(device: torch.device) -> bool:
    """Return whether the hardware itself multiplies in bfloat16."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Not public in torch, and not there in each of its versions.
    tests = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(bool(getattr(torch.cpu, test, bool)()) for test in tests)


_LARGE_PX = 256
"""Generators from this size on gain by fewer bits; smaller ones are quick as they are."""


def is_bf16(precision: Precision, device: torch.device, generator_px: int) -> bool:
    """Return whether convolutions and matrix products run in bfloat16.

    `auto` chooses it where the hardware multiplies in it and pictures of `generator_px` gain by it.
    """
    if precision != "auto":
        return precision == "bf16"
    return generator_px >= _LARGE_PX and multiplies_bf16(device)
