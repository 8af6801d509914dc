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


_MEANT = (0.008, 0.02)
"""Mean partings of the lips, head units, up to which none is meant and from which one surely is."""
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


class Limits(NamedTuple):
    """What a limit leaves of a change in each of T frames, (T,) 0-1."""

    turn: Tensor
    """Of the whole change, by the head's turn."""
    smile: Tensor
    """Of the whole change, by the smile that is there."""
    mouth: Tensor
    """Of a parting of the lips, by a mouth that does something of its own; 1 where none is
    meant."""


def limits(movement: Tensor, smile_change: Tensor, state: Tensor) -> Limits:
    """Return what `limited_displacement` leaves of one movement in frames of a shot.

    Args:
        movement: (V, 3) decoded, head units.
        smile_change: () how much of a smile it is, SD of ratings.
        state: (T, 5), see `state.STATE_NAMES`.
    """
    turn = _turn_damping(state[:, 2])
    smile = _smile_damping(state[:, 3], smile_change.expand(len(state)))
    lips = movement[list(LOWER_LIP), 1] - movement[list(UPPER_LIP), 1]
    meant = smoothstep(lips.mean() * turn * smile, *_MEANT)
    own = _own_mouth(state[:, 0])
    return Limits(turn, smile, 1 - meant + meant * _parting_share(own, state[:, 1]))


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
    own_teeth, yaw, smile = _own_mouth(state[:, 0]), state[:, 2], state[:, 3]
    damp = _smile_damping(smile, smile_change) * _turn_damping(yaw)
    movement = movement * damp[:, None, None]
    upper, lower = list(UPPER_LIP), list(LOWER_LIP)
    parting = movement[:, lower, 1] - movement[:, upper, 1]
    meant = smoothstep(parting.mean(dim=1), *_MEANT)
    opening = gap[:, 1:4].mean(dim=1)
    share = meant * _parting_share(own_teeth, opening)
    parted = torch.where(parting > 0, parting * share[:, None], parting)
    allowed = torch.maximum(parted, -gap.clamp_min(0))
    movement = _with_parting(movement, (allowed - parting) / 2)
    # While the lips are closed, there is nothing of the person's own to show between them.
    shown = smoothstep(allowed[:, 1:4].mean(dim=1), 0.012, 0.025)
    teeth = shown * (1 - own_teeth * _apart(opening))
    return Edit(movement, gap + allowed, teeth, damp)


def _own_mouth(busy: Tensor) -> Tensor:
    """Return how much a mouth counts as doing something of its own (N,)."""
    return smoothstep(busy, 0.35, 0.65)


def _apart(opening: Tensor) -> Tensor:
    """Return how much lips count as apart (N,), by the gap between them, head units."""
    return smoothstep(opening, 0.01, 0.04)


def _parting_share(own: Tensor, opening: Tensor) -> Tensor:
    """Return the share (N,) of a parting of the lips that is left to a mouth."""
    return 1 - own + own * _OWN_SHARE * _apart(opening)


def _turn_damping(yaw: Tensor) -> Tensor:
    """Return the share (N,) of a change that a head turned by `yaw` [radians] takes."""
    return smoothstep(yaw.abs(), 1.05, 0.7)


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
