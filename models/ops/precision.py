"""Which number formats a device is quick in. Nothing here chooses; callers do."""

from __future__ import annotations

import torch

# PyTorch has no public names for these questions; without them float32 is the safe answer.
_PROBES = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")


def bf16_is_quick(device: torch.device) -> bool:
    """Tell whether the device multiplies bfloat16 in hardware (AMX, AVX512-BF16, Ampere or newer).

    Elsewhere bfloat16 is emulated: right, but slower than float32.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    return any(bool(probe()) for name in _PROBES if (probe := getattr(torch.cpu, name, None)))
