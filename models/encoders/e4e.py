"""e4e: one base code for all layers, and a small deviation per layer (Tov et al., SIGGRAPH
2021)."""

from __future__ import annotations

from torch import Tensor

from .psp import PyramidEncoder


def base_and_deviations(rows: Tensor) -> Tensor:
    """Return codes (N, L, code) of rows (N, L, code): row 0 everywhere, plus row i on layer i for
    i >= 1."""
    codes = rows[:, :1].repeat(1, rows.shape[1], 1)
    codes[:, 1:] += rows[:, 1:]
    return codes


class Encoder4Editing(PyramidEncoder):
    """e4e: the same parts and keys as pSp, other codes."""

    def forward(self, images: Tensor) -> Tensor:
        """Return offsets (N, layers, code) to the mean code; see `GradualStyleEncoder`."""
        return base_and_deviations(self.rows(images))
