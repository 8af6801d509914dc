"""Latent transformer: w' = w + α·T(w), asked for each face (Yao et al., ICCV 2021)."""

from __future__ import annotations

from ..base import WeightsError
from ..latent_transformer import WPlusMover, WPlusTransformer
from ..portrait_movers.files import build as build_of_rows
from ._kinds import Material, Mover, MoverSpec
from ._rows import RowMover

SPEC = MoverSpec("latent-transformer", "a transformer asked for each face: w' = w + α·T(w)")


def build(material: Material) -> Mover:
    """Return a transformer of W+ codes, or of the portrait's.

    Raises:
        WeightsError: it was made for codes of other rows.
    """
    if "basis" in material.tensors:
        return RowMover(build_of_rows(material.tensors))
    transformer = WPlusTransformer.from_state(material.tensors)
    if transformer.layers != material.rows:
        raise WeightsError(
            f"it moves codes of {transformer.layers} rows, the generator has {material.rows}: it "
            "was made for another generator"
        )
    return WPlusMover(transformer, layers=material.window, unit=material.unit)
