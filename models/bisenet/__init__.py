"""BiSeNet face parsing: hair, hat, ears and skin, pixel by pixel (CARD.md)."""

from __future__ import annotations

from .labels import REGIONS, Label, region_mask
from .net import ParsingNet, ParsingShape, expected, load, tiny
from .parse import SIDE, parse

__all__ = [
    "REGIONS",
    "SIDE",
    "Label",
    "ParsingNet",
    "ParsingShape",
    "expected",
    "load",
    "parse",
    "region_mask",
    "tiny",
]
