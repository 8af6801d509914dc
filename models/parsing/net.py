"""The parsing network: what every pixel round a face shows, as a small U-Net.

It reads the square at 160 px, folded to half that side with four pixels to a cell, goes down to
1/32, and comes back with skips; its head unfolds again, so that a brow or a rim of glasses of two
pixels is still told at full resolution.
"""

from __future__ import annotations

import copy
from typing import Final, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..base import ModelInputError

LABELS: Final = (
    "background",
    "skin",
    "hair",
    "brows",
    "eyes",
    "glasses",
    "nose",
    "lips",
    "mouth",
    "ears",
    "neck",
    "clothes",
    "front",
)
"""What the channels stand for. `clothes` holds hats, `hair` beards that hide the skin, `mouth` what
lies between the lips, `front` what is before the face and not worn on it."""

SIDE: Final = 160
"""Side G of the square the network reads, and of the labels it writes [px]."""

_WIDTHS: Final = (16, 32, 64, 96, 128)
"""Channels at 1/2, 1/4, 1/8, 1/16 and 1/32 of the square."""
_FOLD: Final = 2
"""Side of the cells that the first and the last layer fold into channels [px]."""


class _Conv(nn.Module):
    """A convolution with its normalisation, and a rectifier if it is to have one."""

    def __init__(
        self, c_in: int, c_out: int, kernel: int = 3, stride: int = 1, *, rectifies: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(c_out)
        self.rectifies = rectifies

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        return F.relu(x, inplace=True) if self.rectifies else x


class _Block(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _Conv(channels, channels)
        self.second = _Conv(channels, channels, rectifies=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(self.first(x)) + x, inplace=True)


class _Up(nn.Module):
    """Joins features of a level with those of the coarser one below it."""

    def __init__(self, below: int, skip: int, channels: int, *, kernel: int = 3) -> None:
        super().__init__()
        self.below = _Conv(below, channels, 1, rectifies=False)
        self.skip = _Conv(skip, channels, 1, rectifies=False)
        self.mix = _Conv(channels, channels, kernel)

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        coarse = F.interpolate(
            self.below(below), scale_factor=2.0, mode="bilinear", align_corners=False
        )
        return cast("Tensor", self.mix(F.relu(self.skip(skip) + coarse, inplace=True)))


class ParsingNet(nn.Module):
    """Logits of the 13 labels for every pixel of the square."""

    def __init__(self) -> None:
        super().__init__()
        w = _WIDTHS
        self.stem = _Conv(3 * _FOLD**2, w[0])
        self.stages = nn.ModuleList(
            nn.Sequential(_Conv(a, b, stride=2), *(_Block(b) for _ in range(count)))
            for a, b, count in zip(w[:-1], w[1:], (1, 1, 1, 1), strict=True)
        )
        # The whole square's summary, given back to its coarsest cells: which face it is, and how
        # it is lit, decides what a dark patch is.
        self.summary = nn.Linear(w[4], w[4])
        self.up = nn.ModuleList(
            (_Up(w[4], w[3], 64), _Up(64, w[2], 48), _Up(48, w[1], 32), _Up(32, w[0], 16))
        )
        # A matrix product over cells: for one picture, half the time of a 1 x 1 convolution.
        self.head = nn.Linear(16, len(LABELS) * _FOLD**2)

    def forward(self, squares: Tensor) -> Tensor:
        """Return the logits (N, 13, G, G) float32 of squares (N, 3, G, G) float32 RGB in [-1, 1].

        Raises:
            ModelInputError: another shape.
        """
        apart = self.cells(squares).permute(0, 3, 1, 4, 2, 5)
        n, labels = apart.shape[:2]
        plain = apart.to(torch.float32, memory_format=torch.contiguous_format)
        return plain.reshape(n, labels, SIDE, SIDE)

    def cells(self, squares: Tensor) -> Tensor:
        """Return the logits (N, G / 2, G / 2, 13, 2, 2) of squares, still folded: the last two axes
        are the row and the column of a pixel in its cell. Training looks at one of the four a step.

        Raises:
            ModelInputError: another shape.
        """
        if squares.dim() != 4 or tuple(squares.shape[1:]) != (3, SIDE, SIDE):
            raise ModelInputError(
                f"the parsing network takes (N, 3, {SIDE}, {SIDE}) RGB in [-1, 1], got "
                f"{tuple(squares.shape)}"
            )
        x = F.pixel_unshuffle(squares * 2.0, _FOLD).to(self.head.weight.dtype)
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        levels = [x]
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        x = x + self.summary(x.mean((2, 3)))[:, :, None, None]
        for up, skip in zip(self.up, reversed(levels[:-1]), strict=True):
            x = up(x, skip)
        logits = self.head(x.permute(0, 2, 3, 1))
        return cast("Tensor", logits.unflatten(-1, (len(LABELS), _FOLD, _FOLD)))


def folded(net: ParsingNet) -> ParsingNet:
    """Return a copy of a trained network with its normalisations folded into the convolutions
    before them, channels last: the same function at less cost."""
    fast = copy.deepcopy(net).eval()
    for module in fast.modules():
        if isinstance(module, _Conv) and isinstance(module.norm, nn.BatchNorm2d):
            module.conv = fuse_conv_bn_eval(module.conv, module.norm)
            module.norm = nn.Identity()
    # the stubs of torch know `memory_format` for tensors only
    fast.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return fast.requires_grad_(False)
