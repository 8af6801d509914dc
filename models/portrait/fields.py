"""Where every pixel of an edited head comes from, where on the mean head it is, and how far an edit
reaches.

One thin plate through the moved vertices and a still ring around the head carries both positions.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .mouth import LOWER_LIP, UPPER_LIP, inner_gap
from .regions import INNER_MOUTH
from .shape import ShapeFit
from .warp import (
    canonical_to_unit,
    pixels_to_unit,
    smoothstep,
    thin_plate_evaluate,
    thin_plate_solve,
)
from .window import Window, head_support, head_window

_STIFFNESS, _TURNED_STIFFNESS = 2e-4, 5e-3
"""Of the thin plate at every vertex; and, on a turned head, beside the mouth: on the far cheek
vertices crowd that move in different ways, and a plate that obeyed them all would crease."""
_MOUTH = [*range(48, 68), *INNER_MOUTH]
_TURN_RADIANS = (0.08, 0.25)
"""Yaw at which the one stiffness begins to become the other, and has become it."""


class Vertices(NamedTuple):
    """The vertices of N faces before and after an edit, and those of the mean head."""

    before: Tensor
    """(N, V, 2) crop px."""
    after: Tensor
    """(N, V, 2) crop px."""
    canonical: Tensor
    """(V, 2)"""
    ring: Tensor
    """(R, 3) head units: what stands still around the head."""


def fields(
    vertices: Vertices,
    fit: ShapeFit,
    gap: Tensor,
    yaw: Tensor,
    side: int,
    *,
    reach: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, Window]:
    """Return source (N, 2, h, w), canonical (N, 2, h, w) and mask (N, 1, h, w) at every pixel of
    the part of a crop of `side` px where any mask is above 0, and that part.

    Both positions are in `grid_sample` units.

    Args:
        vertices: of N faces.
        fit: of these faces.
        gap: (N, 5) inner lip gap after the edit, head units.
        yaw: (N,) radians.
        side: of the crops [px].
        reach: (T, T) 0-1 on the mean head, how much of the edit each place takes; None:
            all of them all.
    """
    moved, ring = vertices.after, vertices.ring
    window = head_window(ring, fit, side)
    still = ring @ fit.camera.transpose(1, 2) + fit.offset[:, None]
    unit = fit.scale[:, None, None]
    centres = (torch.cat([_apart(moved, fit), still], dim=1) - fit.offset[:, None]) / unit
    canonical = torch.cat(
        [_closing(vertices.canonical, gap), ring[:, :2].expand(len(moved), -1, -1)], dim=1
    )
    back = torch.cat([(vertices.before - moved) / unit, torch.zeros_like(still)], dim=1)
    values = torch.cat([canonical, back], dim=2)
    stiffness = _stiffness(yaw, values.shape[1])
    weights = thin_plate_solve(centres, values, stiffness=stiffness)
    cells = window.cell_centres(unit.dtype, unit.device)
    points = (cells.reshape(1, -1, 2) - fit.offset[:, None]) / unit
    values = thin_plate_evaluate(weights, centres, points)
    values = values.reshape(len(points), *cells.shape[:2], 4)
    support = head_support(values[..., :2], cells, side)
    if reach is not None:
        support = support * _at(reach, values[..., :2])
    source = pixels_to_unit(cells + values[..., 2:] * support * unit[..., None], side)
    mask = smoothstep(support, 0.02, 0.12)
    part = window.around_cells(mask[..., 0] > 0)
    positions = torch.cat([source, canonical_to_unit(values[..., :2])], dim=-1)
    fine = window.to_pixels(positions.permute(0, 3, 1, 2), part)
    covered = window.to_pixels(mask.permute(0, 3, 1, 2), part, smooth=False)
    return fine[:, :2], fine[:, 2:], covered, part


def _at(reach: Tensor, canonical: Tensor) -> Tensor:
    """Return a map (T, T) at canonical places (N, h, w, 2): (N, h, w, 1)."""
    where = canonical_to_unit(canonical)
    maps = reach[None, None].expand(len(where), -1, -1, -1)
    found = F.grid_sample(maps, where, padding_mode="border", align_corners=False)
    return found[:, 0, ..., None]


def _stiffness(yaw: Tensor, centres: int) -> Tensor:
    """Return the stiffness (N, V + R) at the vertices and the still ring of heads turned by `yaw`
    (N,)."""
    turned = smoothstep(yaw.abs(), *_TURN_RADIANS)[:, None]
    stiffness = _STIFFNESS + (_TURNED_STIFFNESS - _STIFFNESS) * turned
    stiffness = stiffness.repeat(1, centres)
    stiffness[:, _MOUTH] = _STIFFNESS
    return stiffness


def _closing(canonical: Tensor, gap: Tensor) -> Tensor:
    """Return canonical vertices (N, V, 2) whose inner lips are as far apart as `gap` (N, 5), but
    never further.

    A closed mouth has no inside: without this the canonical inside would be squeezed onto the lips.
    """
    closed = canonical.expand(len(gap), -1, -1).clone()
    upper, lower = list(UPPER_LIP), list(LOWER_LIP)
    mean_gap = closed[:, lower, 1] - closed[:, upper, 1]
    excess = (mean_gap - gap.clamp_min(0.03)).clamp_min(0) / 2
    closed[:, upper, 1] += excess
    closed[:, lower, 1] -= excess
    return closed


def _apart(vertices: Tensor, fit: ShapeFit) -> Tensor:
    """Return vertices with the inner lips at least 0.03 head units apart, so that no two thin-plate
    centres meet."""
    gap = inner_gap(vertices, fit.camera)
    push = ((0.03 - gap).clamp_min(0) / 2)[..., None] * fit.camera[:, None, :, 1]
    apart = vertices.clone()
    apart[:, list(UPPER_LIP)] -= push
    apart[:, list(LOWER_LIP)] += push
    return apart
