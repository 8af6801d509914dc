"""The spaces a picture can be moved in: W, W+ and the style space S.

W+ gives every layer its own row of W. S is what the affine maps make of the rows: one number per
input channel of every modulated convolution, 9,088 at 1024 px, 6,048 of them in convolutions that
are not colours (Wu, Lischinski, Shechtman, "StyleSpace analysis", CVPR 2021). W is reached by
`Generator.mapping`, S by `Generator.styles`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..base import ModelInputError
from .net import Generator, expanded


def to_wplus(w: Tensor, layers: int) -> Tensor:
    """Return W codes (N, D) as W+ codes (N, L, D) with equal rows; W+ codes as they are.

    Raises:
        ModelInputError: w has another shape.
    """
    return expanded(w, layers, w.shape[-1])


@dataclass(frozen=True, slots=True)
class StyleSpace:
    """How a flat S code is laid out."""

    names: tuple[str, ...]
    """Layer of each part, as the keys of the state dict name it."""
    sizes: tuple[int, ...]
    """Dimensions of each part."""

    @classmethod
    def of(cls, generator: Generator) -> StyleSpace:
        """Return the layout of a generator's S codes, in the order of `Generator.styles`."""
        blocks = range(len(generator.to_rgbs))
        names = ["conv1", "to_rgb1"]
        for b in blocks:
            names += [f"convs.{2 * b}", f"convs.{2 * b + 1}", f"to_rgbs.{b}"]
        return cls(tuple(names), tuple(generator.style_sizes()))

    @property
    def size(self) -> int:
        """Dimensions of a flat S code."""
        return sum(self.sizes)

    def joined(self, styles: Sequence[Tensor]) -> Tensor:
        """Return a flat code (N, size) from one style (N, I) per layer.

        Raises:
            ModelInputError: other shapes.
        """
        found = tuple(style.shape[-1] for style in styles)
        if found != self.sizes:
            raise ModelInputError(f"expected styles of sizes {self.sizes}, got {found}")
        return torch.cat(list(styles), dim=1)

    def split(self, code: Tensor) -> list[Tensor]:
        """Return one style (N, I) per layer from a flat code (N, size).

        Raises:
            ModelInputError: another shape.
        """
        if code.dim() != 2 or code.shape[1] != self.size:
            raise ModelInputError(f"expected S codes (N, {self.size}), got {tuple(code.shape)}")
        return list(torch.split(code, list(self.sizes), dim=1))

    def locate(self, dimension: int) -> tuple[str, int]:
        """Return (layer, channel within it) of a dimension of the flat code.

        Raises:
            ModelInputError: there is no such dimension.
        """
        if not 0 <= dimension < self.size:
            raise ModelInputError(f"S has dimensions 0 to {self.size - 1}, not {dimension}")
        for name, size in zip(self.names, self.sizes, strict=True):
            if dimension < size:
                return name, dimension
            dimension -= size
        raise AssertionError("sizes do not add up")

    def is_colour(self) -> Tensor:
        """Return (size,) bool: dimensions that only reach the colours of one resolution."""
        parts = [
            torch.full((size,), name.startswith("to_rgb"))
            for name, size in zip(self.names, self.sizes, strict=True)
        ]
        return torch.cat(parts)
