"""What a reconstruction is judged by: pixels and a Laplacian pyramid, most where faces speak."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_LEVELS = 4
"""Of the pyramid; a picture of 32 px ends at 2 px."""

_BACKGROUND = 0.3
"""Weight of a pixel far from the face; the face itself has about 1, eyes and mouth more."""

_PARTS: tuple[tuple[range, float, float], ...] = (
    (range(68), 1.9, 0.8),
    (range(36, 42), 2.6, 1.2),
    (range(42, 48), 2.6, 1.2),
    (range(48, 68), 1.7, 1.6),
)
"""Points of a part, how far its ellipse reaches [their standard deviations], its weight."""


def region_weights(points: Tensor, side: int) -> Tensor:
    """Return how much each pixel counts (N, 1, side, side), mean 1 per picture.

    Args:
        points: (N, 68, 2) in picture widths.
        side: side of the picture [px].
    """
    line = (torch.arange(side) + 0.5) / side
    y, x = torch.meshgrid(line, line, indexing="ij")
    place = torch.stack([x, y], dim=-1).view(1, -1, 2)
    weights = torch.full((len(points), side * side), _BACKGROUND)
    for part, reach, weight in _PARTS:
        own = points[:, list(part)]
        centre = own.mean(dim=1, keepdim=True)
        spread = (own - centre).transpose(1, 2) @ (own - centre) / own.shape[1]
        inverse = torch.linalg.inv(spread + 1e-4 * torch.eye(2))
        away = place - centre
        distance = ((away @ inverse) * away).sum(-1) / reach**2
        # A flat top, then a soft edge.
        weights += weight * torch.sigmoid(6 * (1 - distance))
    out = weights.view(-1, 1, side, side)
    return out / out.mean(dim=(2, 3), keepdim=True)


def reconstruction_loss(found: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted absolute error of the pixels and of each Laplacian level, summed.

    Args:
        found: pictures (N, 3, S, S) in about [-1, 1].
        wanted: the same shape.
        weights: (N, 1, S, S), from `region_weights`.
    """
    error = found - wanted
    loss = _mean(error, weights)
    for level in range(_LEVELS):
        smaller = F.avg_pool2d(error, 2)
        band = error - F.interpolate(smaller, scale_factor=2.0, mode="bilinear")
        loss = loss + 1.5 * _mean(band, weights)
        error, weights = smaller, F.avg_pool2d(weights, 2)
        if level == _LEVELS - 1:
            loss = loss + _mean(error, weights)
    return loss


def _mean(error: Tensor, weights: Tensor) -> Tensor:
    return (torch.sqrt(error.square() + 1e-4) * weights).mean()


def code_loss(w: Tensor) -> Tensor:
    """Return what keeps codes compact: their mean square, and that of the rows' differences."""
    shared = w.mean(dim=1, keepdim=True)
    return w.square().mean() + 2 * (w - shared).square().mean()
