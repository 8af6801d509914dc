"""Packs by name."""

from __future__ import annotations

import torch

from ..config import Precision, Transfer
from ..editors import Pack
from ..errors import UsageError
from .portrait import load_portrait


def load_pack(
    name: str,
    device: torch.device,
    *,
    transfer: Transfer | None = None,
    precision: Precision = "auto",
) -> Pack:
    """Return a pack: a latent model and what moves its codes.

    Args:
        name: `portrait`.
        device: where the networks run.
        transfer: how an edit reaches the pixels; None: what the pack is made for.
        precision: of the networks.

    Raises:
        UsageError: there is no such pack, or it cannot transfer as asked.
        WeightsError: a weight file is missing, damaged, or not the one expected.
    """
    if name != "portrait":
        raise UsageError(f"unknown pack {name!r}; accepted: portrait")
    if transfer == "replace":
        raise UsageError(
            "the portrait pack generates no whole face to replace one; use --transfer delta, or "
            "another --pack"
        )
    return load_portrait(device)
