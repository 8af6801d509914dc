"""Gaussian weights, and pictures blurred with them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def gaussian_weights(sigma: float, reach: int, like: Tensor) -> Tensor:
    """Return (2 reach + 1,) weights of sum 1, of the type and on the device of another tensor."""
    x = torch.arange(-reach, reach + 1, dtype=like.dtype, device=like.device)
    weights = torch.exp(-0.5 * (x / sigma).square())
    return weights / weights.sum()


def blurred(maps: Tensor, sigma: float, reach: int, *, edges: str) -> Tensor:
    """Return maps (C, H, W) blurred by `sigma` px, up to `reach`; `edges`: a mode of `F.pad`."""
    weights = gaussian_weights(sigma, reach, maps)
    padded = F.pad(maps[:, None], (reach,) * 4, mode=edges)
    across = F.conv2d(padded, weights[None, None, None, :])
    return F.conv2d(across, weights[None, None, :, None])[:, 0]
