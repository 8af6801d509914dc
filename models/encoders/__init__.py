"""Encoders of StyleGAN2 codes: pSp, e4e, ReStyle, W and W+ heads.

`kind_of(opts)` says which one a checkpoint holds, `load(state, kind=…)` makes it, `Inverter` adds
the mean code and iterates ReStyle, `FastEncoder` runs it in the precision of the caller's choice.
The networks are written from the papers and load the authors' files (CARD.md lists them with their
licences).
"""

from __future__ import annotations

from .blocks import Encoder, EncoderShape
from .fast import FastEncoder
from .inverter import Inverter
from .kinds import KINDS, Kind, kind_of, layers_of, load, measures_of, untrained
from .tiny import tiny

__all__ = [
    "KINDS",
    "Encoder",
    "EncoderShape",
    "FastEncoder",
    "Inverter",
    "Kind",
    "kind_of",
    "layers_of",
    "load",
    "measures_of",
    "tiny",
    "untrained",
]
