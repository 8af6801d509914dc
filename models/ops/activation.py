"""Leaky ReLU with bias and gain in one call."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor

from . import Impl

SLOPE = 0.2
GAIN = math.sqrt(2.0)
"""Restores the variance that the activation takes away (Karras et al. 2020)."""


def fused_leaky_relu(x: Tensor, bias: Tensor, *, impl: Impl = "fast") -> Tensor:
    """Return `leaky_relu(x + bias, 0.2) * √2` for x (N, C, ...) and bias (C,), in x's dtype."""
    bias = bias.to(x.dtype).view(1, -1, *[1] * (x.dim() - 2))
    if impl == "ref":
        return F.leaky_relu(x + bias, SLOPE) * GAIN
    # The activation is positively homogeneous, so the gain can go in first, where it is free.
    return F.leaky_relu((bias * GAIN).addcmul(x, x.new_full((), GAIN)), SLOPE)
