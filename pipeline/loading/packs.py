"""Packs by name: the portrait, the embedded StyleGAN2 pack, and those that were imported."""

from __future__ import annotations

from pathlib import Path

import torch

from ..config import Precision, Transfer
from ..editors import Pack
from ..errors import UsageError, did_you_mean
from .movers import found_movers
from .portrait import load_portrait
from .seam import models
from .store import layer_over, stored_packs
from .style import load_style

_EMBEDDED = "mini"
"""Folder in `models` of the StyleGAN2 pack that ships with the program."""


def load_pack(
    name: str,
    device: torch.device,
    *,
    transfer: Transfer | None = None,
    precision: Precision = "auto",
) -> Pack:
    """Return one of the packs `pack_names`: a latent model and what moves its codes.

    `transfer`: how an edit reaches the pixels; None: what the pack is made for.

    Raises:
        UsageError: there is no such pack, or it cannot transfer as asked.
        WeightsError: a weight file is missing, damaged, or not the one expected.
    """
    found_movers()
    if name == "portrait":
        if transfer == "replace":
            raise UsageError(
                "the portrait pack generates no whole face to replace one; use --transfer delta, "
                "or another --pack"
            )
        return load_portrait(device, *layer_over(name))
    # A store that cannot be read stops no pack of our own.
    folders = _own_folders() if name == _EMBEDDED else _folders()
    if name not in folders:
        known = pack_names()
        raise UsageError(
            f"unknown pack {name!r}; {did_you_mean(name, known)}accepted: {', '.join(known)}, or "
            "one you bring with `visagist models import FILE --as NAME`"
        )
    usual: Transfer = "delta" if name == _EMBEDDED else "replace"
    layer, left_aside = layer_over(name) if name == _EMBEDDED else (None, ())
    return load_style(
        folders[name],
        device,
        transfer=transfer or usual,
        precision=precision,
        layer=layer,
        left_aside=left_aside,
    )


def pack_names() -> list[str]:
    """Return the names of all packs that are there."""
    return ["portrait", *_folders()]


def _folders() -> dict[str, Path]:
    """Return the folders of the StyleGAN2 packs by name."""
    return _own_folders() | stored_packs() | _own_folders()


def _own_folders() -> dict[str, Path]:
    embedded = Path(models.base.__file__).parent / _EMBEDDED
    return {_EMBEDDED: embedded} if (embedded / "pack.toml").is_file() else {}
