"""Encoders of all kinds with narrow random networks: quick, for tests."""

from __future__ import annotations

from ..ops.irse import TrunkShape
from ..state_dicts import randomised
from .blocks import Encoder, EncoderShape
from .kinds import Kind, untrained

TINY = EncoderShape(
    size=32,
    layers=8,
    code=16,
    trunk=TrunkShape(widths=(8, 8, 8, 12, 16), units=(1, 1, 1, 1), reduction=4),
)
"""32-px pictures, codes of a 32-px generator, 16 numbers each."""


def tiny(kind: Kind = "psp", *, seed: int = 0, measures: EncoderShape = TINY) -> Encoder:
    """Return a narrow encoder of a kind with weights drawn from a seed, ready to run."""
    return randomised(lambda: untrained(kind, measures), seed)
