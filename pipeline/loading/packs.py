"""Packs by name."""

from __future__ import annotations

import torch

from ..editors import Pack
from ..errors import UsageError
from .portrait import load_portrait


def load_pack(name: str, device: torch.device) -> Pack:
    """Return a pack: a latent model and what moves its codes.

    Raises:
        UsageError: there is no such pack.
        WeightsError: a weight file is missing, damaged, or not the one expected.
    """
    if name != "portrait":
        raise UsageError(f"unknown pack {name!r}; accepted: portrait")
    return load_portrait(device)
