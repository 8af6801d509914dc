"""The parsing network: what every pixel round a face shows, as a small U-Net.

It reads the square at 160 px, folded to half that side with four pixels to a cell, goes down to
1/32, and comes back with skips; its head unfolds again, so that a brow or a rim of glasses of two
pixels is still told at full resolution.
"""

from __future__ import annotations

from typing import Final, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
FOLD: Final = 2
"""Side of the cells that the first and the last layer fold into channels [px]."""


class Conv(nn.Module):
    """A convolution with its normalisation, and a rectifier if it is to have one."""

    def __init__(
        self, c_in: int, c_out: int, kernel: int = 3, stride: int = 1, *, rectifies: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(c_out)
        self.rectifies = rectifies

    def forward(self, x: Tensor) -> Tensor:
        """Return features (N, C, h, w) of features (N, c, …)."""
        x = self.norm(self.conv(x))
        return F.relu(x, inplace=True) if self.rectifies else x


class Block(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = Conv(channels, channels)
        self.second = Conv(channels, channels, rectifies=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return features like those given, (N, C, h, w)."""
        return F.relu(self.second(self.first(x)) + x, inplace=True)


class Up(nn.Module):
    """Joins features of a level with those of the coarser one below it."""

    def __init__(self, below: int, skip: int, channels: int, *, kernel: int = 3) -> None:
        super().__init__()
        self.below = Conv(below, channels, 1, rectifies=False)
        self.skip = Conv(skip, channels, 1, rectifies=False)
        self.mix = Conv(channels, channels, kernel)

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        """Return features (N, C, h, w) of the coarser level's (N, …, h / 2, w / 2) and its own."""
        coarse = F.interpolate(
            self.below(below), scale_factor=2.0, mode="bilinear", align_corners=False
        )
        return cast("Tensor", self.mix(F.relu(self.skip(skip) + coarse, inplace=True)))


class ParsingNet(nn.Module):
    """Logits of the 13 labels for every pixel of the square."""

    def __init__(self) -> None:
        super().__init__()
        w = _WIDTHS
        self.stem = Conv(3 * FOLD**2, w[0])
        self.stages = nn.ModuleList(
            nn.Sequential(Conv(a, b, stride=2), *(Block(b) for _ in range(count)))
            for a, b, count in zip(w[:-1], w[1:], (1, 1, 1, 1), strict=True)
        )
        # The whole square's summary, given back to its coarsest cells: which face it is, and how
        # it is lit, decides what a dark patch is.
        self.summary = nn.Linear(w[4], w[4])
        self.up = nn.ModuleList(
            (Up(w[4], w[3], 64), Up(64, w[2], 48), Up(48, w[1], 32), Up(32, w[0], 16))
        )
        # A matrix product over cells: for one picture, half the time of a 1 x 1 convolution.
        self.head = nn.Linear(16, len(LABELS) * FOLD**2)

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
        x = F.pixel_unshuffle(checked(squares) * 2.0, FOLD).to(self.head.weight.dtype)
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        levels = [x]
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        x = x + self.summary(x.mean((2, 3)))[:, :, None, None]
        for up, skip in zip(self.up, reversed(levels[:-1]), strict=True):
            x = up(x, skip)
        logits = self.head(x.permute(0, 2, 3, 1))
        return cast("Tensor", logits.unflatten(-1, (len(LABELS), FOLD, FOLD)))


def checked(squares: Tensor) -> Tensor:
    """Return squares as they are.

    Raises:
        ModelInputError: they are not (N, 3, G, G).
    """
    if squares.dim() != 4 or tuple(squares.shape[1:]) != (3, SIDE, SIDE):
        raise ModelInputError(
            f"the parsing network takes (N, 3, {SIDE}, {SIDE}) RGB in [-1, 1], got "
            f"{tuple(squares.shape)}"
        )
    return squares
