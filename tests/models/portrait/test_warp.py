"""Thin plates, windows and grids against direct formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.portrait.warp import (
    canonical_grid,
    canonical_to_unit,
    pixels_to_unit,
    smoothstep,
    thin_plate_evaluate,
    thin_plate_kernel,
    thin_plate_operator,
    thin_plate_solve,
)
from models.portrait.window import Window


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_kernel_equals_its_formula_point_by_point() -> None:
    points, centres = random(7, 2), random(5, 2, seed=1)
    distance = (points[:, None] - centres[None]).norm(dim=2)
    reference = distance.square() * distance.square().log()
    assert torch.allclose(thin_plate_kernel(points, centres), reference, atol=1e-9)


def test_unstiffened_plate_passes_through_its_values() -> None:
    centres, values = random(3, 12, 2), random(3, 12, 4, seed=2)
    weights = thin_plate_solve(centres, values, stiffness=0.0)
    assert torch.allclose(thin_plate_evaluate(weights, centres, centres), values, atol=1e-6)


def test_plate_reproduces_an_affine_map_everywhere() -> None:
    centres, points = random(1, 10, 2), random(1, 50, 2, seed=3) * 4 - 2
    matrix = torch.tensor([[1.2, 0.3], [-0.4, 0.9]], dtype=torch.float64)
    weights = thin_plate_solve(centres, centres @ matrix + 5, stiffness=0.01)
    assert torch.allclose(
        thin_plate_evaluate(weights, centres, points), points @ matrix + 5, atol=1e-6
    )


def test_operator_and_solved_plate_agree() -> None:
    centres, points, values = random(9, 2), random(20, 2, seed=4), random(9, 3, seed=5)
    weights = thin_plate_solve(centres, values, stiffness=1e-3)
    direct = thin_plate_evaluate(weights, centres, points)
    operator = thin_plate_operator(centres.float(), points.float(), stiffness=1e-3)
    assert torch.allclose(operator.double() @ values, direct, atol=1e-4)


def test_reading_a_picture_at_its_own_pixels_returns_it() -> None:
    picture = random(1, 3, 11, 11).float()
    y, x = torch.meshgrid(torch.arange(11.0), torch.arange(11.0), indexing="ij")
    grid = pixels_to_unit(torch.stack([x, y], dim=-1)[None], 11)
    assert torch.allclose(F.grid_sample(picture, grid, align_corners=False), picture, atol=1e-6)


def test_reading_a_texture_at_its_own_texels_returns_it() -> None:
    texture = random(1, 1, 16, 16).float()
    grid = canonical_to_unit(canonical_grid(16))[None]
    assert torch.allclose(F.grid_sample(texture, grid, align_corners=False), texture, atol=1e-5)


@pytest.mark.parametrize("smooth", [True, False])
def test_a_part_of_a_window_gives_the_same_field_values_as_the_whole(smooth: bool) -> None:
    side, cell = 90, 4
    whole = Window(side, cell, 0, 0, 23, 23)
    part = Window(side, cell, 5, 3, 20, 18)
    field = random(1, 2, 23, 23).float()
    inside = whole.to_pixels(field, part, smooth=smooth)
    reference = whole.to_pixels(field, whole, smooth=smooth)
    assert reference.shape[-2:] == (90, 90)
    assert torch.allclose(inside, reference[:, :, part.rows, part.columns], atol=1e-6)


def test_between_cells_runs_a_natural_cubic_spline() -> None:
    from scipy.interpolate import CubicSpline

    window = Window(63, 5, 0, 0, 13, 13)
    field = random(1, 1, 13, 13).float()
    centres, pixels = np.arange(13) * 5 + 2, np.arange(63)
    expected = CubicSpline(centres, field[0, 0].numpy(), bc_type="natural")(pixels)
    expected = CubicSpline(centres, expected, axis=1, bc_type="natural")(pixels)
    np.testing.assert_allclose(window.to_pixels(field, window)[0, 0], expected, atol=1e-4)


def test_straight_lines_between_cells_never_overshoot() -> None:
    window = Window(60, 5, 0, 0, 12, 12)
    mask = torch.zeros(1, 1, 12, 12)
    mask[..., 4:8, 4:8] = 1
    fine = window.to_pixels(mask, window, smooth=False)
    expected = F.interpolate(mask, scale_factor=5, mode="bilinear", align_corners=False)
    assert torch.allclose(fine, expected, atol=1e-6)
    part = window.around_cells(mask[:, 0] > 0)
    inside = torch.zeros(60, 60, dtype=torch.bool)
    inside[part.rows, part.columns] = True
    assert not fine[0, 0, ~inside].any()


def test_cell_centres_enlarge_to_pixel_centres() -> None:
    window = Window(40, 4, 1, 2, 9, 8)
    cells = window.cell_centres(torch.float32, torch.device("cpu"))
    pixels = window.to_pixels(cells.permute(2, 0, 1)[None], window)[0]
    x = torch.arange(window.columns.start, window.columns.stop, dtype=torch.float32)
    assert torch.allclose(pixels[0, 10], x, atol=1e-4)


def test_smoothstep_runs_either_way() -> None:
    x = torch.tensor([0.0, 0.25, 0.5, 1.0])
    assert torch.allclose(smoothstep(x, 0.0, 0.5), 1 - smoothstep(x, 0.5, 0.0))
    assert smoothstep(x, 0.0, 0.5).tolist() == [0.0, 0.5, 1.0, 1.0]
