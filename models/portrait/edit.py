"""What a change of code may do to this frame's face: limits by expression, lip gap and head
turn."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .mouth import LOWER_LIP, UPPER_LIP
from .warp import smoothstep


class Slowing(NamedTuple):
    """How a change slows down towards what no face does."""

    full: float
    """Level (SD of ratings) up to which it goes on unhindered …"""
    flat: float
    """… and from which on only the least share of it counts."""
    least: float


_GROWING = Slowing(1.0, 2.6, 0.4)
"""Of a smile, so that a broad one does not overshoot."""

_FALLING = Slowing(0.8, 2.4, 0.3)
"""Of its opposite, downwards: the sternest of 1,004 faces lies at -2, and beyond that mouths
shrink."""


_OWN_SHARE = 0.25
"""Share of a parting of the lips that a mouth with its own teeth or opening still makes."""


class Edit(NamedTuple):
    """A movement of N faces after all limits."""

    movement: Tensor
    """(N, V, 3) head units, head frame."""
    gap_after: Tensor
    """(N, 5) inner lip gap after the edit, head units."""
    teeth: Tensor
    """(N,) 0-1: how much drawn teeth show between the lips."""
    share: Tensor
    """(N,) 0-1: what remains of the change beside the mouth, its shading included."""


def limited_displacement(
    movement: Tensor, smile_change: Tensor, gap: Tensor, state: Tensor
) -> Edit:
    """Return what remains of a movement after all limits.

    Args:
        movement: (N, V, 3) decoded, head units.
        smile_change: (N,) how much of a smile it is, SD of ratings.
        gap: (N, 5) inner lip gap now, head units.
        state: (N, 5), see `state.STATE_NAMES`.
    """
    own_teeth, yaw, smile = smoothstep(state[:, 0], 0.35, 0.65), state[:, 2], state[:, 3]
    damp = _smile_damping(smile, smile_change) * smoothstep(yaw.abs(), 1.05, 0.7)
    movement = movement * damp[:, None, None]
    upper, lower = list(UPPER_LIP), list(LOWER_LIP)
    parting = movement[:, lower, 1] - movement[:, upper, 1]
    meant = smoothstep(parting.mean(dim=1), 0.008, 0.02)
    apart_now = smoothstep(gap[:, 1:4].mean(dim=1), 0.01, 0.04)
    share = meant * (1 - own_teeth + own_teeth * _OWN_SHARE * apart_now)
    parted = torch.where(parting > 0, parting * share[:, None], parting)
    allowed = torch.maximum(parted, -gap.clamp_min(0))
    movement = _with_parting(movement, (allowed - parting) / 2)
    # While the lips are closed, there is nothing of the person's own to show between them.
    shown = smoothstep(allowed[:, 1:4].mean(dim=1), 0.012, 0.025)
    return Edit(movement, gap + allowed, shown * (1 - own_teeth * apart_now), damp)


def _smile_damping(level: Tensor, change: Tensor) -> Tensor:
    """Return the share (N,) of a change that keeps a face within what faces do."""
    size = change.abs().clamp_min(0.05)
    share = torch.where(change > 0, _share(level, size, _GROWING), _share(-level, size, _FALLING))
    # Other edits move the mouth a little too; what is not a smile is not slowed like one.
    return 1 - (1 - share) * smoothstep(size, 0.1, 0.3)


def _share(level: Tensor, change: Tensor, slowing: Slowing) -> Tensor:
    """Return the share (N,) of an upward change from `level` that is left."""
    after = _slowed(level + change, slowing) - _slowed(level, slowing)
    return (after / change).clamp(slowing.least, 1.0)


def _slowed(level: Tensor, slowing: Slowing) -> Tensor:
    """Integral of a slope that is 1 below `full` and falls linearly to `least` at `flat`."""
    full, flat, least = slowing
    span = flat - full
    t = ((level - full) / span).clamp(0, 1)
    ramp = span * (t - (1 - least) * t * t / 2)
    return level.clamp_max(full) + ramp + least * (level - flat).clamp_min(0)


def _with_parting(movement: Tensor, half: Tensor) -> Tensor:
    """Return the movement with `half` (N, 5) added to the lower and taken from the upper lip, inner
    and outer line."""
    moved = movement.clone()
    moved[:, list(LOWER_LIP), 1] += half
    moved[:, list(UPPER_LIP), 1] -= half
    moved[:, [58, 57, 56], 1] += half[:, 1:4]
    moved[:, [50, 51, 52], 1] -= half[:, 1:4]
    return moved
