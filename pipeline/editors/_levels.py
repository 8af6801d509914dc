"""Towards a level: the strength with which the pack's own reader says so much of an attribute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ._face_model import Mover

_PARTS = 240
"""Of the range, at whose ends codes are read; between two of them a reading is taken as a line."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a face is moved towards a level."""

    level: float
    """That is wanted, 0–1."""
    strength: float
    before: float
    """What is read of the face as it is, 0–1."""
    after: float
    """What is read of it with that strength, 0–1."""

    @property
    def is_short(self) -> bool:
        """Whether the level lies beyond what any strength of the range reaches."""
        return abs(self.after - self.level) > 0.02


def reached(
    level: float,
    w: Tensor,
    move: Mover,
    read: Callable[[Tensor], Tensor],
    span: tuple[float, float],
) -> Reached:
    """Return the smallest strength with which a code is read as a level, or comes nearest to it.

    Args:
        level: 0–1.
        w: the code (1, L, D) of a face over its shot.
        move: the mover of the attribute.
        read: what says of codes (N, L, D) how much of the attribute they have, (N,) 0–1.
        span: the lowest and highest strength.
    """
    strengths = torch.linspace(*span, _PARTS + 1, device=w.device)
    said = read(move(w.expand(len(strengths), -1, -1), strengths))
    above = said >= level
    (places,) = (above[1:] != above[:-1]).nonzero(as_tuple=True)
    if len(places):
        share = (level - said[places]) / (said[places + 1] - said[places])
        crossing = torch.lerp(strengths[places], strengths[places + 1], share)
        found = crossing[crossing.abs().argmin()]
    else:
        found = strengths[(said - level).abs().argmin()]
    after = read(move(w, found[None]))
    return Reached(level, float(found), float(read(w)), float(after))
