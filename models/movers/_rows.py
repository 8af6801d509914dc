"""Networks over single rows, as movers of codes of one row: those of the portrait."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..portrait_movers import Direction, LatentTransformer


@dataclass(frozen=True, slots=True)
class RowMover:
    """A network over single rows, as one over codes of one row."""

    network: LatentTransformer | Direction

    def to(self, device: torch.device) -> RowMover:
        """Return the same mover on a device."""
        return RowMover(self.network.to(device))

    def __call__(self, w: Tensor, strength: Tensor) -> Tensor:
        """Return moved codes (N, 1, D) for w (N, 1, D) and strength (N,); the identity at 0."""
        moved: Tensor = self.network(w[:, 0], strength)
        return moved[:, None]
