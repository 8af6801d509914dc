"""The user's store of weights and packs: where it lies, and whose codes a name in it stands for."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Final

import platformdirs

from .base import ModelError, PackError
from .weights import embedded

HOME_VARIABLE: Final = "VISAGIST_HOME"
PACK_FILE: Final = "pack.toml"
MINI: Final = Path(__file__).parent / "mini"
"""Folder of the pack `mini`, which ships with the program."""

_ID: Final = re.compile("[0-9a-f]{16}")


def default_home() -> Path:
    """Return the folder of the store: `$VISAGIST_HOME`, or the platform's folder for data.

    That is `~/.local/share/visagist` or a folder in `$XDG_DATA_HOME` on Linux, `%LOCALAPPDATA%` on
    Windows, `~/Library/Application Support` on macOS.
    """
    chosen = os.environ.get(HOME_VARIABLE, "")
    try:
        folder = chosen or platformdirs.user_data_dir("visagist", appauthor=False)
        return Path(folder).expanduser()
    except RuntimeError as e:  # the home folder of a user who is not there, or has none
        raise ModelError(
            f"{HOME_VARIABLE} is {chosen!r}, and there is no such folder ({e}); set it to the path "
            "of a folder"
        ) from e


def generator_of(text: str) -> str:
    """Return the id of the generator that a user means: an id is one, a pack has one.

    Args:
        text: 16 hexadecimal digits, the name of a pack, or a folder with `pack.toml`; the pack
            `portrait` has no generator, but codes with an id all the same.

    Raises:
        PackError: it is nothing of that, or the pack does not say its id.
    """
    if _ID.fullmatch(text):
        return text
    if text == "portrait":
        return embedded()["portrait"].sha256[:16]
    path = MINI / PACK_FILE
    if text != "mini":  # which must be there whatever is wrong with the store
        own = sorted(default_home().glob(f"packs/*/{PACK_FILE}"))
        packs = {found.parent.name: found for found in own}
        path = packs.get(text, Path(text) / PACK_FILE)
        if not path.is_file():
            raise PackError(
                f"no generator {text!r}; accepted: an id (16 digits from 0 to f, as `visagist "
                f"models` shows it), a folder with {PACK_FILE}, or a pack: "
                f"{', '.join(['portrait', 'mini', *packs])}"
            )
    try:
        found = str(tomllib.loads(path.read_text(encoding="utf-8"))["generator"]["id"])
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise PackError(
            f"{path} does not say the id of its generator ({e}); import its files again"
        ) from e
    return found
