"""The best rotation, scale and shift between two sets of points."""

from __future__ import annotations

import torch
from torch import Tensor


def similarity(source: Tensor, target: Tensor) -> Tensor:
    """Return the rotations, scales and shifts that bring points nearest to others, least squares.

    With both sets as complex numbers about their means, the best factor is
    sum(conj(s) t) / sum(|s|^2): a rotation with a scale, never a mirror image.

    Args:
        source: (N, K, 2).
        target: (N, K, 2) or (K, 2).

    Returns:
        (N, 2, 3) float: target = A [x, y, 1].
    """
    target = target.expand_as(source)
    s_mean, t_mean = source.mean(dim=1), target.mean(dim=1)
    s, t = source - s_mean[:, None], target - t_mean[:, None]
    size = s.square().sum(dim=(1, 2))
    real = (s * t).sum(dim=(1, 2)) / size
    imaginary = (s[..., 0] * t[..., 1] - s[..., 1] * t[..., 0]).sum(dim=1) / size
    rows = [torch.stack([real, -imaginary], dim=1), torch.stack([imaginary, real], dim=1)]
    linear = torch.stack(rows, dim=1)
    shift = t_mean - (linear @ s_mean[..., None])[..., 0]
    return torch.cat([linear, shift[..., None]], dim=2)
