"""68 facial landmarks: a small heat-map cascade trained on synthetic faces (see CARD.md)."""

from .cascade import PACKAGED_WEIGHTS, Estimate, LandmarkCascade
from .crops import Planes

__all__ = ["PACKAGED_WEIGHTS", "Estimate", "LandmarkCascade", "Planes"]
