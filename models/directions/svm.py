"""A linear support vector machine with a free offset, solved in the dual by SMO.

Minimises ½‖n‖² + C Σ max(0, 1 − y (n·x + b)). Working pairs are chosen by second-order gain (Fan,
Chen, Lin, JMLR 2005, "WSS 2"); the cost per step does not depend on the length of a code.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..base import ModelError

Floats = NDArray[np.float64]

MOST_CODES: Final = 6000
"""The Gram matrix of this many codes takes 288 MB."""

_TINY = 1e-12


def fit_svm(
    x: Floats, y: Floats, *, penalty: float = 1.0, tolerance: float = 1e-3, rounds: int = 1_000_000
) -> tuple[Floats, float]:
    """Return the normal n (D,) and offset b of the separating plane n·x + b = 0.

    Args:
        x: points (N, D).
        y: classes (N,), −1 or 1.
        penalty: C, the price of a point on the wrong side of its margin.
        tolerance: largest violation of the optimality conditions left.
        rounds: most steps.

    Raises:
        ModelError: one class only, too many points, or no solution within the rounds.
    """
    if set(np.unique(y)) != {-1.0, 1.0}:
        raise ModelError(f"a boundary needs points of both classes −1 and 1, got {np.unique(y)}")
    if len(x) > MOST_CODES:
        raise ModelError(
            f"{len(x)} codes are too many for one boundary, at most {MOST_CODES}; choose fewer "
            "with --share or --count"
        )
    gram = x @ x.T
    alpha = np.zeros(len(y))
    gradient = -np.ones(len(y))
    for _ in range(rounds):
        high, low, gap = _pair(gram, y, alpha, gradient, penalty)
        if gap < tolerance:
            normal = (alpha * y) @ x
            return normal, _offset(y, alpha, gradient, penalty)
        _step(gram, y, alpha, gradient, penalty, high, low)
    raise ModelError(
        f"the boundary was not found within {rounds} steps; lower --penalty or scale the codes"
    )


def _pair(
    gram: Floats, y: Floats, alpha: Floats, gradient: Floats, penalty: float
) -> tuple[int, int, float]:
    """Return the two multipliers to change and how far the conditions are violated."""
    up = ((y > 0) & (alpha < penalty)) | ((y < 0) & (alpha > 0))
    down = ((y > 0) & (alpha > 0)) | ((y < 0) & (alpha < penalty))
    pull = -y * gradient
    high = int(np.argmax(np.where(up, pull, -np.inf)))
    gap = pull[high] - np.where(down, pull, np.inf).min()
    difference = pull[high] - pull
    curvature = np.maximum(gram[high, high] + gram.diagonal() - 2 * gram[high], _TINY)
    gain = np.where(down & (difference > 0), difference**2 / curvature, -np.inf)
    return high, int(np.argmax(gain)), float(gap)


def _step(
    gram: Floats,
    y: Floats,
    alpha: Floats,
    gradient: Floats,
    penalty: float,
    high: int,
    low: int,
) -> None:
    """Move the two multipliers to their best place inside the box; updates in place."""
    curvature = max(gram[high, high] + gram[low, low] - 2 * gram[high, low], _TINY)
    step = (-y[high] * gradient[high] + y[low] * gradient[low]) / curvature
    room_high = penalty - alpha[high] if y[high] > 0 else alpha[high]
    room_low = alpha[low] if y[low] > 0 else penalty - alpha[low]
    step = min(step, room_high, room_low)
    alpha[high] = np.clip(alpha[high] + y[high] * step, 0, penalty)
    alpha[low] = np.clip(alpha[low] - y[low] * step, 0, penalty)
    gradient += y * step * (gram[high] - gram[low])


def _offset(y: Floats, alpha: Floats, gradient: Floats, penalty: float) -> float:
    """Return b from the points on their margin, or from between the two bounds."""
    pull = -y * gradient
    free = (alpha > 0) & (alpha < penalty)
    if free.any():
        return float(pull[free].mean())
    up = ((y > 0) & (alpha < penalty)) | ((y < 0) & (alpha > 0))
    down = ((y > 0) & (alpha > 0)) | ((y < 0) & (alpha < penalty))
    return float((pull[up].max() + pull[down].min()) / 2)
