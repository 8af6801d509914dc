"""pSp: a style row from the map whose resolution fits its layer (Richardson et al., CVPR 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .blocks import Encoder, EncoderShape, StyleBlock, upsample_add

COARSE_ROWS, MIDDLE_ROWS = 3, 7
"""Rows before the first come from the coarse map, rows before the second from the middle map."""


class PyramidEncoder(Encoder):
    """Trunk, feature pyramid and one style block per row: all that pSp and e4e have in common.

    The two differ only in what they do with the rows, so their files have the same keys.
    """

    def __init__(self, measures: EncoderShape | None = None) -> None:
        """Allocate for a shape; by default the published one."""
        measures = measures or EncoderShape()
        super().__init__(measures)
        *_, c1, c2, c3 = measures.trunk.widths
        side = measures.size // 16
        self.styles = nn.ModuleList(
            StyleBlock(side * _scale(row), c3, measures.code) for row in range(measures.layers)
        )
        self.latlayer1 = nn.Conv2d(c2, c3, 1)
        self.latlayer2 = nn.Conv2d(c1, c3, 1)

    def rows(self, images: Tensor) -> Tensor:
        """Return the style rows (N, layers, code)."""
        c1, c2, c3 = self.features(self.checked(images))
        middle = upsample_add(c3, self.latlayer1(c2))
        maps = {1: c3, 2: middle, 4: upsample_add(middle, self.latlayer2(c1))}
        rows = [style(maps[_scale(row)]) for row, style in enumerate(self.styles)]
        return torch.stack(rows, dim=1)


class GradualStyleEncoder(PyramidEncoder):
    """pSp: the rows are the offsets."""

    def forward(self, images: Tensor) -> Tensor:
        """Return offsets (N, layers, code) to the mean code, from aligned faces.

        Args:
            images: (N, 3, size, size) float32 RGB in [-1, 1].

        Raises:
            ModelInputError: other shapes.
        """
        return self.rows(images)


def _scale(row: int) -> int:
    """How much finer than the coarse map the map of a row is."""
    return 1 if row < COARSE_ROWS else 2 if row < MIDDLE_ROWS else 4
