"""Linear baselines over codes: InterFaceGAN boundaries, GANSpace components, ready directions."""

from __future__ import annotations

from .boundary import Boundary, conditioned, fit_boundary
from .files import LAYER_WINDOWS, BoundDirection, load_direction, read_ready, save_direction
from .mover import DirectionMover
from .pca import Components, component_of, fit_components
from .yaw import read_landmarks, yaw_scores

__all__ = [
    "LAYER_WINDOWS",
    "BoundDirection",
    "Boundary",
    "Components",
    "DirectionMover",
    "component_of",
    "conditioned",
    "fit_boundary",
    "fit_components",
    "load_direction",
    "read_landmarks",
    "read_ready",
    "save_direction",
    "yaw_scores",
]
