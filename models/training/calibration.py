"""What strength 1 of anything that moves codes means: one standard deviation of a rating.

The rating is read from the codes by a ridge regression whose penalty and stretch are chosen on
codes it was not fitted on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from ..base import ModelError
from ..ops import Move
from ..ops.ridge import dual_ridge, ridge
from .codes import LabelledCodes

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
    kept = flat[~held] - mean
    inner, across = kept @ kept.T, (flat[held] - mean) @ kept.T
    for share in _RIDGES:
        dual = dual_ridge(inner, z[~held], share)
        read = across @ dual
        correlation = correlation_of(read, z[held])
        if correlation > best:
            stretch = (read * (z[held] - z[held].mean())).sum() / read.square().sum()
            best, slope = correlation, stretch * kept.T @ dual
    if best < _WORTHLESS:
        raise ModelError(
            f"the ratings of {codes.names[target]!r} cannot be read from the codes (correlation "
            f"{best:.2f} on held-out ones): the strength unit cannot be set by them"
        )
    return RatingReader(slope.float().view(codes.w.shape[1:]), best)


def regression_direction(codes: LabelledCodes, target: int) -> Tensor:
    """Return how the code (L, D) changes per SD of a label with the other labels held fixed.

    Forward regression with a small ridge: codes on all standardised labels together.
    """
    slopes, _ = ridge(codes.z, codes.w.flatten(1), 0.02 * len(codes.w))
    return slopes[target].view(codes.w.shape[1:])


def unit_of_one_sd(move: Move, codes: LabelledCodes, target: int) -> tuple[float, float]:
    """Return the strength that moves the reading of a label by one SD on average, and the reader's
    correlation on held-out codes.

    Meaningful where labels are ratings; with classes one SD is that of a 0-1 variable.

    Args:
        move: codes (N, L, D) and strengths (N,) to moved codes.
        codes: what to measure on, with the labels.
        target: index of the label.

    Raises:
        ModelError: the label cannot be read, or what moves codes does not move it.
    """
    reader = fit_reader(codes, target)
    moved = move(codes.w, torch.ones(len(codes.w))) - codes.w
    reached = float((moved * reader.slope).flatten(1).sum(1).mean())
    if reached < 1e-3:
        raise ModelError(
            f"the mover changes {codes.names[target]!r} by {reached:.1e} SD per unit: it did not "
            "learn it; train longer, or look at how well the codes can be read"
        )
    return 1.0 / reached, reader.correlation


def correlation_of(a: Tensor, b: Tensor) -> float:
    """Return Pearson's correlation of two series (N,), 0 where one is constant."""
    return float(torch.corrcoef(torch.stack([a.double(), b.double()]))[0, 1].nan_to_num())
