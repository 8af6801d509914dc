"""The SVM: known problems, and the optimality conditions of any."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from models.base import ModelError
from models.directions.svm import fit_svm


def test_two_points_are_parted_in_the_middle_with_margin_one() -> None:
    normal, offset = fit_svm(np.array([[0.0, 1.0], [4.0, 1.0]]), np.array([-1.0, 1.0]))
    np.testing.assert_allclose(normal, [0.5, 0.0], atol=1e-6)
    assert offset == pytest.approx(-1.0)


def test_points_far_from_the_plane_do_not_turn_it() -> None:
    """The widest street between the four inner points is known; the far ones do not touch it."""
    x = np.array([[1.0, 0], [1, 1], [-1, 0], [-1, 1], [50, 30], [-3, -70]])
    y = np.array([1.0, 1, -1, -1, 1, -1])
    normal, offset = fit_svm(x, y, penalty=100.0, tolerance=1e-6)
    np.testing.assert_allclose(normal, [1.0, 0.0], atol=1e-5)
    assert offset == pytest.approx(0.0, abs=1e-5)


def overlapping(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    y = np.repeat([-1.0, 1.0], (40, 60))
    x = random.standard_normal((100, 5))
    x[:, 0] += 0.8 * y
    return x, y


def test_a_general_minimiser_finds_nothing_better() -> None:
    x, y = overlapping()
    normal, offset = fit_svm(x, y, penalty=0.5, tolerance=1e-6)

    def price(p: np.ndarray) -> float:
        return float(0.5 * p[:5] @ p[:5] + 0.5 * np.maximum(0, 1 - y * (x @ p[:5] + p[5])).sum())

    ours = np.append(normal, offset)
    found = [minimize(price, start, method="Powell").fun for start in (np.zeros(6), ours)]
    assert price(ours) <= min(found) + 1e-4


def test_the_optimality_conditions_hold() -> None:
    x, y = overlapping(1)
    normal, offset = fit_svm(x, y, penalty=1.0, tolerance=1e-6)
    margin = y * (x @ normal + offset)
    inside, on_edge = margin < 1 - 1e-4, abs(margin - 1) <= 1e-4
    assert inside.any()
    assert on_edge.any()
    # The normal is made of the points inside the margin, at full price, and of those on its edge.
    left = normal - (y[inside, None] * x[inside]).sum(0)
    edge = (y[on_edge, None] * x[on_edge]).T
    prices, *_ = np.linalg.lstsq(edge, left, rcond=None)
    np.testing.assert_allclose(edge @ prices, left, atol=1e-3)
    assert ((prices > -1e-3) & (prices < 1 + 1e-3)).all()


def test_what_cannot_be_solved_is_named() -> None:
    x, y = overlapping()
    with pytest.raises(ModelError, match="needs points of both classes"):
        fit_svm(x, np.ones(100))
    with pytest.raises(ModelError, match="7000 codes are too many"):
        fit_svm(np.zeros((7000, 2)), np.repeat([-1.0, 1.0], 3500))
    with pytest.raises(ModelError, match="not found within 3 steps"):
        fit_svm(x, y, rounds=3)
