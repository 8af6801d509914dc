"""What moves the codes of the embedded portrait along an attribute: a low-rank latent transformer
(after Yao et al., ICCV 2021) and its linear baseline; card: ../portrait/CARD.md."""

from __future__ import annotations

from .attributes import PORTRAIT_ATTRIBUTES, PortraitAttribute
from .files import DEFAULT_FILE, MoverPack, load_movers, save_movers
from .net import Direction, LatentClassifier, LatentTransformer

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
