"""How good movers and classifiers over W+ codes are on codes they were not trained on."""

from __future__ import annotations

import torch
from torch import Tensor

from ..training.calibration import correlation_of
from ..training.codes import LabelledCodes
from .classifier import WPlusClassifier
from .losses import Variant, keep_weights, steps_and_targets
from .net import WPlusMover


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
            figures[name]["correlation"] = correlation_of(logits[:, index], codes.labels[:, index])
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
