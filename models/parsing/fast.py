"""The parsing network as it runs: the same arithmetic as `net.ParsingNet`, its reference twin.

Normalisations are folded into the convolutions before them, maps are stored channels last, and a
convolution of 1 × 1 is a product of matrices. In bfloat16 everything up to the logits is rounded to
8 bits of mantissa, as it was in training: that moves a share by 0.0002 on average.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .net import FOLD, LABELS, SIDE, Block, Conv, ParsingNet, Up, checked


class _Conv(NamedTuple):
    """A convolution with its normalisation folded in."""

    weight: Tensor
    """(C, c, k, k), or (C, c) of 1 × 1."""
    bias: Tensor
    stride: int

    def __call__(self, x: Tensor) -> Tensor:
        if self.weight.dim() == 2:
            return F.linear(x.permute(0, 2, 3, 1), self.weight, self.bias).permute(0, 3, 1, 2)
        return F.conv2d(x, self.weight, self.bias, self.stride, self.weight.shape[-1] // 2)


class _Stage(NamedTuple):
    """Half the size, then a block beside a shortcut."""

    down: _Conv
    first: _Conv
    second: _Conv

    def __call__(self, x: Tensor) -> Tensor:
        x = self.down(x).relu_()
        return self.second(self.first(x).relu_()).add_(x).relu_()


class _Up(NamedTuple):
    """Joins features of a level with those of the coarser one below it."""

    below: _Conv
    skip: _Conv
    mix: _Conv

    def __call__(self, below: Tensor, skip: Tensor) -> Tensor:
        coarse = F.interpolate(
            self.below(below), scale_factor=2.0, mode="bilinear", align_corners=False
        )
        return self.mix(self.skip(skip).add_(coarse).relu_()).relu_()


class FastNet:
    """A trained `ParsingNet`, frozen for reading."""

    def __init__(self, net: ParsingNet, dtype: torch.dtype) -> None:
        """Fold `net` as it is now, on its device; `dtype` float32 or bfloat16 of the features."""
        self._dtype = dtype
        stem = _folded(net.stem, dtype)
        # The network doubles what it is given: exact, so it may as well be doubled here.
        self._stem = stem._replace(weight=stem.weight * 2)
        self._stages = [_stage(cast("nn.Sequential", stage), dtype) for stage in net.stages]
        self._summary = [v.detach().to(dtype) for v in (net.summary.weight, net.summary.bias)]
        self._ups = [_up(cast("Up", up), dtype) for up in net.up]
        self._head, self._level = net.head.weight.detach().float(), net.head.bias.detach().float()

    def __call__(self, squares: Tensor) -> Tensor:
        """Return the shares (N, 13, G, G) float32, which sum to 1 over the labels, of squares (N,
        3, G, G) float32 RGB in [-1, 1].

        Raises:
            ModelInputError: another shape.
        """
        x = F.pixel_unshuffle(checked(squares).to(self._dtype), FOLD)
        x = self._stem(x.contiguous(memory_format=torch.channels_last)).relu_()
        levels = [x]
        for stage in self._stages:
            x = stage(x)
            levels.append(x)
        x = x + F.linear(x.mean((2, 3)), *self._summary)[:, :, None, None]
        for up, skip in zip(self._ups, reversed(levels[:-1]), strict=True):
            x = up(x, skip)
        return self._shares(x)

    def _shares(self, x: Tensor) -> Tensor:
        """Return the shares of features (N, 16, G / 2, G / 2)."""
        n, cells = len(x), SIDE // FOLD
        rows = x.permute(0, 2, 3, 1).flatten(1, 2).float()
        logits = torch.matmul(self._head, rows.transpose(1, 2)).add_(self._level[:, None])
        # Labels first: along them softmax reads whole rows.
        shares = torch.softmax(logits.view(n, len(LABELS), -1), 1)
        apart = shares.view(n, len(LABELS), FOLD, FOLD, cells, cells)
        return apart.permute(0, 1, 4, 2, 5, 3).reshape(n, len(LABELS), SIDE, SIDE)


def _stage(stage: nn.Sequential, dtype: torch.dtype) -> _Stage:
    down, block = stage
    assert isinstance(block, Block)
    return _Stage(*(_folded(conv, dtype) for conv in (down, block.first, block.second)))


def _up(up: Up, dtype: torch.dtype) -> _Up:
    return _Up(*(_folded(conv, dtype) for conv in (up.below, up.skip, up.mix)))


def _folded(conv: object, dtype: torch.dtype) -> _Conv:
    assert isinstance(conv, Conv)
    assert isinstance(conv.norm, nn.BatchNorm2d)
    with torch.no_grad():
        fused = fuse_conv_bn_eval(conv.conv, conv.norm)
    assert fused.bias is not None
    weight = fused.weight.detach()
    if weight.shape[-1] == 1:
        weight = weight.flatten(1).to(dtype)
    else:
        weight = weight.to(dtype, memory_format=torch.channels_last)
    return _Conv(weight, fused.bias.detach().to(dtype), int(fused.stride[0]))
