"""InterFaceGAN boundaries: the plane between codes that score high and low on an attribute.

After Shen, Yang, Tang, Zhou, "InterFaceGAN", PAMI 2020: sort by score, take both ends, fit a linear
SVM on 70 % of them, keep the unit normal. Other attributes are held by projecting their normals out
of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..base import ModelError
from ..training.steps import random_of
from .svm import fit_svm

_TRAINED_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class Boundary:
    """A plane in the space of codes: of W if it has one row, of W+ if it has L."""

    normal: Tensor
    """(R, D), unit length over all rows."""
    offset: float
    """The plane is normal·w + offset = 0."""
    accuracy: dict[str, float]
    """Share on the right side: `trained`, `validated` (both of the two ends), `rest` (all other
    codes, cut at the middle between the two ends)."""

    def distance(self, w: Tensor) -> Tensor:
        """Return the signed distances (N,) of codes w (N, R, D) from the plane."""
        along: Tensor = (w * self.normal).flatten(1).sum(1)
        return along + self.offset


def fit_boundary(
    w: Tensor, scores: Tensor, *, share: float = 0.02, penalty: float = 1.0, seed: int = 0
) -> Boundary:
    """Return the boundary between the codes that score highest and lowest.

    Args:
        w: codes (N, R, D); R is 1 for W, L for W+.
        scores: of an attribute (N,), higher means more of it.
        share: of all codes that each end takes, at most ½.
        penalty: C of the SVM.
        seed: of the split into 70 % to fit and 30 % to validate.

    Raises:
        ModelError: too few codes at the ends, or ends that do not differ.
    """
    count = round(share * len(w))
    if not 0 < share <= 0.5 or count < 5:
        raise ModelError(
            f"a share of {share:g} of {len(w)} codes is {count} for each end; accepted: a share up "
            "to 0.5 that makes at least 5"
        )
    order = torch.argsort(scores, stable=True)
    low, high = order[:count], order[-count:]
    if scores[low].max() >= scores[high].min():
        raise ModelError(
            f"the {count} lowest and the {count} highest scores overlap at "
            f"{float(scores[high].min()):g}; choose a smaller share, or better scores"
        )
    ends = torch.cat([low, high])
    classes = torch.cat([-torch.ones(count), torch.ones(count)])
    mixed = torch.randperm(2 * count, generator=random_of(seed))
    ends, classes = ends[mixed], classes[mixed]
    cut = int(_TRAINED_SHARE * len(ends))
    flat = w.flatten(1).double()
    x, y = flat[ends[:cut]].numpy(), classes[:cut].double().numpy()
    centre = x.mean(0)
    normal, offset = fit_svm(x - centre, y, penalty=penalty)
    length = float(np.linalg.norm(normal))
    unit = torch.from_numpy(normal / length)
    plane = (offset - float(normal @ centre)) / length
    side = flat @ unit + plane
    middle = (scores[low].max() + scores[high].min()) / 2
    rest = order[count:-count]
    accuracy = {
        "trained": _right(side[ends[:cut]], classes[:cut]),
        "validated": _right(side[ends[cut:]], classes[cut:]),
        "rest": _right(side[rest], torch.where(scores[rest] > middle, 1.0, -1.0)),
    }
    return Boundary(unit.float().view(w.shape[1:]), plane, accuracy)


def conditioned(primal: Tensor, conditions: Sequence[Tensor]) -> Tensor:
    """Return a normal that moves along `primal` but not along the conditions.

    `p − Cᵀ (C Cᵀ)⁻¹ C p`, of unit length, with the conditions as the rows of C: for one condition
    InterFaceGAN's `p − (p·c) c`, for several its closed form.

    Args:
        primal: normal (R, D).
        conditions: normals of the same shape, in any order.

    Raises:
        ModelError: the conditions are not independent, or leave nothing of the primal.
    """
    if not conditions:
        alone: Tensor = primal / primal.norm()
        return alone
    p = primal.double().flatten()
    rows = torch.stack([c.double().flatten() / c.double().norm() for c in conditions])
    gram = rows @ rows.T
    if float(torch.linalg.eigvalsh(gram)[0]) < 1e-6:
        raise ModelError(
            "the conditions are not independent of each other; leave one of those that say the "
            "same out"
        )
    left = p - rows.T @ torch.linalg.solve(gram, rows @ p)
    if float(left.norm()) < 1e-6 * float(p.norm()):
        raise ModelError("the conditions leave nothing of the direction; give fewer")
    unit: Tensor = (left / left.norm()).float().view(primal.shape)
    return unit


def _right(side: Tensor, classes: Tensor) -> float:
    return float((side * classes > 0).float().mean()) if len(side) else 1.0
