"""Encoders of StyleGAN2 codes: pSp, e4e, ReStyle, W and W+ heads, hairstyle, HyperStyle.

`kind_of(opts)` says which one a checkpoint holds, `load(state, kind=…)` makes it, `Inverter` adds
the mean code and iterates ReStyle, `FastEncoder` runs it in the precision of the caller's choice.
The networks are written from the papers and load the authors' files (CARD.md lists them with their
licences).
"""

from __future__ import annotations

from .blocks import Encoder, EncoderShape, StyleBlock
from .e4e import Encoder4Editing, LatentDiscriminator
from .fast import FastEncoder
from .hyperstyle import HyperNetwork, HyperShape, load_hypernetwork, tuned_weights
from .hyperstyle_refine import generate_tuned, refine
from .inverter import Inverter
from .kinds import (
    BY_ENCODER_TYPE,
    KINDS,
    Kind,
    build,
    expected,
    kind_of,
    layers_of,
    load,
    measures_of,
)
from .last_layer import HairstyleEncoder, WEncoder, WPlusEncoder
from .psp import GradualStyleEncoder
from .restyle import BackboneEncoder, ProgressiveBackboneEncoder
from .tiny import tiny

__all__ = [
    "BY_ENCODER_TYPE",
    "KINDS",
    "BackboneEncoder",
    "Encoder",
    "Encoder4Editing",
    "EncoderShape",
    "FastEncoder",
    "GradualStyleEncoder",
    "HairstyleEncoder",
    "HyperNetwork",
    "HyperShape",
    "Inverter",
    "Kind",
    "LatentDiscriminator",
    "ProgressiveBackboneEncoder",
    "StyleBlock",
    "WEncoder",
    "WPlusEncoder",
    "build",
    "expected",
    "generate_tuned",
    "kind_of",
    "layers_of",
    "load",
    "load_hypernetwork",
    "measures_of",
    "refine",
    "tiny",
    "tuned_weights",
]
