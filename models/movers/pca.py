"""Principal components of codes as directions (GANSpace: Härkönen et al., NeurIPS 2020)."""

from __future__ import annotations

from dataclasses import replace

from ..directions import Components
from . import direction
from ._kinds import Material, Mover, MoverSpec

SPEC = MoverSpec("pca", "a principal component of the codes (GANSpace)", numbered=True)


def build(material: Material) -> Mover:
    """Return what adds a component, strength 1 its standard deviation.

    Raises:
        WeightsError: the file holds no components, or they are of other codes.
        ModelError: it holds fewer.
    """
    if "comp" not in material.tensors:  # one that was taken out of the others
        return direction.build(material)
    step = Components.from_state(material.tensors).vector(material.component)
    return direction.build(replace(material, tensors={"vector": step}))
