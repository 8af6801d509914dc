"""Direction: w' = w + α·d, the same for every face."""

from __future__ import annotations

from ..base import WeightsError
from ..directions import DirectionMover
from ._kinds import Material, Mover, MoverSpec

SPEC = MoverSpec("direction", "one direction for every face: w' = w + α·d")


def build(material: Material) -> Mover:
    """Return what adds a `vector` (D,), (1, D) or (L, D).

    Raises:
        WeightsError: there is none, or it is of other codes.
    """
    if (vector := material.tensors.get("vector")) is None:
        raise WeightsError("it holds no `vector`, the direction itself")
    vector = vector[None] if vector.ndim == 1 else vector
    return DirectionMover(vector, material.rows, rows=material.window, unit=material.unit)
