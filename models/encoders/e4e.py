"""e4e: one base code for all layers, and a small deviation per layer (Tov et al., SIGGRAPH
2021)."""

from __future__ import annotations

from torch import Tensor, nn

from ..ops.linear import EqualLinear
from ..state_dicts import Shapes, expected_shapes
from .psp import PyramidEncoder


def base_and_deviations(rows: Tensor, layers: int) -> Tensor:
    """Return codes (N, layers, code): row 0 everywhere, plus row i on layer i for i >= 1.

    Args:
        rows: (N, R, code), 1 <= R <= layers; layers from R on keep the base code.
    """
    codes = rows[:, :1].repeat(1, layers, 1)
    codes[:, 1 : rows.shape[1]] += rows[:, 1:]
    return codes


class Encoder4Editing(PyramidEncoder):
    """e4e: the same parts and keys as pSp, other codes."""

    def forward(self, images: Tensor, deviations: int | None = None) -> Tensor:
        """Return offsets (N, layers, code) to the mean code, from aligned faces.

        Args:
            images: (N, 3, size, size) float32 RGB in [-1, 1].
            deviations: how many layers after the first may deviate from the base code: all by
                default; 0 gives a W code. Training raises it step by step.

        Raises:
            ModelInputError: other shapes.
        """
        count = self.layers if deviations is None else 1 + deviations
        return base_and_deviations(self.rows(images, count), self.layers)


class LatentDiscriminator(nn.Module):
    """Tells codes of the mapping network from predicted ones, row by row (e4e's second loss)."""

    def __init__(self, code: int = 512, depth: int = 4) -> None:
        """Allocate `depth` equalised layers, the last of them with one output."""
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(depth - 1):
            layers += [EqualLinear(code, code), nn.LeakyReLU(0.2)]
        self.mlp = nn.Sequential(*layers, EqualLinear(code, 1))

    def forward(self, codes: Tensor) -> Tensor:
        """Return logits (..., 1) for rows (..., code): above 0 for rows of the mapping network."""
        logits: Tensor = self.mlp(codes)
        return logits


def expected_discriminator() -> Shapes:
    """Return key -> shape of the published latent discriminator."""
    return expected_shapes(LatentDiscriminator)
