"""Closed-form directions of a generator (SeFa: Shen & Zhou, CVPR 2021): no data and no training.

A step d of W changes the styles of a layer by A d, with A the weights of its modulation. The unit
steps that change them most are the eigenvectors of AᵀA, by falling eigenvalue, over the layers
whose rows move; each style's weights count with length 1. They have no meaning of their own, and no
sign: the largest number is positive.
"""

from __future__ import annotations

import torch

from ..base import ModelError
from ..directions import DirectionMover
from ..stylegan2 import layouts
from ._kinds import Material, Mover, MoverSpec

SPEC = MoverSpec(
    "sefa",
    "a direction that changes the generator's styles most (SeFa)",
    numbered=True,
    of_generator=True,
)


def build(material: Material) -> Mover:
    """Return what adds one such step, of length 1, to the rows of the window; default all.

    Raises:
        ModelError: there is no such number.
    """
    count = material.width
    if material.component >= count:
        raise ModelError(f"no direction {material.component}; there are 0 to {count - 1}")
    state = {key: value for key, value in material.tensors.items() if key != "latent_avg"}
    generator = layouts.build(layouts.completed(state))
    first, stop = material.window or (0, material.rows)
    weights = [
        layer.conv.modulation.weight.detach().double()
        for layer, row in zip(generator.styled_layers(), generator.style_rows(), strict=True)
        if first <= row < stop
    ]
    rows = torch.cat([w / w.norm(dim=1, keepdim=True).clamp(min=1e-12) for w in weights])
    step = torch.linalg.eigh(rows.T @ rows).eigenvectors.flip(1)[:, material.component]
    step = step * step[step.abs().argmax()].sign()
    return DirectionMover(step.float()[None], material.rows, rows=(first, stop), unit=material.unit)
