"""Latent transformer: moves W+ codes of a StyleGAN2 generator along an attribute (after Yao et al.,
ICCV 2021), in the published layout (CARD.md)."""

from __future__ import annotations

from .celeba import CELEBA_ATTRIBUTES, CelebaAttribute, celeba_attribute
from .classifier import WPlusClassifier
from .files import MoverFacts, load_classifier, load_mover, save_classifier, save_mover
from .net import WPlusMover, WPlusTransformer

__all__ = [
    "CELEBA_ATTRIBUTES",
    "CelebaAttribute",
    "MoverFacts",
    "WPlusClassifier",
    "WPlusMover",
    "WPlusTransformer",
    "celeba_attribute",
    "load_classifier",
    "load_mover",
    "save_classifier",
    "save_mover",
]
