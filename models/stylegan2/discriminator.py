"""The StyleGAN2 discriminator: residual, with the spread within the batch as one more channel.

Karras et al., CVPR 2020 (residual discriminator); the batch statistic is from Karras et al.,
"Progressive growing of GANs", ICLR 2018, §3. Key names are those of the rosinality layout.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..base import ModelInputError
from ..ops import Impl
from ..ops.activation import fused_leaky_relu
from ..ops.linear import EqualConv2d, EqualLinear
from ..ops.upfirdn import FixedKernel, upfirdn
from .layers import ActivationBias
from .net import resolved_channels

GROUP = 4
"""Samples whose spread is measured together."""


class Discriminator(nn.Module):
    """Pictures to one realness score (logit) each."""

    def __init__(self, size: int, *, channels: Mapping[int, int] | None = None) -> None:
        """Allocate with random weights; `channels` per resolution, config F if None.

        Raises:
            ModelInputError: `size` is not a power of two of at least 8, or a resolution lacks
                its channels.
        """
        super().__init__()
        width = resolved_channels(size, channels)
        self.size = size
        sides = sorted(width, reverse=True)
        blocks = [_Residual(width[side], width[side // 2]) for side in sides[:-1]]
        self.convs = nn.Sequential(_layer(3, width[size], 1), *blocks)
        self.final_conv = _layer(width[4] + 1, width[4], 3)
        self.final_linear = nn.Sequential(
            EqualLinear(width[4] * 16, width[4], activate=True), EqualLinear(width[4], 1)
        )

    def forward(self, image: Tensor, *, impl: Impl = "fast") -> Tensor:
        """Return logits (N, 1), high for real, for pictures (N, 3, size, size) in [-1, 1].

        The score of a picture depends on the others of its group of at most four, by design.

        Raises:
            ModelInputError: the picture has another shape.
        """
        if image.dim() != 4 or image.shape[1:] != (3, self.size, self.size):
            raise ModelInputError(
                f"expected pictures (N, 3, {self.size}, {self.size}), got {tuple(image.shape)}"
            )
        x = image
        for layer in self.convs:
            x = layer(x, impl) if isinstance(layer, _Residual) else _run(layer, x, impl)
        x = _run(self.final_conv, with_batch_spread(x), impl)
        logits: Tensor = self.final_linear(x.flatten(1))
        return logits


def with_batch_spread(x: Tensor, group: int = GROUP) -> Tensor:
    """Return x (N, C, H, W) with one channel more: the mean standard deviation within a group.

    Groups interleave: with G = N / group, samples i, i + G, i + 2G ... belong together. If `group`
    does not divide N, the largest smaller number that does is taken.
    """
    n = len(x)
    group = next(g for g in range(min(group, n), 0, -1) if n % g == 0)
    together = x.float().reshape(group, n // group, *x.shape[1:])
    spread = (together.var(dim=0, correction=0) + 1e-8).sqrt().mean(dim=(1, 2, 3))
    plane = spread.repeat(group)[:, None, None, None].expand(-1, 1, *x.shape[2:])
    return torch.cat([x, plane.to(x.dtype)], dim=1)


class _Residual(nn.Module):
    """Two convolutions, the second halving the side, beside a filtered 1x1 shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = _layer(inputs, inputs, 3)
        self.conv2 = _layer(inputs, outputs, 3, down=True)
        self.skip = _layer(inputs, outputs, 1, down=True, activate=False)

    def forward(self, x: Tensor, impl: Impl) -> Tensor:
        y = _run(self.conv2, _run(self.conv1, x, impl), impl)
        return (y + _run(self.skip, x, impl)) / math.sqrt(2)


def _layer(
    inputs: int, outputs: int, kernel: int, *, down: bool = False, activate: bool = True
) -> nn.Sequential:
    """Return [filter], convolution, [bias]; the order gives the published key names."""
    convolution = EqualConv2d(
        inputs, outputs, kernel, stride=1 + down, padding=0 if down else kernel // 2
    )
    filters = [FixedKernel(1.0)] if down else []
    return nn.Sequential(*filters, convolution, *([ActivationBias(outputs)] if activate else []))


def _run(layer: nn.Module, x: Tensor, impl: Impl) -> Tensor:
    assert isinstance(layer, nn.Sequential)
    kernel = next(m.weight.shape[-1] for m in layer if isinstance(m, EqualConv2d))
    for step in layer:
        if isinstance(step, FixedKernel):
            # Even filter, then a strided convolution without padding: 4 - 2 + (kernel - 1) zeros
            # altogether keep the centre of each output on the centre of its two inputs.
            total = 4 - 2 + kernel - 1
            x = upfirdn(x, step.kernel, pad=((total + 1) // 2, total // 2), impl=impl)
        elif isinstance(step, ActivationBias):
            x = fused_leaky_relu(x, step.bias, impl=impl)
        else:
            x = step(x)
    return x
