"""Portrait: a small appearance model of faces that carries a change of code into a picture's own
pixels."""

from __future__ import annotations

from .departure import LOOK_LENGTH, Departures
from .net import CROP_SIDE, PortraitModel
from .pack import DEFAULT_FILE, load_portrait, save_portrait
from .state import STATE_NAMES, settled_states

__all__ = [
    "CROP_SIDE",
    "DEFAULT_FILE",
    "LOOK_LENGTH",
    "STATE_NAMES",
    "Departures",
    "PortraitModel",
    "load_portrait",
    "save_portrait",
    "settled_states",
]
