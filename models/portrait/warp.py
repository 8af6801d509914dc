"""Thin-plate interpolation, normalised grids and resampling: the geometry a portrait edit is made
of.

Coordinates are (x, y) with pixel centres at integers. `canonical` coordinates are those of the
frontal mean head, in outer-eye distances, origin between the eyes (see `shape.py`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

CANONICAL_LEFT, CANONICAL_TOP, CANONICAL_SIDE = -1.1, -0.85, 2.2
"""The square window of the canonical frame that textures cover, in outer-eye distances."""


_AFFINE_WEIGHT = 1e3
_LEAST_STIFFNESS = 1e-10
_POINTS_AT_ONCE = 768


def canonical_grid(side: int) -> Tensor:
    """Return the canonical (x, y) of every texel centre of a `side` x `side` texture: (side, side,
    2) float."""
    step = CANONICAL_SIDE / side
    along = (torch.arange(side, dtype=torch.float32) + 0.5) * step
    y, x = torch.meshgrid(along + CANONICAL_TOP, along + CANONICAL_LEFT, indexing="ij")
    return torch.stack([x, y], dim=-1)


def canonical_to_unit(points: Tensor) -> Tensor:
    """Return canonical points (..., 2) in the [-1, 1] coordinates
    `grid_sample(align_corners=False)` reads."""
    corner = points.new_tensor([CANONICAL_LEFT, CANONICAL_TOP])
    return (points - corner) * (2 / CANONICAL_SIDE) - 1


def pixels_to_unit(points: Tensor, side: int) -> Tensor:
    """Return crop pixels (..., 2) in the [-1, 1] coordinates `grid_sample(align_corners=False)`
    reads."""
    return (2 * points + 1) / side - 1


def unit_to_pixels(points: Tensor, side: int) -> Tensor:
    """Return the crop pixels of what `pixels_to_unit` returned, whatever the axes."""
    return ((points + 1) * side - 1) / 2


def thin_plate_kernel(points: Tensor, centres: Tensor) -> Tensor:
    """Return r^2 log r^2 between points (..., P, 2) and centres (..., V, 2): (..., P, V)."""
    x = points[..., :1] - centres[..., None, :, 0]
    y = points[..., 1:] - centres[..., None, :, 1]
    squares = (x * x).addcmul_(y, y).clamp_min_(1e-9)
    return squares.log().mul_(squares)


def thin_plate_solve(centres: Tensor, values: Tensor, *, stiffness: float | Tensor) -> Tensor:
    """Return thin-plate weights (..., V + 3, C) that carry `values` (..., V, C) at `centres` (...,
    V, 2).

    `stiffness`, one or (..., V), of each centre: 0 interpolates, more smooths (Wahba 1990, the
    regularised spline). Centres should be of size about 1 (normalise first). Solved in double
    precision as a positive definite system: the kernel is positive definite on weights without
    affine part, so a multiple of the affine part's own Gram matrix makes all of it so and changes
    nothing for those weights (Finsler's lemma).
    """
    points, targets = centres.double(), values.double()
    affine = torch.cat([torch.ones_like(points[..., :1]), points], dim=-1)
    matrix = thin_plate_kernel(points, points)
    loose = torch.as_tensor(stiffness, dtype=points.dtype, device=points.device)
    matrix.diagonal(dim1=-2, dim2=-1).add_(loose.clamp_min(_LEAST_STIFFNESS))
    matrix = torch.add(matrix, affine @ affine.transpose(-1, -2), alpha=_AFFINE_WEIGHT)
    bent = solve_positive(matrix, torch.cat([targets, affine], dim=-1))
    free, along_affine = bent[..., : targets.shape[-1]], bent[..., targets.shape[-1] :]
    across = affine.transpose(-1, -2)
    plane = solve_positive(across @ along_affine, across @ free)
    weights = torch.cat([free - along_affine @ plane, plane], dim=-2)
    return weights.to(values.dtype)


def thin_plate_evaluate(weights: Tensor, centres: Tensor, points: Tensor) -> Tensor:
    """Return the values (..., P, C) at points (..., P, 2) of a solved thin plate."""
    count = centres.shape[-2]
    bent = weights[..., :count, :].transpose(-1, -2)
    # A few points at a time: their kernel stays in a processor's cache. Few rows times many columns
    # is a quicker product than many times few.
    parts = [
        bent @ thin_plate_kernel(centres, some)
        for some in torch.split(points, _POINTS_AT_ONCE, dim=-2)
    ]
    plane = weights[..., count : count + 1, :] + points @ weights[..., count + 1 :, :]
    return plane.add_(torch.cat(parts, dim=-1).transpose(-1, -2))


def thin_plate_operator(centres: Tensor, points: Tensor, *, stiffness: float) -> Tensor:
    """Return the matrix (P, V) that takes values at `centres` (V, 2) to values at `points` (P,
    2)."""
    identity = torch.eye(len(centres), dtype=torch.float64)
    weights = thin_plate_solve(centres.double(), identity, stiffness=stiffness)
    return thin_plate_evaluate(weights, centres.double(), points.double()).float()


def solve_positive(matrix: Tensor, right: Tensor) -> Tensor:
    """Return x (..., P, C) with `matrix @ x = right` for symmetric positive definite (..., P, P).

    All that a portrait solves is put this way: in tested builds of PyTorch on CPUs a batched LU
    solve of some 200 rows fails or never returns with several threads; Cholesky factors do not.
    """
    solved: Tensor = torch.cholesky_solve(right, torch.linalg.cholesky(matrix))
    return solved


def enlarge(field: Tensor, side: int) -> Tensor:
    """Return a coarse field (N, C, G, G) at `side` x `side`, bilinear, corners aligned to cell
    centres."""
    return F.interpolate(field, size=(side, side), mode="bilinear", align_corners=False)


def smoothstep(x: Tensor, low: float, high: float) -> Tensor:
    """Return 0 below `low`, 1 above `high` (or the reverse if `low > high`), cubic between."""
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)
