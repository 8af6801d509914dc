"""The rasteriser against a plain loop over triangles."""

from __future__ import annotations

import numpy as np
import pytest

from models.head.raster import Floats, Ints, Raster, rasterise


def _plain(vertices: Floats, triangles: Ints, size: tuple[int, int], *, backs: bool) -> Raster:
    """One triangle after the other, one pixel after the other."""
    height, width = size
    number = np.full(size, -1, np.int32)
    depth = np.full(size, -np.inf, np.float32)
    weights = np.zeros((*size, 3), np.float32)
    for which, triangle in enumerate(triangles):
        a, b, c = vertices[triangle].astype(np.float64)
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if abs(area) < 1e-9 or (area < 0 and not backs):
            continue
        for y in range(height):
            for x in range(width):
                second = ((x - a[0]) * (c[1] - a[1]) - (y - a[1]) * (c[0] - a[0])) / area
                third = ((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])) / area
                share = np.array([1 - second - third, second, third])
                z = np.float32(share @ (a[2], b[2], c[2]))
                if share.min() >= 0 and z > depth[y, x]:
                    number[y, x], depth[y, x], weights[y, x] = which, z, share
    return Raster(number, weights, depth)


def _soup(seed: int, count: int, spread: float) -> tuple[Floats, Ints]:
    """Triangles of all sizes, at random, some of them outside the picture."""
    random = np.random.default_rng(seed)
    middle = random.uniform(-4, 28, (count, 1, 3))
    corners = middle + random.normal(0, 1, (count, 3, 3)) * random.exponential(
        spread, (count, 1, 1)
    )
    return corners.reshape(-1, 3).astype(np.float32), np.arange(3 * count, dtype=np.int32).reshape(
        -1, 3
    )


@pytest.mark.parametrize("backs", [False, True])
@pytest.mark.parametrize("spread", [0.7, 3.0, 40.0])
def test_agrees_with_a_loop_over_triangles(spread: float, *, backs: bool) -> None:
    vertices, triangles = _soup(3, 120, spread)
    size = (21, 25)
    seen = rasterise(vertices, triangles, size, backs=backs)
    plain = _plain(vertices, triangles, size, backs=backs)
    assert (plain.triangle >= 0).sum() > 20
    np.testing.assert_array_equal(seen.triangle, plain.triangle)
    np.testing.assert_allclose(seen.barycentric, plain.barycentric, atol=1e-5)
    np.testing.assert_allclose(seen.depth, plain.depth, rtol=1e-5, atol=1e-4)


def _grid(side: int, step: float) -> tuple[Floats, Ints]:
    """A sheet of small triangles that faces the camera."""
    y, x = np.mgrid[:side, :side].astype(np.float32) * np.float32(step)
    vertices = np.stack([x, y, np.sin(x) + y], -1).reshape(-1, 3)
    corner = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).reshape(-1, 1)
    halves = np.array([[0, 1, side], [1, side + 1, side]])
    triangles = (corner[:, None] + halves).reshape(-1, 3)
    return vertices.astype(np.float32), triangles.astype(np.int32)


@pytest.mark.parametrize("step", [0.5, 1.0, 2.5])
def test_a_closed_sheet_has_no_holes(step: float) -> None:
    vertices, triangles = _grid(20, step)
    reach = int(19 * step) + 1
    seen = rasterise(vertices, triangles, (reach, reach))
    assert (seen.triangle >= 0).all()
    np.testing.assert_allclose(seen.barycentric.sum(-1), 1, atol=1e-6)


def test_values_of_vertices_are_seen_as_they_vary_along_the_surface() -> None:
    vertices, triangles = _grid(20, 1.3)
    seen = rasterise(vertices, triangles, (24, 24)).blend(triangles, vertices)
    y, x = np.mgrid[:24, :24]
    np.testing.assert_allclose(seen[..., 0], x, atol=1e-4)
    np.testing.assert_allclose(seen[..., 1], y, atol=1e-4)


def test_the_nearer_of_two_sheets_hides_the_other_in_any_order() -> None:
    vertices, triangles = _grid(6, 2.0)
    behind = vertices - np.array([0, 0, 5], np.float32)
    both = np.concatenate([behind, vertices])
    count = len(triangles)
    near_last = rasterise(both, np.concatenate([triangles, triangles + 36]), (11, 11))
    near_first = rasterise(both, np.concatenate([triangles + 36, triangles]), (11, 11))
    assert (near_last.triangle >= count).all()
    assert (near_first.triangle < count).all()
    np.testing.assert_array_equal(near_last.depth, near_first.depth)


def test_nothing_in_view_is_an_empty_picture() -> None:
    vertices, triangles = _grid(4, 1.0)
    for away in (
        vertices + np.array([100, 0, 0], np.float32),
        vertices - np.array([0, 100, 0], np.float32),
    ):
        seen = rasterise(away, triangles, (8, 9))
        assert (seen.triangle == -1).all()
        assert (seen.depth == -np.inf).all()
        assert not seen.blend(triangles, away).any()
