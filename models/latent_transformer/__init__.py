"""Latent transformer: moves a code along an attribute (after Yao et al., ICCV 2021), with a linear
baseline."""

from __future__ import annotations

from .attributes import PORTRAIT_ATTRIBUTES, PortraitAttribute
from .net import Direction, LatentClassifier, LatentTransformer
from .pack import DEFAULT_FILE, MoverPack, load_movers, save_movers

__all__ = [
    "DEFAULT_FILE",
    "PORTRAIT_ATTRIBUTES",
    "Direction",
    "LatentClassifier",
    "LatentTransformer",
    "MoverPack",
    "PortraitAttribute",
    "load_movers",
    "save_movers",
]
