"""What movers of W+ codes have in common."""

from __future__ import annotations

from torch import Tensor

from ..base import ModelInputError

LayerRange = tuple[int, int]
"""First layer and the one after the last, as in `range`."""


def check_codes(w: Tensor, strength: Tensor, layers: int, dimensions: int) -> None:
    """Refuse codes that are not (N, L, D), or strengths that are not (N,).

    Raises:
        ModelInputError: which of the two, with its shape.
    """
    if w.ndim != 3 or w.shape[1:] != (layers, dimensions):
        raise ModelInputError(
            f"expected codes (N, {layers}, {dimensions}), got {tuple(w.shape)}; they come from "
            "another generator"
        )
    if strength.shape != w.shape[:1]:
        raise ModelInputError(
            f"expected one strength per code, ({len(w)},), got {tuple(strength.shape)}"
        )
