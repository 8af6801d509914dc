"""ArcFace and CurricularFace: is it still the same person? (CARD.md)"""

from __future__ import annotations

from .five_points import five_point_crop, five_points
from .identity import Identity, face_crop
from .net import ARCFACE, CURRICULARFACE, RecognitionNet, RecognitionShape, expected, load, tiny

__all__ = [
    "ARCFACE",
    "CURRICULARFACE",
    "Identity",
    "RecognitionNet",
    "RecognitionShape",
    "expected",
    "face_crop",
    "five_point_crop",
    "five_points",
    "load",
    "tiny",
]
