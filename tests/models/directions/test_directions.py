"""Boundaries, components and movers: planted directions are found, conditions are held."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from models.base import ModelError, ModelInputError, WeightsError
from models.directions import (
    Components,
    DirectionMover,
    component_of,
    fit_components,
)
from models.directions.boundary import conditioned, fit_boundary
from models.directions.yaw import yaw_scores


def planted(layers: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Codes (2000, L, 8) of three independent factors along orthonormal directions, with noise."""
    generator = torch.Generator().manual_seed(2)
    factors = torch.randn(2000, 3, generator=generator)
    axes = torch.linalg.qr(torch.randn(8 * layers, 3, generator=generator)).Q.T
    noise = 0.1 * torch.randn(2000, 8 * layers, generator=generator)
    w = (2 * factors @ axes + noise + 1).view(2000, layers, 8)
    return w, factors, axes.reshape(3, layers, 8)


@pytest.mark.parametrize("layers", [1, 3])
def test_a_boundary_stands_across_the_planted_axis(layers: int) -> None:
    w, factors, axes = planted(layers)
    boundary = fit_boundary(w, factors[:, 1])
    assert boundary.normal.shape == (layers, 8)
    assert boundary.normal.norm().item() == pytest.approx(1.0, abs=1e-5)
    assert (boundary.normal * axes[1]).sum().item() > 0.95
    assert min(boundary.accuracy.values()) > 0.9
    assert set(boundary.accuracy) == {"trained", "validated", "rest"}


def test_scores_that_say_nothing_validate_at_chance() -> None:
    w, _, _ = planted()
    noise = torch.randn(2000, generator=torch.Generator().manual_seed(0))
    accuracy = fit_boundary(w, noise, share=0.2).accuracy
    assert accuracy["validated"] == pytest.approx(0.5, abs=0.1)


def test_a_conditioned_normal_is_orthogonal_to_one_and_to_many_conditions() -> None:
    generator = torch.Generator().manual_seed(4)
    primal, *conditions = torch.randn(5, 2, 8, generator=generator)
    for count in range(1, 5):
        normal = conditioned(primal, conditions[:count])
        assert normal.norm().item() == pytest.approx(1.0, abs=1e-5)
        for condition in conditions[:count]:
            assert (normal * condition).sum().abs() < 1e-5
        # Nearest to the primal: what was taken away lies in the span of the conditions.
        away = primal - normal * (primal * normal).sum()
        span = torch.linalg.qr(torch.stack(conditions[:count]).flatten(1).T).Q
        torch.testing.assert_close(span @ (span.T @ away.flatten()), away.flatten())


def test_one_condition_is_the_papers_formula() -> None:
    generator = torch.Generator().manual_seed(5)
    p, c = torch.randn(2, 1, 8, dtype=torch.float64, generator=generator)
    p, c = p / p.norm(), c / c.norm()
    by_hand = p - (p * c).sum() * c
    ours = conditioned(p.float(), [c.float()]).double()
    torch.testing.assert_close(ours, by_hand / by_hand.norm(), atol=1e-6, rtol=1e-5)


def test_conditions_that_cannot_be_held_are_named() -> None:
    a, b = torch.eye(4)[:2, None]
    with pytest.raises(ModelError, match="not independent"):
        conditioned(a, [b, 2 * b])
    with pytest.raises(ModelError, match="leave nothing"):
        conditioned(a, [a, b])
    assert torch.equal(conditioned(3 * a, []), a)


def test_ends_that_do_not_differ_are_refused() -> None:
    w, factors, _ = planted()
    with pytest.raises(ModelError, match="is 0 for each end"):
        fit_boundary(w, factors[:, 0], share=0.0001)
    with pytest.raises(ModelError, match="overlap"):
        fit_boundary(w, torch.ones(2000))


