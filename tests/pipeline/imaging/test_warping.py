"""Pulls carry points to where they are to be, and touch nothing beyond their reach."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch

from pipeline.imaging.sampling import pixels, sample
from pipeline.imaging.warping import between_nodes, nodes, pulled, radial_pull, swelling_pull

from ..faces import natural

POINTS = torch.tensor([[[30.0, 30.0], [60.0, 34.0], [45.0, 66.0], [20.0, 60.0]]])
MOVES = torch.tensor([[[3.0, 0.0], [-2.0, 1.0], [0.0, 0.0], [0.0, -4.0]]])
REACH = torch.tensor([40.0])


def test_a_pull_fetches_each_point_from_where_it_was() -> None:
    pull = radial_pull(POINTS, MOVES, REACH, POINTS + MOVES)
    assert torch.allclose(pull, -MOVES, atol=0.02)


def test_nothing_moves_beyond_the_reach_of_the_points() -> None:
    at = nodes(160, 4, POINTS)[None]
    pull = radial_pull(POINTS, MOVES, REACH, at)
    far = torch.cdist(at, POINTS + MOVES).amin(-1) > REACH
    assert far.any()
    assert (pull[far] == 0).all()


def test_between_the_points_a_pull_is_the_interpolant_written_out() -> None:
    def phi(r: float) -> float:
        return max(1 - r, 0.0) ** 4 * (4 * r + 1)

    goals, wanted = (POINTS + MOVES)[0].numpy().astype(np.float64), -MOVES[0].numpy()
    matrix = [[phi(float(np.hypot(*(p - q))) / 40) for q in goals] for p in goals]
    weights = np.linalg.solve(np.array(matrix), wanted)
    place = np.array([40.0, 45.0])
    by_hand = [phi(float(np.hypot(*(place - q))) / 40) for q in goals] @ weights
    pull = radial_pull(POINTS, MOVES, REACH, torch.from_numpy(place).float()[None, None])
    assert np.allclose(pull[0, 0].numpy(), by_hand, atol=0.02)


def test_what_swells_grows_alike_inside_and_stays_outside() -> None:
    centre, axes = torch.tensor([[50.0, 50.0]]), torch.tensor([[[12.0, 0.0], [0.0, 8.0]]])
    at = nodes(101, 1, centre)[None]
    pull = swelling_pull(centre, axes, torch.tensor([0.25]), 2.0, at)
    radius = ((at - centre) / torch.tensor([12.0, 8.0])).square().sum(-1).sqrt()
    inside = radius < 1
    assert torch.allclose((at + pull - centre)[inside] * 1.25, (at - centre)[inside], atol=1e-4)
    assert (pull[radius >= 2] == 0).all()


def test_between_nodes_a_quadratic_field_is_exact() -> None:
    at = nodes(49, 6, POINTS).reshape(9, 9, 2)
    field = (0.01 * at[..., 0] ** 2 - 0.02 * at[..., 0] * at[..., 1] + at[..., 1])[None, None]
    fine = between_nodes(field, 6, slice(10, 40), slice(7, 37))
    x, y = torch.meshgrid(torch.arange(7.0, 37), torch.arange(10.0, 40), indexing="xy")
    assert torch.allclose(fine[0, 0], 0.01 * x**2 - 0.02 * x * y + y, atol=1e-3)


@pytest.mark.parametrize("impl", ["fast", "ref"])
def test_fetching_only_what_moves_gives_what_fetching_all_gives(
    impl: Literal["fast", "ref"],
) -> None:
    images = natural(40, 2)
    pull = natural(40, 2, seed=1)[:, :2] * 3
    moves = pull.square().sum(1) > 1
    rows, columns = slice(5, 30), slice(8, 39)
    part = (slice(None), slice(None), rows, columns)
    fast = pulled(images, pull[part], moves[:, rows, columns], rows, columns, impl=impl)
    plain = sample(images, pixels(40, images) + pull.permute(0, 2, 3, 1))
    expected = torch.where(moves[:, None], plain, images)[part]
    # Some builds of OpenCV look the weights up, in steps of 1/32 px.
    assert torch.allclose(fast, expected, atol=0.02)
    assert (fast - expected).abs().mean() < 2e-3
    still = ~moves[:, None, rows, columns].expand(-1, 3, -1, -1)
    assert torch.equal(fast[still], images[part][still])
