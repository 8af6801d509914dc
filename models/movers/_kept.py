"""What every mover keeps, whatever its kind does: codes at strength 0, and rows outside its own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..base import ModelInputError
from ..ops.codes import LayerRange
from ._kinds import Mover


@dataclass(frozen=True, slots=True)
class Kept:
    """A mover that leaves codes as they are, bit for bit, at strength 0 and outside its window."""

    mover: Mover
    window: LayerRange | None = None
    """Rows that may move; None: all."""

    def to(self, device: torch.device) -> Kept:
        """Return the same mover on a device."""
        return Kept(self.mover.to(device), self.window)

    def __call__(self, w: Tensor, strength: Tensor) -> Tensor:
        """Return moved codes (N, L, D) for w (N, L, D) and strength (N,).

        Raises:
            ModelInputError: the mover made codes of another shape.
        """
        moved = self.mover(w, strength)
        if moved.shape != w.shape:
            raise ModelInputError(
                f"a mover made codes {tuple(moved.shape)} of {tuple(w.shape)}; it must keep the "
                "shape"
            )
        if self.window is not None:
            start, stop = self.window
            moved = torch.cat([w[:, :start], moved[:, start:stop], w[:, stop:]], dim=1)
        return torch.where(strength[:, None, None] == 0, w, moved)
