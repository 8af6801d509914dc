"""The landmark network as it runs: the same arithmetic as `net.LandmarkNet`, its reference twin.

Normalisations are folded into the convolutions before them, and pictures are stored channels last,
which suits convolutions on processors. In bfloat16 everything up to the heat maps' last features is
rounded to 8 bits of mantissa; heat maps and all that is read from them stay float32. On the
held-out faces that moves a point by 0.02 % of the distance between the eyes.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .net import LandmarkNet, LandmarkOutput, checked, read_heat


class _Conv(NamedTuple):
    """A convolution with what followed it folded in."""

    weight: Tensor
    bias: Tensor | None
    stride: int
    padding: int

    def __call__(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding)


class _Residual(NamedTuple):
    """A residual block; `mix` is its shortcut's convolution, if it has one."""

    first: _Conv
    second: _Conv
    mix: _Conv | None
    shrinks: bool

    def __call__(self, x: Tensor) -> Tensor:
        y = self.second(self.first(x).relu_())
        if self.shrinks:
            x = F.avg_pool2d(x, 2)
        if self.mix is not None:
            x = self.mix(x)
        return y.add_(x).relu_()


class FastNet:
    """A trained `LandmarkNet`, frozen for reading."""

    def __init__(self, net: LandmarkNet, dtype: torch.dtype) -> None:
        """Fold `net` as it is now, on its device; `dtype` float32 or bfloat16 of the features."""
        self._net, self._dtype = net, dtype
        self._stem = _folded(net.stem[0], net.stem[1], dtype)
        self._stages = [[_residual(block, dtype) for block in stage] for stage in _parts(net)]
        self._laterals = [_folded(conv, None, dtype) for conv in net.laterals]
        self._smooth = _folded(net.smooth[0], net.smooth[1], dtype)

    def __call__(self, images: Tensor) -> LandmarkOutput:
        """Return the points of crops (N, 3, h, w) float RGB in [0, 1] of the part's size."""
        x = (checked(images, self._net.part) * 4.0 - 2.0).to(
            self._dtype, memory_format=torch.channels_last
        )
        x = self._stem(x).relu_()
        levels = []
        for stage in self._stages:
            for block in stage:
                x = block(x)
            levels.append(x)
        pooled = x.float().mean(dim=(2, 3))
        y = self._laterals[-1](levels[-1])
        for lateral, level in zip(
            reversed(self._laterals[:-1]), reversed(levels[:-1]), strict=True
        ):
            y = lateral(level).add_(F.interpolate(y, scale_factor=2.0, mode="nearest"))
        y = self._smooth(y).relu_().float()
        return read_heat(self._net, y, pooled)


def _parts(net: LandmarkNet) -> list[nn.Sequential]:
    return [cast("nn.Sequential", stage) for stage in net.stages]


def _residual(block: nn.Module, dtype: torch.dtype) -> _Residual:
    first = _folded(block.conv1, block.norm1, dtype)
    second = _folded(block.conv2, block.norm2, dtype)
    if isinstance(block.skip, nn.Identity):
        return _Residual(first, second, None, shrinks=False)
    pool, mix = cast("nn.Sequential", block.skip)
    shrinks = not isinstance(pool, nn.Identity)
    return _Residual(first, second, _folded(mix, None, dtype), shrinks)


def _folded(conv: object, norm: object, dtype: torch.dtype) -> _Conv:
    """Return a convolution with its normalisation (or None) folded in."""
    assert isinstance(conv, nn.Conv2d)
    with torch.no_grad():
        fused = fuse_conv_bn_eval(conv, norm) if isinstance(norm, nn.BatchNorm2d) else conv
        weight = fused.weight.detach().to(dtype, memory_format=torch.channels_last)
        bias = None if fused.bias is None else fused.bias.detach().to(dtype)
    return _Conv(weight, bias, int(conv.stride[0]), int(conv.padding[0]))
