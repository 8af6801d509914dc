"""Portrait: a small appearance model of faces that carries a change of code into a picture's own
pixels."""

from __future__ import annotations

from .carry import render_carried
from .departure import LOOK_LENGTH, Departures
from .edit import turn_damping
from .exemplar import Carried, Likeness, carried, likeness, seen_share, texel_places
from .exemplar_maps import below_nose, chin_map
from .net import CROP_SIDE, PortraitModel
from .pack import DEFAULT_FILE, load_portrait, save_portrait
from .state import STATE_NAMES, settled_states

__all__ = [
    "CROP_SIDE",
    "DEFAULT_FILE",
    "LOOK_LENGTH",
    "STATE_NAMES",
    "Carried",
    "Departures",
    "Likeness",
    "PortraitModel",
    "below_nose",
    "carried",
    "chin_map",
    "likeness",
    "load_portrait",
    "render_carried",
    "save_portrait",
    "seen_share",
    "settled_states",
    "texel_places",
    "turn_damping",
]
