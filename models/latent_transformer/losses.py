"""The losses of the latent transformer, in two variants: the published code's and the slides'.

`published`: the authors' training code, as facts.
    step            α = −p if p > ½, 1 − p if p < ½, 0 at ½
    classification  BCE on logits, both classes weighing alike in a batch
    attributes      mean of ((1 − |ρ|) · change of logit)²: the mask is squared with it
    closeness       mean of (w' − w)²
    weights         1, attributes 1, closeness 10

`slides`: Newson and Yao, "Deep learning for face image editing", eq. 1–5.
    notation        T is two things: in eq. 1 the step, w₁ = w₀ + α T(w₀); in eq. 2–4 its result,
                    p = C(T(w)) and ‖T(w) − w‖², which the step alone would make nonsense of. Here
                    eq. 2–4 are taken of w₁.
    step            α = +1 or −1, the full step of eq. 1 (the slides name no other)
    classification  eq. 2: −y log p − (1 − y) log(1 − p)
    attributes      eq. 3: sum of (1 − |ρ|) · (change of probability)²
    closeness       eq. 4: sum of (w' − w)²
    weights         not given; 1, 1 / A and 10 / (L·D) make sums weigh as the published means do

ρ is the correlation of two labels over all rows that have a code, trained on or held out, as it is
published: over the whole label file. No label is used as a target: every
code is sent to the other side of where the classifier reads it now.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Variant = Literal["published", "slides"]
VARIANTS: Final[tuple[Variant, ...]] = ("published", "slides")

Reader = Callable[[Tensor], Tensor]
"""Codes (N, L, D) to logits (N, A)."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What the terms are multiplied with."""

    cls: float
    attr: float
    rec: float


@dataclass(frozen=True, slots=True)
class Losses:
    """The three terms of one batch, not weighted; scalars."""

    cls: Tensor
    rec: Tensor
    attr: Tensor

    def total(self, weights: Weights) -> Tensor:
        """Return the weighted sum."""
        return weights.cls * self.cls + weights.attr * self.attr + weights.rec * self.rec


def default_weights(variant: Variant, *, numbers: int, attributes: int) -> Weights:
    """Return a variant's weights for codes of `numbers` = L·D and `attributes` labels."""
    if variant == "published":
        return Weights(cls=1.0, attr=1.0, rec=10.0)
    return Weights(cls=1.0, attr=1.0 / attributes, rec=10.0 / numbers)


def keep_weights(correlation: Tensor, target: int) -> Tensor:
    """Return g (A,) = 1 − |ρ| with the target, 0 for the target itself, from |ρ| (A, A)."""
    keep = 1 - correlation[target]
    keep[target] = 0
    return keep


def steps_and_targets(probability: Tensor, variant: Variant) -> tuple[Tensor, Tensor]:
    """Return α (N,) and the wanted class y (N,) of codes whose target reads `probability` (N,).

    At exactly ½ the published α is 0 and y is 0 (½ rounds to even).
    """
    if variant == "published":
        down, up = probability > 0.5, probability < 0.5
        alpha = torch.where(down, -probability, torch.where(up, 1 - probability, 0.0))
        return alpha, torch.round((probability + alpha).clamp(0, 1))
    wanted = (probability < 0.5).float()
    return 2 * wanted - 1, wanted


def losses_of(
    classifier: Reader, w: Tensor, moved: Tensor, *, target: int, keep: Tensor, variant: Variant
) -> Losses:
    """Return the terms for codes w (N, L, D) and what became of them.

    Args:
        classifier: reads codes as logits; frozen.
        w: codes before.
        moved: codes after, `w + α T(w)` with the α of `steps_and_targets`.
        target: index of the attribute that is moved.
        keep: 1 − |ρ| (A,), 0 at the target.
        variant: which losses.
    """
    with torch.no_grad():
        before = classifier(w)
        _, wanted = steps_and_targets(torch.sigmoid(before[:, target]), variant)
    after = classifier(moved)
    if variant == "published":
        return Losses(
            cls=_balanced_bce(after[:, target], wanted),
            rec=(moved - w).square().mean(),
            attr=((after - before) * keep).square().mean(),
        )
    change = torch.sigmoid(after) - torch.sigmoid(before)
    return Losses(
        cls=F.binary_cross_entropy_with_logits(after[:, target], wanted),
        rec=(moved - w).square().flatten(1).sum(1).mean(),
        attr=(keep * change.square()).sum(1).mean(),
    )


def _balanced_bce(logits: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean of BCE times N / (number of the same class): both classes weigh alike."""
    count, positive = len(wanted), wanted.sum()
    positives, negatives = count / (positive + 1e-8), count / (count - positive + 1e-8)
    share = torch.where(wanted > 0.5, positives, negatives)
    each = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return (each * share).mean()
