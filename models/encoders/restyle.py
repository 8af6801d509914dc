"""ReStyle: encoders that look at the picture and at its reconstruction so far (Alaluf et al., ICCV
2021).

Six input channels, picture then reconstruction; every row from the 1/16 map. The iteration itself
is in `inverter.py`.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from .blocks import Encoder, EncoderShape, StyleBlock
from .e4e import base_and_deviations


class BackboneEncoder(Encoder):
    """ReStyle-pSp: the rows are what to add to the code so far."""

    def __init__(self, measures: EncoderShape | None = None) -> None:
        """Allocate for a shape; by default the published one. Input channels are always 6."""
        measures = measures or EncoderShape()
        measures = replace(measures, trunk=replace(measures.trunk, channels=6))
        super().__init__(measures)
        side, c3 = measures.size // 16, measures.trunk.widths[-1]
        self.styles = nn.ModuleList(
            StyleBlock(side, c3, measures.code) for _ in range(measures.layers)
        )

    def rows(self, images: Tensor) -> Tensor:
        """Return the style rows (N, layers, code)."""
        coarse = self.features(self.checked(images))[-1]
        return torch.stack([style(coarse) for style in self.styles], dim=1)

    def forward(self, images: Tensor) -> Tensor:
        """Return what to add (N, layers, code) to the code so far.

        Args:
            images: (N, 6, size, size) float32 in [-1, 1]: RGB picture, RGB reconstruction.

        Raises:
            ModelInputError: other shapes.
        """
        return self.rows(images)


class ProgressiveBackboneEncoder(BackboneEncoder):
    """ReStyle-e4e: a base code and deviations; same parts and keys as ReStyle-pSp."""

    def forward(self, images: Tensor) -> Tensor:
        """Return what to add (N, layers, code) to the code so far; see `BackboneEncoder`."""
        return base_and_deviations(self.rows(images))
