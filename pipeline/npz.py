"""The reader of .npz files, which the program shares with `models`: see `models/reading/arrays.py`.

A door to `models` like that of `files.py`: it leads to one file that needs no networks.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.reading.arrays import read_npz
else:
    _shared = importlib.import_module(
        __name__.removesuffix("pipeline.npz") + "models.reading.arrays"
    )
    read_npz = _shared.read_npz

__all__ = ["read_npz"]
