"""Fine luma layers (folds, wrinkles): how the surface changes with what a code says, finer than the
texture basis.

Each layer is a map of log luma change per unit of a linear reading of the code; see
`fit_layers.fit_layers`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .texture import LUMA_SIDE
from .warp import enlarge

LAYER_SIDE = 320
"""Texels per side of a layer over the canonical window."""

_DARKEST, _LIGHTEST = 0.30, 0.11
"""Bounds of a change of log luma."""


class FineLayers(nn.Module):
    """Maps that are added to the luma change in proportion to readings of the code."""

    maps: Tensor
    readout: Tensor
    rise: Tensor
    fall: Tensor
    spared: Tensor
    tint: Tensor

    def __init__(self, layers: int, dimensions: int) -> None:
        """Allocate `layers` maps read from codes of `dimensions`; values come from a pack."""
        super().__init__()
        self.register_buffer("maps", torch.zeros(layers, LAYER_SIDE, LAYER_SIDE))
        self.register_buffer("readout", torch.zeros(layers, dimensions))
        self.register_buffer("rise", torch.ones(layers))
        self.register_buffer("fall", torch.ones(layers))
        self.register_buffer("spared", torch.zeros(layers, LUMA_SIDE, LUMA_SIDE))
        self.register_buffer("tint", torch.zeros(2))

    def forward(self, change: Tensor) -> Tensor:
        """Return the log luma change (N, LAYER_SIDE, LAYER_SIDE) for a change of code (N, D).

        Readings that grow are scaled by `rise`, those that shrink by `fall`: a drawn fold needs
        more contrast than the average of many folds, and where no fold is, none must be brightened.
        """
        amount = change @ self.readout.T
        amount = amount.clamp_min(0) * self.rise + amount.clamp_max(0) * self.fall
        return torch.einsum("nj,jhw->nhw", amount, self.maps)

    def joined(self, change: Tensor, coarse: Tensor) -> Tensor:
        """Return the log channels (N, 3, LAYER_SIDE, LAYER_SIDE) of a change of code (N, D), with
        what its texture makes of it, `coarse` (N, 3, LUMA_SIDE, LUMA_SIDE).

        Less of that where it is `spared`: what goes along with one unit of a reading, and must not
        be made. Folds are of another colour than the skin beside them: their log ratios change by
        `tint` times their log luma.
        """
        spared = torch.einsum("nj,jhw->nhw", change @ self.readout.T, self.spared)
        channels = enlarge(
            torch.cat([coarse[:, :1] - spared[:, None], coarse[:, 1:]], dim=1), LAYER_SIDE
        )
        folds = self(change)[:, None]
        ratios = channels[:, 1:] + folds * self.tint[:, None, None]
        return torch.cat([_bounded(channels[:, :1] + folds), ratios], dim=1)


def _bounded(luma: Tensor) -> Tensor:
    """Return a log change kept within what folds do to real skin: shade to a quarter, light to an
    eighth."""
    return _DARKEST * torch.tanh(luma.clamp_max(0) / _DARKEST) + _LIGHTEST * torch.tanh(
        luma.clamp_min(0) / _LIGHTEST
    )
