"""ArcFace and CurricularFace: is it still the same person? (CARD.md)"""

from __future__ import annotations

from .identity import Identity
from .net import load, tiny

__all__ = ["Identity", "load", "tiny"]
