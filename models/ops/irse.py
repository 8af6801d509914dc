"""The IR-SE residual trunk that face recognition and the StyleGAN2 encoders share.

Improved residual units with squeeze-and-excitation (Deng et al., ArcFace, CVPR 2019; Hu et al.,
CVPR 2018) as the published weight files name them: `input_layer`, `body.{i}.res_layer.{j}`,
`body.{i}.shortcut_layer.{j}`. Heads belong to the families.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

UNITS: dict[int, tuple[int, int, int, int]] = {50: (3, 4, 14, 3), 100: (3, 13, 30, 3)}
"""Published depth -> residual units per stage (24 and 49 units)."""


@dataclass(frozen=True, slots=True)
class TrunkShape:
    """How deep and wide a trunk is; the default is the published IR-SE50."""

    channels: int = 3
    """Input channels."""
    widths: tuple[int, int, int, int, int] = (64, 64, 128, 256, 512)
    """Channels of the stem and of the four stages."""
    units: tuple[int, int, int, int] = UNITS[50]
    """Residual units per stage; the first of each halves the resolution."""
    squeeze: bool = True
    """IR-SE (True) or plain IR (False)."""
    reduction: int = 16
    """How much narrower the squeeze is than its stage."""


class Squeeze(nn.Module):
    """Scales each channel by what the whole map says of it."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // reduction, 1, bias=False)
        self.fc2 = nn.Conv2d(channels // reduction, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return x (N, C, H, W) times its channel gates in (0, 1)."""
        return x * self.gates(x)

    def gates(self, x: Tensor) -> Tensor:
        """Return the channel gates (N, C, 1, 1) of x (N, C, H, W)."""
        pooled = x.mean(dim=(2, 3), keepdim=True)
        return torch.sigmoid(self.fc2(torch.relu(self.fc1(pooled))))


class Thinned(nn.Module):
    """Keeps every n-th pixel of every n-th row."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H/step, W/step) from x (N, C, H, W), a view."""
        return x[:, :, :: self.step, :: self.step]


class Unit(nn.Module):
    """One residual unit: BN, conv, PReLU, conv with the stride, BN, squeeze; no activation after
    the sum."""

    def __init__(self, c_in: int, c_out: int, stride: int, shape: TrunkShape) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module
        if c_in == c_out:
            self.shortcut_layer = Thinned(stride)
        else:
            self.shortcut_layer = nn.Sequential(
                nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out)
            )
        layers: list[nn.Module] = [
            nn.BatchNorm2d(c_in),
            nn.Conv2d(c_in, c_out, 3, 1, 1, bias=False),
            nn.PReLU(c_out),
            nn.Conv2d(c_out, c_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(c_out),
        ]
        if shape.squeeze:
            layers.append(Squeeze(c_out, shape.reduction))
        self.res_layer = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C_out, H/stride, W/stride) from x (N, C_in, H, W)."""
        out: Tensor = self.res_layer(x) + self.shortcut_layer(x)
        return out


def stem(shape: TrunkShape) -> nn.Sequential:
    """Return the first convolution with its norm and activation (key prefix `input_layer`)."""
    return nn.Sequential(
        nn.Conv2d(shape.channels, shape.widths[0], 3, 1, 1, bias=False),
        nn.BatchNorm2d(shape.widths[0]),
        nn.PReLU(shape.widths[0]),
    )


def body(shape: TrunkShape) -> nn.Sequential:
    """Return the residual units of all four stages (key prefix `body`)."""
    units = []
    for c_in, c_out, count in zip(shape.widths[:-1], shape.widths[1:], shape.units, strict=True):
        units.append(Unit(c_in, c_out, 2, shape))
        units += [Unit(c_out, c_out, 1, shape) for _ in range(count - 1)]
    return nn.Sequential(*units)


class Trunk(nn.Module):
    """Base of every network on the IR-SE trunk: owns `input_layer` and `body`."""

    def __init__(self, shape: TrunkShape) -> None:
        """Allocate the trunk; subclasses add their heads."""
        super().__init__()
        self.shape = shape
        self.input_layer: nn.Module = stem(shape)
        self.body = body(shape)

    def features(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the maps after stages 2, 3 and 4, at 1/4, 1/8 and 1/16 of the input side.

        Args:
            images: (N, channels, S, S) float32 in [-1, 1].
        """
        first, second, third, _ = self.shape.units
        taps = (first + second - 1, first + second + third - 1)
        x = self.input_layer(images)
        kept: list[Tensor] = []
        for index, unit in enumerate(self.body):
            x = unit(x)
            if index in taps:
                kept.append(x)
        return kept[0], kept[1], x
