"""Vary the training faces: mirror, jitter of the crop and the colours, other face shapes, morphs.

A thousand faces are few. Warping one face into the shape of another, and fading the two into each
other there, makes new ones whose points are known. All resampling happens in one pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..portrait.warp import thin_plate_evaluate, thin_plate_solve
from ..topology68 import FLIP_68

_GRID = 24
"""The warp is computed on this many points a side and interpolated between."""


_LINE = (-0.1, 0.2, 0.5, 0.8, 1.1)
_BORDER = [(x, y) for y in _LINE for x in _LINE if {x, y} & {_LINE[0], _LINE[-1]}]
"""16 points round the picture [picture widths] that no warp moves."""


@dataclass(frozen=True, slots=True)
class AugmentOptions:
    """How far pictures are varied."""

    shift: float = 0.012
    """Standard deviation of the crop's place [picture widths]."""
    scale: float = 0.02
    """Standard deviation of the crop's size, as a logarithm."""
    turn: float = 0.025
    """Standard deviation of the crop's turn [rad]."""
    shape_share: float = 0.25
    """Share of pictures that take another face's shape, partly or beyond."""
    morph_share: float = 0.1
    """Share of pictures that are faded with another face in the same shape."""
    colour: float = 0.025
    """Standard deviation of gain and of offset per channel."""


def varied(
    images: Tensor,
    points: Tensor,
    side: int,
    random: torch.Generator,
    options: AugmentOptions,
) -> tuple[Tensor, Tensor]:
    """Return varied pictures (N, 3, side, side) float32 in [-1, 1] and their points (N, 68, 2).

    Args:
        images: (N, 3, S, S) uint8.
        points: (N, 68, 2) in picture widths.
        side: side of the pictures returned [px].
        random: draws everything.
        options: how far.
    """
    n = len(images)
    images, points = images.float() / 127.5 - 1, points.clone()
    flip = torch.rand(n, generator=random) < 0.5
    images[flip] = images[flip].flip(-1)
    points[flip] = mirrored(points[flip])
    other = torch.roll(torch.arange(n), 1)
    amount = torch.empty(n).uniform_(-0.6, 1.0, generator=random)
    amount[torch.rand(n, generator=random) >= options.shape_share] = 0
    # A face turned another way has no pixels for the side it hides: keep to those turned alike.
    amount *= torch.exp(-((turned(points) - turned(points[other])) / 0.15).square())
    shape = torch.lerp(points, points[other], amount[:, None, None])
    jitter = _jitter(n, random, options)
    seen = (shape - 0.5) @ jitter[:, :, :2].transpose(1, 2) + jitter[:, None, :, 2] + 0.5
    first = _warped(images, points, shape, jitter, side)
    faded = torch.rand(n, generator=random) < options.morph_share
    if faded.any():
        rows = other[faded]
        second = _warped(images[rows], points[rows], shape[faded], jitter[faded], side)
        share = torch.empty(len(rows)).uniform_(0.15, 0.5, generator=random)
        first[faded] = torch.lerp(first[faded], second, share[:, None, None, None])
    gain = 1 + options.colour * torch.randn(n, 3, 1, 1, generator=random)
    brightness = 1 + 1.5 * options.colour * torch.randn(n, 1, 1, 1, generator=random)
    offset = options.colour * torch.randn(n, 3, 1, 1, generator=random)
    return (first * gain * brightness + offset).clamp(-1, 1), seen


def mirrored(points: Tensor) -> Tensor:
    """Return points (N, 68, 2) [picture widths] of the mirrored pictures."""
    out = points[:, list(FLIP_68)].clone()
    out[..., 0] = 1 - out[..., 0]
    return out


def turned(points: Tensor) -> Tensor:
    """Return how far each face (N, 68, 2) is turned sideways (N,): 0 facing, about ±0.4 at 45°."""
    left, right = points[:, 36, 0], points[:, 45, 0]
    return (points[:, 30, 0] - (left + right) / 2) / (right - left).abs().clamp(min=0.05)


def resized(images: Tensor, side: int) -> Tensor:
    """Return pictures (N, 3, S, S) uint8 as (N, 3, side, side) float32 in [-1, 1], not varied."""
    return F.interpolate(images.float() / 127.5 - 1, size=side, mode="area")


def _jitter(n: int, random: torch.Generator, options: AugmentOptions) -> Tensor:
    """Return (N, 2, 3): where a point of the picture lies in the crop, both from the centre."""
    turn = options.turn * torch.randn(n, generator=random)
    scale = torch.exp(options.scale * torch.randn(n, generator=random))
    shift = options.shift * torch.randn(n, 2, generator=random)
    cosine, sine = scale * torch.cos(turn), scale * torch.sin(turn)
    rows = torch.stack([cosine, -sine, sine, cosine], dim=1).view(n, 2, 2)
    return torch.cat([rows, shift[:, :, None]], dim=2)


def _warped(images: Tensor, points: Tensor, shape: Tensor, jitter: Tensor, side: int) -> Tensor:
    """Return (N, 3, side, side): each picture with its `points` carried to `shape`, then jittered.

    The way back is followed: crop → picture in the new shape (jitter inverted) → the picture's own
    place, by a thin-plate spline through the points and the picture's border.
    """
    line = (torch.arange(_GRID) + 0.5) / _GRID - 0.5
    # The coarse grid reaches one step beyond the crop, so that interpolation never extrapolates.
    line = torch.cat([line[:1] - 1 / _GRID, line, line[-1:] + 1 / _GRID])
    y, x = torch.meshgrid(line, line, indexing="ij")
    crop = torch.stack([x, y], dim=-1).view(1, -1, 2)
    back = torch.linalg.inv(jitter[:, :, :2])
    place = (crop - jitter[:, None, :, 2]) @ back.transpose(1, 2) + 0.5
    source = place + _spline(shape, points - shape, place)
    coarse = source.view(-1, _GRID + 2, _GRID + 2, 2).permute(0, 3, 1, 2)
    extended = round(side * (_GRID + 2) / _GRID)
    margin = (extended - side) // 2
    fine = F.interpolate(coarse, size=extended, mode="bilinear", align_corners=False)
    grid = fine[:, :, margin : margin + side, margin : margin + side].permute(0, 2, 3, 1) * 2 - 1
    return F.grid_sample(
        images, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )


def _spline(knots: Tensor, values: Tensor, at: Tensor) -> Tensor:
    """Return the smoothing thin-plate spline (N, M, 2) at points (N, M, 2), 0 on the border."""
    border = torch.tensor(_BORDER).expand(len(knots), -1, -1)
    knots = torch.cat([knots, border], dim=1)
    values = torch.cat([values, torch.zeros_like(border)], dim=1)
    weights = thin_plate_solve(knots, values, stiffness=2e-3)
    return thin_plate_evaluate(weights, knots, at)
