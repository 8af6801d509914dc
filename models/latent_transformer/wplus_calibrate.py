"""What strength 1 of a W+ mover means, and how good movers and classifiers are on new codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from ..base import ModelError
from ..codes import LabelledCodes
from .wplus import WPlusMover
from .wplus_classifier import WPlusClassifier
from .wplus_losses import Variant, keep_weights, steps_and_targets

_RIDGES: Final = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Penalties tried, in shares of the mean squared length of a code about the mean."""

_WORTHLESS: Final = 0.25
"""A reader of ratings below this correlation on held-out codes calibrates nothing."""


@dataclass(frozen=True, slots=True)
class RatingReader:
    """A linear reader of one rating from a code, and how well it does."""

    slope: Tensor
    """(L, D): change of the rating [SD] per change of the code."""
    correlation: float
    """Between reading and rating on codes it was not fitted on."""


def fit_reader(codes: LabelledCodes, target: int) -> RatingReader:
    """Return a ridge regression of one label, its penalty chosen on held-out codes.

    Ridge readings are too flat; the slope is stretched so that held-out readings have slope 1
    against the ratings they predict.

    Raises:
        ModelError: nothing reads the label on held-out codes.
    """
    z, flat = codes.z[:, target].double(), codes.w.flatten(1).double()
    held = torch.arange(len(z)) % 5 == 4
    best, slope = -1.0, torch.zeros(0)
    mean = flat[~held].mean(0)
    inner, across = _grams(flat[~held] - mean, flat[held] - mean)
    rating = z[~held] - z[~held].mean()
    for share in _RIDGES:
        penalty = share * inner.diagonal().mean()
        dual = torch.linalg.solve(inner + penalty * torch.eye(len(inner)).double(), rating)
        read = across @ dual
        correlation = _correlation(read, z[held])
        if correlation > best:
            stretch = (read * (z[held] - z[held].mean())).sum() / read.square().sum()
            best, slope = correlation, stretch * (flat[~held] - mean).T @ dual
    if best < _WORTHLESS:
        raise ModelError(
            f"the ratings of {codes.names[target]!r} cannot be read from the codes (correlation "
            f"{best:.2f} on held-out ones): the strength unit cannot be set by them"
        )
    return RatingReader(slope.float().view(codes.w.shape[1:]), best)


def _grams(rows: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    return rows @ rows.T, others @ rows.T


def regression_direction(codes: LabelledCodes, target: int) -> Tensor:
    """Return how the code (L, D) changes per SD of a label with the other labels held fixed.

    Forward regression with a small ridge: codes on all standardised labels together.
    """
    z = codes.z
    penalty = 0.02 * len(z) * torch.eye(z.shape[1])
    flat = codes.w.flatten(1)
    slopes = torch.linalg.solve(z.T @ z + penalty, z.T @ (flat - flat.mean(0)))
    direction: Tensor = slopes[target].view(codes.w.shape[1:])
    return direction


def unit_of_one_sd(mover: WPlusMover, codes: LabelledCodes, target: int) -> tuple[float, float]:
    """Return the α that moves the reading of a label by one SD on average, and the reader's
    correlation on held-out codes.

    Only layers that move count. Meaningful where labels are ratings; with classes one SD is that
    of a 0-1 variable.

    Raises:
        ModelError: the label cannot be read, or the mover does not move it.
    """
    reader = fit_reader(codes, target)
    one = torch.full((len(codes.w),), 1 / mover.unit)
    moved = mover(codes.w, one) - codes.w
    reached = float((moved * reader.slope).flatten(1).sum(1).mean())
    if reached < 1e-3:
        raise ModelError(
            f"the mover changes {codes.names[target]!r} by {reached:.1e} SD per α: it did "
            "not learn it; train longer or look at the classifier's figures"
        )
    return 1.0 / reached, reader.correlation


@torch.no_grad()
def measure_classifier(
    classifier: WPlusClassifier, codes: LabelledCodes
) -> dict[str, dict[str, float]]:
    """Return accuracy, precision and recall per label on codes not trained on, and for ratings the
    correlation."""
    logits, classes = classifier(codes.w), codes.classes
    figures = {}
    for index, name in enumerate(codes.names):
        said, true = logits[:, index] > 0, classes[:, index] > 0.5
        hits = float((said & true).sum())
        figures[name] = {
            "accuracy": float((said == true).float().mean()),
            "precision": hits / max(float(said.sum()), 1.0),
            "recall": hits / max(float(true.sum()), 1.0),
        }
        if codes.rated:
            figures[name]["correlation"] = _correlation(logits[:, index], codes.labels[:, index])
    return figures


@torch.no_grad()
def measure_mover(
    mover: WPlusMover,
    classifier: WPlusClassifier,
    codes: LabelledCodes,
    target: int,
    *,
    correlation: Tensor,
    variant: Variant = "published",
) -> dict[str, float]:
    """Return figures of a mover on codes not trained on.

    Each code takes its variant's step towards the other class; the classifier that reads the result
    is the one the mover was trained against, which flatters it.

    `target_changed`: share that crosses to the other class. `others_kept`: share of the other
    labels' classes that stay, weighted by 1 − |ρ|. `distance`: mean length of the move over mean
    length of a code about the mean.
    """
    probability = classifier.probability(codes.w, target)
    alpha, wanted = steps_and_targets(probability, variant)
    moved = mover(codes.w, alpha / mover.unit)
    before, after = classifier(codes.w) > 0, classifier(moved) > 0
    keep = keep_weights(correlation, target)
    same = (before == after).float().mean(0)
    spread = (codes.w - codes.w.mean(0)).flatten(1).norm(dim=1).mean()
    return {
        "target_changed": float((after[:, target] == (wanted > 0.5)).float().mean()),
        "others_kept": float((same * keep).sum() / keep.sum().clamp(min=1e-8)),
        "distance": float((moved - codes.w).flatten(1).norm(dim=1).mean() / spread),
    }


def _correlation(a: Tensor, b: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a.double(), b.double()]))[0, 1].nan_to_num())
