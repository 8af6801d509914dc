"""Which detection belongs to which track: the cheapest pairs, by brute force."""

import itertools

import numpy as np
import pytest

from pipeline.tracking.linking import _cheapest_pairs


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1), (3, 3), (2, 4), (4, 2)])
def test_pairs_cost_as_little_as_any_choice(shape: tuple[int, int]) -> None:
    rows, columns = shape
    for seed in range(5):
        cost = np.random.default_rng(seed).uniform(size=shape)
        pairs = _cheapest_pairs(cost)
        few = min(shape)
        choices = [
            sum(float(cost[i, j]) for i, j in zip(left, right, strict=True))
            for left in itertools.permutations(range(rows), few)
            for right in itertools.permutations(range(columns), few)
        ]
        assert len(pairs) == len({i for i, _ in pairs}) == len({j for _, j in pairs}) == few
        assert sum(float(cost[p]) for p in pairs) == pytest.approx(min(choices))


def test_nothing_is_paired_with_nothing() -> None:
    assert _cheapest_pairs(np.zeros((0, 3))) == []
    assert _cheapest_pairs(np.zeros((3, 0))) == []
