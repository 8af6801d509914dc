"""Latent transformer: moves a code along an attribute (after Yao et al., ICCV 2021), with a linear
baseline.

`portrait_*.py` move the codes of the embedded portrait; `wplus*.py` are the published networks over
W+ codes of a StyleGAN2 generator.
"""

from __future__ import annotations

from .celeba import CELEBA_ATTRIBUTES, CelebaAttribute, celeba_attribute
from .portrait_attributes import PORTRAIT_ATTRIBUTES, PortraitAttribute
from .portrait_net import Direction, LatentClassifier, LatentTransformer
from .portrait_pack import DEFAULT_FILE, MoverPack, load_movers, save_movers
from .wplus import FoldedMove, WPlusMover, WPlusTransformer, apply_in_order, fold
from .wplus_classifier import WPlusClassifier
from .wplus_files import MoverFacts, load_classifier, load_mover, save_classifier, save_mover
from .wplus_level import step_to_level, strength_to_level

__all__ = [
    "CELEBA_ATTRIBUTES",
    "DEFAULT_FILE",
    "PORTRAIT_ATTRIBUTES",
    "CelebaAttribute",
    "Direction",
    "FoldedMove",
    "LatentClassifier",
    "LatentTransformer",
    "MoverFacts",
    "MoverPack",
    "PortraitAttribute",
    "WPlusClassifier",
    "WPlusMover",
    "WPlusTransformer",
    "apply_in_order",
    "celeba_attribute",
    "fold",
    "load_classifier",
    "load_mover",
    "load_movers",
    "save_classifier",
    "save_mover",
    "save_movers",
    "step_to_level",
    "strength_to_level",
]
