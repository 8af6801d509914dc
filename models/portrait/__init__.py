"""Portrait: a small appearance model of faces that carries a change of code into a picture's own pixels."""

from __future__ import annotations

from .net import CROP_SIDE, STATE_NAMES, PortraitModel
from .pack import DEFAULT_FILE, load_portrait, save_portrait

__all__ = [
    "CROP_SIDE",
    "DEFAULT_FILE",
    "STATE_NAMES",
    "PortraitModel",
    "load_portrait",
    "save_portrait",
]
