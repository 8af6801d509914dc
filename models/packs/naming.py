"""Which pack is meant: `mini`, one that was imported, or a folder of one; opened with what the user
added to it. Every command that takes a pack takes all three."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ..base import PackError, command
from ..home import MINI, default_home
from .layers import BASES, usable
from .opening import StylePack, open_pack
from .packfile import FILE_NAME
from .store import Store

HELP: Final = "mini, the name of an imported pack, or a folder with pack.toml"
"""Of an option that takes a pack."""


def folder_of(pack: str) -> Path:
    """Return the folder of a StyleGAN2 pack that a user names.

    Raises:
        PackError: there is none, or it is the portrait, which is no StyleGAN2.
    """
    if pack == "portrait":
        raise PackError(
            "the pack portrait has no generator and no rows of codes; its own codes are made by "
            f"`{command('portrait')} train --codes FILE`. Accepted: {HELP}"
        )
    store = Store(default_home())
    named = {name: store.packs / name for name in store.pack_names()} | {"mini": MINI}
    folder = named.get(pack, Path(pack))
    if not (folder / FILE_NAME).is_file():
        raise PackError(f"no pack {pack!r}; there are {', '.join(sorted(named))}; accepted: {HELP}")
    return folder


def open_named(pack: str) -> StylePack:
    """Return the StyleGAN2 pack that a user names, with the layer over it that is in the store.

    Raises:
        PackError: there is none, or its parts do not fit.
        WeightsError: a file is missing, damaged, or not the one expected.
    """
    folder = folder_of(pack)
    layer = usable(Store(default_home()).packs / pack, pack)[0] if pack in BASES else None
    return open_pack(folder, layer)
