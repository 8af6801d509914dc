"""ArcFace and CurricularFace: is it still the same person? (CARD.md)"""

from __future__ import annotations

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
    "load",
    "tiny",
]
