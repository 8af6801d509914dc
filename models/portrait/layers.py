"""Fine luma layers (folds, wrinkles): how the surface changes with what a code says, finer than the
texture basis.

Each layer is a map of log luma change per unit of a linear reading of the code; see
`fit_texture.fit_layers`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LAYER_SIDE = 320
"""Texels per side of a layer over the canonical window."""


class FineLayers(nn.Module):
    """Maps that are added to the luma change in proportion to readings of the code."""

    maps: Tensor
    readout: Tensor
    rise: Tensor
    fall: Tensor

    def __init__(self, layers: int, dimensions: int) -> None:
        """Allocate `layers` maps read from codes of `dimensions`; values come from a pack."""
        super().__init__()
        self.register_buffer("maps", torch.zeros(layers, LAYER_SIDE, LAYER_SIDE))
        self.register_buffer("readout", torch.zeros(layers, dimensions))
        self.register_buffer("rise", torch.ones(layers))
        self.register_buffer("fall", torch.ones(layers))

    def forward(self, change: Tensor) -> Tensor:
        """Return the log luma change (N, LAYER_SIDE, LAYER_SIDE) for a change of code (N, D).

        Readings that grow are scaled by `rise`, those that shrink by `fall`: a drawn fold needs
        more contrast than the average of many folds, and where no fold is, none must be brightened.
        """
        amount = change @ self.readout.T
        amount = amount.clamp_min(0) * self.rise + amount.clamp_max(0) * self.fall
        return torch.einsum("nj,jhw->nhw", amount, self.maps)
