"""Fully connected layer and convolution with equalised learning rate (Karras et al. 2018, §4.1)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import Impl
from .activation import fused_leaky_relu


class EqualLinear(nn.Module):
    """`y = x (W s)ᵀ + b lr_mul` with s = lr_mul / √inputs, and a fused activation if asked."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        bias: float = 0.0,
        lr_mul: float = 1.0,
        activate: bool = False,
    ) -> None:
        """Draw weights from N(0, 1) / lr_mul; every bias starts at `bias`."""
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr_mul)
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.scale, self.lr_mul, self.activate = lr_mul / math.sqrt(inputs), lr_mul, activate

    def forward(self, x: Tensor, *, impl: Impl = "fast") -> Tensor:
        """Return (N, ..., outputs) for x (N, ..., inputs)."""
        weight, bias = self.weight * self.scale, self.bias * self.lr_mul
        if not self.activate:
            return F.linear(x, weight, bias)
        y = F.linear(x, weight)
        flat = y.reshape(-1, y.shape[-1])
        return fused_leaky_relu(flat, bias, impl=impl).reshape(y.shape)


class EqualConv2d(nn.Module):
    """Convolution whose weights are scaled by 1 / √(inputs k²) when used; no bias."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0
    ) -> None:
        """Draw weights from N(0, 1)."""
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.scale = 1 / math.sqrt(inputs * kernel**2)
        self.stride, self.padding = stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, H', W') for x (N, inputs, H, W)."""
        return F.conv2d(x, self.weight * self.scale, stride=self.stride, padding=self.padding)