@pytest.mark.parametrize(("count", "numbers"), [(300, 12), (10, 40)])
def test_components_are_those_of_a_singular_value_decomposition(count: int, numbers: int) -> None:
    x = np.random.default_rng(1).standard_normal((count, numbers)) @ np.diag(range(1, numbers + 1))
    found = fit_components(torch.from_numpy(x).view(count, 2, -1), 5)
    _, values, rows = np.linalg.svd(x - x.mean(0), full_matrices=False)
    np.testing.assert_allclose(found.spread, values[:5] / np.sqrt(count - 1), rtol=1e-5)
    along = np.abs((found.components.flatten(1).numpy() * rows[:5]).sum(1))
    np.testing.assert_allclose(along, 1, rtol=1e-5)
    coordinates = found.coordinates(torch.from_numpy(x).float().view(count, 2, -1))
    np.testing.assert_allclose(coordinates.std(0), 1, rtol=1e-4)
    with pytest.raises(ModelError, match="cannot take 41 components"):
        fit_components(torch.from_numpy(x).view(count, 1, -1), 41)


def test_a_component_is_found_by_its_ratings() -> None:
    w, factors, axes = planted()
    spread = w + (factors[:, 2] * 3)[:, None, None] * axes[2]
    index, correlation = component_of(fit_components(spread, 5), spread, -factors[:, 2])
    assert index == 0
    assert abs(correlation) > 0.99


def test_published_components_are_read_and_others_refused() -> None:
    state = {"mean": torch.zeros(1, 6), "comp": torch.eye(6)[:3, None], "std": torch.ones(3)}
    components = Components.from_state(state)
    assert components.vector(1).tolist() == [[0, 1, 0, 0, 0, 0]]
    assert all(torch.equal(v, components.to_state()[k]) for k, v in state.items())
    with pytest.raises(ModelError, match="no component 3"):
        components.vector(3)
    with pytest.raises(WeightsError, match="expected mean, comp and std"):
        Components.from_state({"mean": state["mean"]})
    with pytest.raises(WeightsError, match="do not fit together"):
        Components.from_state({**state, "std": torch.ones(2)})


def test_a_direction_moves_its_rows_alike_and_nothing_at_strength_zero() -> None:
    w = torch.randn(3, 6, 4, generator=torch.Generator().manual_seed(0))
    move = DirectionMover(torch.arange(4.0)[None], 6, rows=(1, 3), unit=2.0)
    assert torch.equal(move(w, torch.zeros(3)), w)
    change = move(w, torch.tensor([1.0, -0.5, 0.0])) - w
    torch.testing.assert_close(change[0, 1], 2 * torch.arange(4.0))
    torch.testing.assert_close(change[1, 2], -torch.arange(4.0))
    assert not change[:, [0, 3, 4, 5]].any()


def test_movers_for_another_generator_are_refused() -> None:
    with pytest.raises(WeightsError, match=r"shape \(18, 4\) does not fit codes of 10 layers"):
        DirectionMover(torch.ones(18, 4), 10)
    with pytest.raises(ModelInputError, match="layers 3 to 12 do not lie within"):
        DirectionMover(torch.ones(1, 4), 10, rows=(3, 12))
    with pytest.raises(ModelInputError, match=r"expected codes \(N, 10, 4\)"):
        DirectionMover(torch.ones(1, 4), 10)(torch.ones(1, 10, 5), torch.ones(1))
    with pytest.raises(ModelInputError, match="one strength per code"):
        DirectionMover(torch.ones(1, 4), 10)(torch.ones(2, 10, 4), torch.ones(1))


def test_a_turned_head_has_its_nose_nearer_to_one_edge() -> None:
    points = torch.zeros(3, 68, 2)
    points[:, 0:3, 0], points[:, 14:17, 0] = 10, 50
    points[:, 30, 0] = torch.tensor([30.0, 45.0, 10.0])
    torch.testing.assert_close(yaw_scores(points), torch.tensor([0.0, 0.75, -1.0]))
