"""The residual network of 29 convolutions behind dlib's face recognition.

He et al., Deep Residual Learning (CVPR 2016), ResNet-34 with fewer layers and half the channels,
batch normalisation folded to a scale and a shift, and an output of 128 numbers whose Euclidean
distances are learnt: below 0.6 for two pictures of one person, above it for two people.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

INPUT_SIDE: Final = 150
"""Side of the pictures it looks at [px]."""
FEATURES: Final = 128
OTHER_PERSON: Final = 0.6
"""Distance from which its makers call two pictures two people."""
STAGES: Final = ((32, 3), (64, 4), (128, 3), (256, 3), (256, 1))
"""Channels and residual units; all but the first begin by halving the side."""

_MEAN_LEVELS: Final = (122.782, 117.001, 104.298)
"""Of red, green and blue, 0-255."""
_LEVELS: Final = 256.0


class Scaled(nn.Module):
    """A convolution, then a scale and a shift of each channel."""

    def __init__(self, came: int, channels: int, side: int, stride: int) -> None:
        super().__init__()
        padding = side // 2 if stride == 1 else 0
        self.conv = nn.Conv2d(came, channels, side, stride, padding)
        self.gamma = nn.Parameter(torch.ones(channels, 1, 1))
        self.beta = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (N, channels, rows, columns) of x (N, came, …, …)."""
        out: Tensor = self.conv(x) * self.gamma + self.beta
        return out


class Unit(nn.Module):
    """Two convolutions beside a short cut; the short cut of a halving unit is an average."""

    def __init__(self, came: int, channels: int, *, halves: bool) -> None:
        super().__init__()
        self.first = Scaled(came, channels, 3, 2 if halves else 1)
        self.second = Scaled(channels, channels, 3, 1)
        self.halves = halves

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (N, channels, rows, columns) of x (N, came, …, …)."""
        changed = self.second(F.relu(self.first(x)))
        kept = F.avg_pool2d(x, 2) if self.halves else x
        return F.relu(_sum(changed, kept))


def _sum(a: Tensor, b: Tensor) -> Tensor:
    """Return the sum of maps of different sizes and channels; what is missing counts as 0."""
    size = [max(pair) for pair in zip(a.shape[1:], b.shape[1:], strict=True)]
    return _grown(a, size) + _grown(b, size)


def _grown(x: Tensor, size: list[int]) -> Tensor:
    channels, rows, columns = (new - old for new, old in zip(size, x.shape[1:], strict=True))
    return F.pad(x, (0, columns, 0, rows, 0, channels))


class FaceResnet(nn.Module):
    """Describes faces by 128 numbers."""

    def __init__(self) -> None:
        """Build the network with random weights."""
        super().__init__()
        self.stem = Scaled(3, STAGES[0][0], 7, 2)
        units, came = [], STAGES[0][0]
        for stage, (channels, count) in enumerate(STAGES):
            for unit in range(count):
                units.append(Unit(came, channels, halves=stage > 0 and unit == 0))
                came = channels
        self.units = nn.Sequential(*units)
        self.head = nn.Linear(came, FEATURES, bias=False)
        self.register_buffer("mean", torch.tensor(_MEAN_LEVELS)[:, None, None], persistent=False)
        self.mean: Tensor
        self.eval()

    def convolutions(self) -> Iterator[Scaled]:
        """Yield the convolutions with their scales, from the input on."""
        return (module for module in self.modules() if isinstance(module, Scaled))

    def forward(self, chips: Tensor) -> Tensor:
        """Return descriptions (N, 128) of chips (N, 3, 150, 150), float32 RGB levels 0-255."""
        x = F.relu(self.stem((chips - self.mean) / _LEVELS))
        x = self.units(F.max_pool2d(x, 3, 2))
        out: Tensor = self.head(x.mean((2, 3)))
        return out
