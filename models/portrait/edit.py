"""What a change of code may do to this frame's face: by how far it smiles already, by what its
mouth is doing, and by the turn of the head."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .mouth import LOWER_LIP, UPPER_LIP
from .shape import ShapeModel
from .state import CLOSED, GAP, LIPS, SMILE, TALKING, WIDTH, YAW
from .warp import smoothstep, solve_positive

_UPPER_OUTLINE, _LOWER_OUTLINE = [49, 50, 51, 52, 53], [59, 58, 57, 56, 55]
"""Outer lip vertices between the corners, left to right, over `UPPER_LIP` and under `LOWER_LIP`."""


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


_ROUND = (0.50, 0.42)
"""Mouth widths (see `state.REST_WIDTH`) at which lips begin to be rounded and are so wholly."""
_PRESSED = (0.135, 0.09)
"""Heights of the visible lips (see `state.REST_LIPS`) at which closed ones begin to be pressed
together and are so wholly."""

_ROUND_SHARE, _ROUND_ACROSS, _PRESSED_SHARE = 0.7, 0.45, 1.25
"""Of a smile: what the ring muscle of rounded lips lets through, and of that what it lets through
across; and how much further the corners of pressed lips go, where nothing else can show it."""

_MOUTH_REACH = 0.6
"""How far around the mouth the movement across is held back, head units."""

_MEANT = (0.008, 0.02)
"""Mean partings of the lips, head units, up to which none is meant and from which one surely is."""

_TALKING_SHARE = 0.6
"""Share of a parting that is made by somebody who talks: lips that close between words come near
each other."""


class MouthModes(NamedTuple):
    """How a face moves with its mouth; from `mouth_modes`."""

    parting: Tensor
    """(V, 3) head frame: per unit of parting in the middle of the lips."""
    near: Tensor
    """(V,) 0-1: how near the mouth a vertex is."""


class Edit(NamedTuple):
    """A movement of N faces after all limits."""

    movement: Tensor
    """(N, V, 3) head units, head frame."""
    gap_after: Tensor
    """(N, 5) inner lip gap after the edit, head units."""
    teeth: Tensor
    """(N,) 0-1: how much drawn teeth show between the lips."""
    below: Tensor
    """(N,) 0-1: how much is drawn of what lies below these teeth."""
    share: Tensor
    """(N,) what remains of the change of shading, in proportion to what the mouth's corners make of
    theirs."""


class Limits(NamedTuple):
    """What a limit leaves of a change in each of T frames, (T,) 0-1."""

    turn: Tensor
    """Of the whole change, by the head's turn."""
    smile: Tensor
    """Of the whole change, by the smile that is there."""
    mouth: Tensor
    """By what the mouth is doing: of a smile, and of a parting of the lips where one is meant."""


def mouth_modes(shape: ShapeModel, smile_axis: Tensor) -> MouthModes:
    """Return how the faces of a shape model move with their mouths.

    What goes with a parting is the mean of the model's Gaussian given that parting and a smile that
    stays as it is: jaw and chin go down with the lower lip, all lines of the lips smoothly with
    their middle. `smile_axis` (K,) as in `PortraitModel`, without its constant.
    """
    upper, lower = list(UPPER_LIP), list(LOWER_LIP)
    parted = (shape.basis[:, lower, 1] - shape.basis[:, upper, 1])[:, 1:4].mean(dim=1)
    given = torch.stack([parted, smile_axis]) * shape.sigma
    ridge = 1e-6 * torch.eye(2, dtype=given.dtype, device=given.device)
    weights = solve_positive(given @ given.T + ridge, given)[0] * shape.sigma
    off = shape.mean[:, :2] - shape.mean[48:68, :2].mean(dim=0)
    near = torch.exp(-(off / _MOUTH_REACH).square().sum(dim=1))
    return MouthModes(shape.displacement(weights[None])[0], near)


def limits(movement: Tensor, smile_change: Tensor, state: Tensor) -> Limits:
    """Return what `limited_displacement` leaves of one movement in frames of a shot.

    Args:
        movement: (V, 3) decoded, head units.
        smile_change: () how much of a smile it is, SD of ratings.
        state: (T, 12), see `state.STATE_NAMES`.
    """
    turn = turn_damping(state[:, YAW])
    change = smile_change.expand(len(state))
    smile = _smile_damping(state[:, SMILE], change)
    doing = _doing(state, change)
    parting = _middle_parting(movement[None]) * turn * smile * doing.share
    opened = _opened(parting, state[:, GAP], doing.rounded, state) / parting.clamp_min(1e-6)
    meant = smoothstep(parting, *_MEANT)
    return Limits(turn, smile, doing.share.clamp_max(1) * (1 - meant + meant * opened))


