"""Encoders that read the last map only: into W (one code for all layers) or into W+.

Published variants of pSp; the W head is HyperStyle's first step too.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..ops.linear import EqualLinear
from .blocks import Encoder, EncoderShape

_POOLED_SIDE = 7
"""Side of the map that the W+ head flattens [px]."""


class WEncoder(Encoder):
    """Mean of the last map -> one code, repeated over the layers."""

    def __init__(self, measures: EncoderShape | None = None) -> None:
        """Allocate for a shape; by default the published one."""
        measures = measures or EncoderShape()
        super().__init__(measures)
        self.linear = EqualLinear(measures.trunk.widths[-1], measures.code)

    def forward(self, images: Tensor) -> Tensor:
        """Return offsets (N, layers, code) with equal rows, from aligned faces.

        Args:
            images: (N, 3, size, size) float32 RGB in [-1, 1].

        Raises:
            ModelInputError: other shapes.
        """
        pooled = self.features(self.checked(images))[-1].mean(dim=(2, 3))
        code: Tensor = self.linear(pooled)
        return code[:, None].repeat(1, self.layers, 1)


class WPlusEncoder(Encoder):
    """The last map, pooled to 7x7 and flattened -> all rows at once."""

    def __init__(self, measures: EncoderShape | None = None) -> None:
        """Allocate for a shape; by default the published one."""
        measures = measures or EncoderShape()
        super().__init__(measures)
        width = measures.trunk.widths[-1]
        self.output_layer_2 = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.AdaptiveAvgPool2d(_POOLED_SIDE),
            nn.Flatten(),
            nn.Linear(width * _POOLED_SIDE**2, measures.code),
        )
        self.linear = EqualLinear(measures.code, measures.code * measures.layers)

    def forward(self, images: Tensor) -> Tensor:
        """Return offsets (N, layers, code) from aligned faces (N, 3, size, size) in [-1, 1].

        Raises:
            ModelInputError: other shapes.
        """
        coarse = self.features(self.checked(images))[-1]
        rows: Tensor = self.linear(self.output_layer_2(coarse))
        return rows.view(len(rows), self.layers, -1)
