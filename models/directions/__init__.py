"""Linear baselines over codes: InterFaceGAN boundaries, GANSpace components, ready directions.

What fits them (`boundary.py`, `svm.py`, `yaw.py`, `commands.py`) is for training and not loaded
with the rest.
"""

from __future__ import annotations

from .files import LAYER_WINDOWS, BoundDirection, load_direction, read_ready, save_direction
from .mover import DirectionMover
from .pca import Components, component_of, fit_components

__all__ = [
    "LAYER_WINDOWS",
    "BoundDirection",
    "Components",
    "DirectionMover",
    "component_of",
    "fit_components",
    "load_direction",
    "read_ready",
    "save_direction",
]
