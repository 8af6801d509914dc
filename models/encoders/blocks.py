"""What all StyleGAN2 encoders share: their measures, the map-to-style block, the feature pyramid.

After Richardson et al., "Encoding in Style" (CVPR 2021); key names as in the published files.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch.nn.functional as F
from torch import Tensor, nn

from ..base import ModelInputError
from ..ops.irse import Trunk, TrunkShape
from ..ops.linear import EqualLinear

MAP_SLOPE = 0.01
"""Negative slope inside a style block; the generator's own is 0.2."""


@dataclass(frozen=True, slots=True)
class EncoderShape:
    """Measures of an encoder; the default is the published 256-px encoder of a 1024-px
    generator."""

    size: int = 256
    """Side of the input image [px], a power of two."""
    layers: int = 18
    """W+ rows to predict: 2 * log2(generator side) - 2."""
    code: int = 512
    """Width of one row."""
    trunk: TrunkShape = field(default_factory=TrunkShape)


class StyleBlock(nn.Module):
    """Strided convolutions from a square map down to one pixel, then an equalised linear layer."""

    def __init__(self, spatial: int, c_in: int, code: int) -> None:
        """Allocate for maps of `spatial` x `spatial` pixels (a power of two) and `c_in`
        channels."""
        super().__init__()
        layers: list[nn.Module] = []
        for index in range(spatial.bit_length() - 1):
            layers.append(nn.Conv2d(c_in if index == 0 else code, code, 3, 2, 1))
            layers.append(nn.LeakyReLU(MAP_SLOPE))
        self.convs = nn.Sequential(*layers)
        self.linear = EqualLinear(code, code)

    def forward(self, x: Tensor) -> Tensor:
        """Return one style row (N, code) from a map (N, c_in, spatial, spatial)."""
        row: Tensor = self.linear(self.convs(x).flatten(1))
        return row


class Encoder(Trunk):
    """Base of the encoders: the trunk, and the check of what comes in."""

    def __init__(self, measures: EncoderShape) -> None:
        """Allocate the trunk."""
        super().__init__(measures.trunk)
        self.measures = measures

    @property
    def size(self) -> int:
        """Side of the input image [px]."""
        return self.measures.size

    @property
    def layers(self) -> int:
        """Rows of the codes."""
        return self.measures.layers

    @property
    def channels(self) -> int:
        """Input channels: 3 for a picture, 6 for a picture and its reconstruction so far."""
        return self.shape.channels

    def checked(self, images: Tensor) -> Tensor:
        """Return the images if they fit.

        Raises:
            ModelInputError: not (N, channels, size, size).
        """
        if tuple(images.shape[1:]) != (self.channels, self.size, self.size):
            raise ModelInputError(
                f"this encoder takes images (N, {self.channels}, {self.size}, {self.size}) in "
                f"[-1, 1], got {tuple(images.shape)}; align the face and resize the crop"
            )
        return images


def upsample_add(coarse: Tensor, fine: Tensor) -> Tensor:
    """Return the coarse map enlarged to the fine one, plus the fine one (a pyramid step)."""
    # the published networks were trained with corner-aligned sampling
    enlarged = F.interpolate(coarse, size=fine.shape[2:], mode="bilinear", align_corners=True)
    return enlarged + fine
