"""Both stages as published: Ghodrati, Jia, Pedersoli, Tuytelaars, "Towards Automatic Image Editing:
Learning to See another You" (BMVC 2016), 32×32 grey.

Layers, order and sizes are the paper's (section 3). Where its text leaves something open or cannot
be right as printed:

- *Standardised*: one mean and one deviation of all training pictures, kept with the weights. Each
  picture's own could not be undone for a target that is not known.
- *Activations*: a ReLU after every convolution but the last of a stage, also in the second stage,
  where the list of layers shows none and the sentence before it has them. None between the two
  fully connected layers, as printed: behind a one-hot vector they are a table of maps either way.
- *Loss*: the squared (or absolute) errors of a picture's pixels are summed, then averaged over the
  batch. With their mean the printed learning rate of 1e-5 would be a thousandth of what it takes.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..base import ModelInputError

SIDE: Final = 32
"""Side of the pictures [px]."""
MAPS: Final = 7
"""Maps that an attribute becomes."""
_COARSE: Final = SIDE // 2


class Unpool(nn.Module):
    """Each number becomes the upper left one of a 2×2 block of zeros."""

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (N, C, 2H, 2W) of maps (N, C, H, W)."""
        count, channels, rows, columns = x.shape
        spread = x.new_zeros(count, channels, rows, 2, columns, 2)
        spread[:, :, :, 0, :, 0] = x
        return spread.view(count, channels, 2 * rows, 2 * columns)


class FirstStage(nn.Module):
    """Encodes picture and attribute, fuses their maps, draws the picture that is asked for."""

    def __init__(self, attributes: int) -> None:
        """Build the stage for one-hot vectors of so many attributes; weights as He et al."""
        super().__init__()
        self.image = nn.Sequential(*_conv(1, 64), *_conv(64, 64), nn.MaxPool2d(2))
        self.attribute = nn.Sequential(
            nn.Linear(attributes, 512), nn.Linear(512, MAPS * _COARSE**2)
        )
        self.fusion = nn.Sequential(
            *_conv(64 + MAPS, 64), *_conv(64, 128), *_conv(128, 128), *_conv(128, 128),
            *_conv(128, 64),
        )  # fmt: skip
        self.decoder = nn.Sequential(Unpool(), *_conv(64, 64), _convolution(64, 1))
        self.apply(_as_he)

    def forward(self, source: Tensor, attribute: Tensor) -> Tensor:
        """Return pictures (N, 1, 32, 32) of standardised ones and one-hot vectors (N, A)."""
        maps = self.attribute(attribute).view(-1, MAPS, _COARSE, _COARSE)
        out: Tensor = self.decoder(self.fusion(torch.cat([self.image(source), maps], 1)))
        return out


class SecondStage(nn.Module):
    """Refines what the first stage drew, looking at the source once more."""

    def __init__(self) -> None:
        """Build the stage; weights as He et al."""
        super().__init__()
        self.encoder = nn.Sequential(*_conv(2, 64), *_conv(64, 64), nn.MaxPool2d(2))
        self.middle = nn.Sequential(*_conv(64, 128), *_conv(128, 128), *_conv(128, 128))
        self.decoder = nn.Sequential(*_conv(128, 64), Unpool(), *_conv(64, 64), _convolution(64, 1))
        self.apply(_as_he)

    def features(self, source: Tensor, first: Tensor) -> Tensor:
        """Return the maps (N, 128, 16, 16) in the middle of the stage, which retrieval compares."""
        out: Tensor = self.middle(self.encoder(torch.cat([source, first], 1)))
        return out

    def forward(self, source: Tensor, first: Tensor) -> Tensor:
        """Return pictures (N, 1, 32, 32) of the source and what the first stage made of it."""
        out: Tensor = self.decoder(self.features(source, first))
        return out


class Published(nn.Module):
    """Both stages with the numbers that standardise pictures."""

    def __init__(self, attributes: int) -> None:
        """Build untrained stages for one-hot vectors of so many attributes."""
        super().__init__()
        self.attributes = attributes
        self.first = FirstStage(attributes)
        self.second = SecondStage()
        self.register_buffer("mean", torch.tensor(127.5))
        self.register_buffer("deviation", torch.tensor(64.0))
        self.mean: Tensor
        self.deviation: Tensor

    def standardised(self, levels: Tensor) -> Tensor:
        """Return pictures (N, 1, 32, 32) of grey levels 0-255 (any type) as the stages take them.

        Raises:
            ModelInputError: pictures of another size.
        """
        if levels.dim() != 4 or tuple(levels.shape[1:]) != (1, SIDE, SIDE):
            raise ModelInputError(
                f"expected grey pictures (N, 1, {SIDE}, {SIDE}), got {tuple(levels.shape)}"
            )
        return (levels.float() - self.mean) / self.deviation

    def levels(self, standardised: Tensor) -> Tensor:
        """Return grey levels (float32, 0-255) of what a stage drew."""
        return (standardised.float() * self.deviation + self.mean).clamp(0, 255)

    def forward(self, levels: Tensor, attribute: Tensor) -> tuple[Tensor, Tensor]:
        """Return what both stages draw (N, 1, 32, 32), grey levels, of pictures in grey levels."""
        source = self.standardised(levels)
        first = self.first(source, attribute)
        return self.levels(first), self.levels(self.second(source, first))


def stage_loss(drawn: Tensor, target: Tensor, *, absolute: bool) -> Tensor:
    """Return the paper's loss, equations 1 and 2: squared errors summed over a picture's pixels,
    averaged over the batch; absolute ones for completion (section 4.3)."""
    each = F.l1_loss if absolute else F.mse_loss
    return each(drawn, target, reduction="sum") / len(drawn)


def _convolution(came: int, channels: int) -> nn.Conv2d:
    return nn.Conv2d(came, channels, 3, padding=1)


def _conv(came: int, channels: int) -> tuple[nn.Module, nn.Module]:
    return _convolution(came, channels), nn.ReLU(inplace=True)


def _as_he(module: nn.Module) -> None:
    """He et al., "Delving Deep into Rectifiers" (2015): variance 2 / fan-in, no bias."""
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
