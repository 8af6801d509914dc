"""BiSeNet face parsing: hair, hat, ears and skin, pixel by pixel (CARD.md)."""

from __future__ import annotations

from .net import ParsingNet, load, tiny
from .parse import SIDE, parse

__all__ = ["SIDE", "ParsingNet", "load", "parse", "tiny"]
