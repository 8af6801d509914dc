"""Drawing a region of a face as another face has it into the crop's own pixels."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from .edit import turn_damping
from .exemplar import LOWER_LIDS, UPPER_LIDS, Carried, lid_gaps
from .fields import Vertices, fields
from .mouth import inner_gap
from .net import PortraitModel
from .pixels import paste, shaded, warped
from .rendered import Rendered, joined, rows_at_once, unchanged
from .shape import ShapeFit
from .warp import smoothstep, unit_to_pixels

_WIDEST: Final = 1.2
"""Of how open eyes usually are, beyond which they do not open further than that."""

_CLOSED: Final = (0.3, 0.85)
"""Shares of how open eyes usually are at which nothing of their relief is drawn, and all."""


def render_carried(
    model: PortraitModel,
    images: Tensor,
    landmarks: Tensor,
    carried: Carried,
    amount: Tensor,
    yaw: Tensor,
) -> Rendered:
    """Carry a region of another face into N native crops of one face.

    Args:
        model: the portrait.
        images: (N, 3, S, S) float RGB in [-1, 1].
        landmarks: (N, 68, 2) float, crop px.
        carried: what to change, as on the device of the crops.
        amount: (N,) how much of it; 0 is the identity, bit for bit.
        yaw: (N,) radians, best smoothed over the shot.
    """
    changed = amount != 0
    if not bool(changed.any()):
        return unchanged(images)
    parts = [
        _rendered(model, images[rows], landmarks[rows], carried, amount[rows], yaw[rows])
        for rows in rows_at_once(images)
    ]
    rendered = joined(images, parts)
    return rendered if bool(changed.all()) else rendered.only(changed, images)


def _rendered(
    model: PortraitModel,
    images: Tensor,
    landmarks: Tensor,
    carried: Carried,
    amount: Tensor,
    yaw: Tensor,
) -> Rendered:
    fit, vertices = model.placed(landmarks)
    side = images.shape[-1]
    share = amount * turn_damping(yaw)
    opened = _opened(fit, vertices, carried.opening)
    movement = _with_blinks(carried.movement * share[:, None, None], opened)
    moved = vertices + movement @ fit.camera.transpose(1, 2)
    gap = inner_gap(vertices, fit.camera)
    places = Vertices(vertices, moved, model.canonical, model.ring)
    source, canonical, mask, window = fields(places, fit, gap, yaw, side, reach=carried.reach)
    factor = _open_factor(carried, opened)
    change = shaded(warped(images, source), canonical, factor, yaw, share)
    output = images[:, :, window.rows, window.columns].clone()
    paste(change.clamp_(-1, 1), output, mask[:, 0] > 0)
    return Rendered(output, mask, unit_to_pixels(source, side) - window.pixels(source), window)


def _opened(fit: ShapeFit, vertices: Tensor, usual: Tensor) -> Tensor:
    """Return how open the eyes of N faces are (N, 2), in shares of how open they `usual`ly are."""
    down = fit.camera[:, :, 1]
    heights = (vertices * down[:, None]).sum(dim=2) / down.square().sum(dim=1, keepdim=True)
    return (lid_gaps(heights).mean(dim=2) / usual.clamp_min(0.03)).clamp(0, _WIDEST)


def _with_blinks(movement: Tensor, opened: Tensor) -> Tensor:
    """Return a movement (N, V, 3) whose lids part in proportion to how open the eyes are (N, 2):
    closed ones stay so."""
    half = lid_gaps(movement[..., 1]) * (opened[..., None] - 1) / 2
    moved = movement.clone()
    for eye, (high, low) in enumerate(zip(UPPER_LIDS, LOWER_LIDS, strict=True)):
        moved[:, list(low), 1] += half[:, eye]
        moved[:, list(high), 1] -= half[:, eye]
    return moved


def _open_factor(carried: Carried, opened: Tensor) -> Tensor:
    """Return the factor (N, 3, S, S) for eyes that are so far open (N, 2): the lashes and the fold
    of an open lid are not drawn onto a closed one, which is stretched over the eye."""
    closed = 1 - smoothstep(opened, *_CLOSED)
    if not bool((closed > 0).any()):
        return carried.factor.expand(len(opened), -1, -1, -1)
    spared = torch.einsum("ne,ehw->nhw", closed, carried.eyes).clamp_max(1)
    return carried.factor * (1 - spared[:, None])
