"""Face parsing: what every pixel round a face shows (CARD.md)."""

from .model import ParsingModel
from .net import LABELS, SIDE, ParsingNet

__all__ = ["LABELS", "SIDE", "ParsingModel", "ParsingNet"]