def limited_displacement(
    movement: Tensor, smile_change: Tensor, gap: Tensor, state: Tensor, modes: MouthModes
) -> Edit:
    """Return what remains of a movement after all limits.

    Args:
        movement: (N, V, 3) decoded, head units.
        smile_change: (N,) how much of a smile it is, SD of ratings.
        gap: (N, 5) inner lip gap now, head units.
        state: (N, 12), see `state.STATE_NAMES`.
        modes: of the model the movement is decoded with.
    """
    damp = turn_damping(state[:, YAW]) * _smile_damping(state[:, SMILE], smile_change)
    doing = _doing(state, smile_change)
    narrowed = (1 - _ROUND_ACROSS) * (doing.rounded * doing.smiling)[:, None] * modes.near
    across = movement[..., :1] * (1 - narrowed)[..., None]
    made = torch.cat([across, movement[..., 1:]], dim=2) * (damp * doing.share)[:, None, None]
    share = _corner_movement(made) / _corner_movement(movement).clamp_min(1e-6)
    return _with_lips(made, torch.where(doing.smiling > 0, share, damp), gap, state, modes, doing)


class _Doing(NamedTuple):
    """What N mouths are doing, as far as a smile is concerned."""

    smiling: Tensor
    """(N,) 0-1 how much the change is one of a smile."""
    rounded: Tensor
    """(N,) 0-1 how much lips are rounded that a smile would widen."""
    share: Tensor
    """(N,) of the change, above 1 for a smile of pressed lips."""


def _doing(state: Tensor, smile_change: Tensor) -> _Doing:
    smiling = smoothstep(smile_change.abs(), 0.1, 0.3)
    rounded = smoothstep(state[:, WIDTH], *_ROUND)
    pressed = smoothstep(state[:, LIPS], *_PRESSED) * smoothstep(state[:, GAP], 0.03, 0.01)
    pressed = pressed * (1 - rounded) * smoothstep(smile_change, 0.1, 0.3)
    share = (1 - (1 - _ROUND_SHARE) * rounded) * (1 + (_PRESSED_SHARE - 1) * pressed)
    return _Doing(smiling, rounded, 1 + smiling * (share - 1))


def _corner_movement(movement: Tensor) -> Tensor:
    """Return how far the corners of the mouth move (N,), head units."""
    length: Tensor = movement[:, [48, 54], :2].norm(dim=2).mean(dim=1)
    return length


def _middle_parting(movement: Tensor) -> Tensor:
    """Return how far a movement (N, V, 3) parts the middle of the lips (N,), head units."""
    return parting_of(movement)[:, 1:4].mean(dim=1)


def parting_of(movement: Tensor) -> Tensor:
    """Return how far a movement (N, V, 3) parts the lips (N, 5), head units."""
    return movement[:, list(LOWER_LIP), 1] - movement[:, list(UPPER_LIP), 1]


def _opened(parting: Tensor, opening: Tensor, rounded: Tensor, state: Tensor) -> Tensor:
    """Return how much further lips come apart (N,) that are `opening` (N,) apart, if a change parts
    closed ones by `parting` (N,); negative: nearer.

    The further they are apart, the less is added, but never so much less that a mouth which opens
    would seem to close: the slope of the whole, `opening + p^2 / (p + opening)`, is never negative.
    """
    busy = smoothstep(state[:, TALKING], 0.35, 0.65)
    wanted = parting.clamp_min(0) * (1 - rounded) * (1 - (1 - _TALKING_SHARE) * busy)
    opening = opening.clamp_min(0)
    further = wanted.square() / (wanted + opening).clamp_min(1e-6)
    return torch.where(
        parting > 0, further * smoothstep(parting, *_MEANT), torch.maximum(parting, -opening)
    )


def _with_lips(
    movement: Tensor, share: Tensor, gap: Tensor, state: Tensor, modes: MouthModes, doing: _Doing
) -> Edit:
    """Return the edit whose lips part as far as they may.

    What must not be parted is taken back from the whole face as faces part their lips. That leaves
    a little at each point of the lips: so small that it may be taken from the lips alone.
    """
    before, parting = parting_of(movement), _middle_parting(movement)
    opening = gap[:, 1:4].mean(dim=1)
    opened = _opened(parting, opening, doing.rounded, state)
    movement = movement + (opened - parting)[:, None, None] * modes.parting
    part = opened / torch.where(parting == 0, 1.0, parting)
    wanted = torch.maximum(before * part[:, None], -gap.clamp_min(0))
    movement = with_parting(movement, (wanted - parting_of(movement)) / 2)
    after = gap + wanted
    apart = after[:, 1:4].mean(dim=1)
    shown = smoothstep(apart, 0.012, 0.025) * smoothstep(parting, *_MEANT) * (1 - doing.rounded)
    own = (opening / apart.clamp_min(1e-3)).clamp(0, 1)
    return Edit(movement, after, shown * state[:, CLOSED], smoothstep(own, 0.45, 0.15), share)


def turn_damping(yaw: Tensor) -> Tensor:
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


def with_parting(movement: Tensor, half: Tensor) -> Tensor:
    """Return the movement with `half` (N, 5) added to the lower and taken from the upper lip, inner
    and outer line."""
    moved = movement.clone()
    for line in (list(LOWER_LIP), _LOWER_OUTLINE):
        moved[:, line, 1] += half
    for line in (list(UPPER_LIP), _UPPER_OUTLINE):
        moved[:, line, 1] -= half
    return moved
