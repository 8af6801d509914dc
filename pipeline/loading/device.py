"""The device the networks run on."""

from __future__ import annotations

import torch

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
