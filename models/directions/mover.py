"""Moving codes along one direction, the same for every face: w' = w + α·d."""

from __future__ import annotations

import torch
from torch import Tensor

from ..base import ModelInputError, WeightsError
from ..ops.codes import LayerRange, check_codes


class DirectionMover:
    """Adds strength · unit · vector to the layers of a range; the others stay, bit for bit."""

    def __init__(
        self, vector: Tensor, layers: int, *, rows: LayerRange | None = None, unit: float = 1.0
    ) -> None:
        """Make a mover.

        Args:
            vector: (1, D), the same for every layer, or (L, D).
            layers: L of the codes.
            rows: layers that move, `(first, after the last)`; default all.
            unit: times the strength.

        Raises:
            WeightsError: the vector has another number of layers.
            ModelInputError: the rows do not lie within the layers.
        """
        if vector.ndim != 2 or vector.shape[0] not in (1, layers):
            raise WeightsError(
                f"a direction of shape {tuple(vector.shape)} does not fit codes of {layers} "
                "layers; it was made for another generator"
            )
        start, stop = rows or (0, layers)
        if not 0 <= start < stop <= layers:
            raise ModelInputError(f"layers {start} to {stop} do not lie within 0 to {layers}")
        self.vector, self.layers, self.rows, self.unit = vector, layers, (start, stop), unit
        inside = torch.zeros(layers, 1, device=vector.device)
        inside[start:stop] = 1
        self._step = unit * inside * vector.float()

    def to(self, device: torch.device) -> DirectionMover:
        """Return the same mover on a device."""
        moved = self.vector.to(device)
        return DirectionMover(moved, self.layers, rows=self.rows, unit=self.unit)

    def __call__(self, w: Tensor, strength: Tensor) -> Tensor:
        """Return moved codes (N, L, D) for w (N, L, D) and strength (N,); the identity at 0.

        Raises:
            ModelInputError: shapes do not fit.
        """
        check_codes(w, strength, *self._step.shape)
        return w + strength[:, None, None] * self._step
