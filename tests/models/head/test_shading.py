"""Light on a ball and under a lid, where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from models.head.raster import Floats, Ints
from models.head.shading import (
    ShadowMap,
    axes_towards,
    fit_light,
    gloss,
    harmonics,
    lambert,
    to_linear,
    to_srgb,
    vertex_normals,
)


def ball(rings: int = 40, sectors: int = 60) -> tuple[Floats, Ints]:
    """A unit ball around the origin, its triangles facing outwards."""
    polar, turn = np.meshgrid(
        np.linspace(0, np.pi, rings),
        np.linspace(0, 2 * np.pi, sectors, endpoint=False),
        indexing="ij",
    )
    vertices = np.stack(
        [np.sin(polar) * np.cos(turn), -np.cos(polar), np.sin(polar) * np.sin(turn)], -1
    )
    ring = np.arange(rings - 1)[:, None] * sectors
    here = (ring + np.arange(sectors)).reshape(-1)
    after = (ring + (np.arange(sectors) + 1) % sectors).reshape(-1)
    triangles = np.concatenate(
        [
            np.stack([here, here + sectors, after], 1),
            np.stack([after, here + sectors, after + sectors], 1),
        ]
    )
    return vertices.reshape(-1, 3).astype(np.float32), triangles.astype(np.int32)


def unit(*direction: float) -> Floats:
    vector = np.array(direction, np.float32)
    return vector / np.linalg.norm(vector)


def test_normals_of_a_ball_are_its_radii() -> None:
    vertices, triangles = ball()
    np.testing.assert_allclose(
        vertex_normals(vertices, triangles)[60:-60], vertices[60:-60], atol=0.02
    )


def test_a_vertex_without_triangles_faces_the_camera() -> None:
    normals = vertex_normals(np.zeros((2, 3), np.float32), np.zeros((0, 3), np.int32))
    np.testing.assert_array_equal(normals, [[0, 0, 1], [0, 0, 1]])


def test_soft_light_is_found_again() -> None:
    random = np.random.default_rng(0)
    normals, _ = ball()
    wanted = np.concatenate([np.full((1, 3), 0.6), random.normal(0, 0.05, (8, 3))]).astype(
        np.float32
    )
    albedo = random.uniform(0.2, 0.8, (len(normals), 3)).astype(np.float32)
    colours = albedo * (harmonics(normals) @ wanted)
    found = fit_light(
        normals, colours, np.ones(len(normals), np.float32), albedo=albedo, ridge=1e-9
    )
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_a_ball_does_not_shade_the_side_it_turns_to_the_lamp() -> None:
    vertices, triangles = ball()
    for direction in (unit(0, 0, 1), unit(1, -1, 0.5), unit(-0.2, 1, 0)):
        seen = ShadowMap.of(vertices, triangles, direction, backs=False)
        share = seen.lit_share(vertices, vertices)
        assert share[vertices @ direction > 0.2].min() > 0.95
        assert share[vertices @ direction < -0.3].max() < 0.05


def test_a_lid_shades_what_lies_under_it_with_a_soft_edge() -> None:
    places = np.linspace(-2, 2, 81)
    floor = np.stack(np.meshgrid(places, places), -1).reshape(-1, 2)
    corners = [[-0.5, -0.5, 0.8], [0.5, -0.5, 0.8], [0.5, 0.5, 0.8], [-0.5, 0.5, 0.8]]
    vertices = np.concatenate([np.insert(floor, 2, 0, 1), corners]).astype(np.float32)
    lid = np.array([[0, 1, 2], [0, 2, 3]], np.int32) + len(floor)
    normals = np.tile(unit(0, 0, 1), (len(vertices), 1))
    lamp = ShadowMap.of(vertices, lid, unit(1, 0, 1))
    share = lamp.lit_share(vertices, normals)[: len(floor)]
    # The lamp stands to the right at 45°: the shadow lies 0.8 further left.
    away = np.abs(floor - [-0.8, 0]).max(1)
    assert share[away < 0.4].max() == 0
    assert share[away > 0.6].min() == 1
    edge = share[np.isclose(floor[:, 1], 0) & (np.abs(floor[:, 0] + 0.3) < 0.15)]
    assert ((edge > 0.1) & (edge < 0.9)).any()


@pytest.mark.parametrize("direction", [(0, 0, 1), (0, 1, 0), (0, -1, 0.001), (-3, 2, -1)])
def test_axes_are_a_rotation_that_looks_along_the_direction(direction: tuple[float, ...]) -> None:
    axes = axes_towards(unit(*direction))
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(np.linalg.det(axes), 1, atol=1e-6)
    np.testing.assert_allclose(axes @ unit(*direction), [0, 0, 1], atol=1e-6)


def test_matt_light_and_gloss_are_brightest_where_they_should() -> None:
    normals, _ = ball()
    lamp, eye = unit(1, 0, 0.2), unit(0, 0, 1)
    assert normals[lambert(normals, lamp).argmax()] @ lamp > 0.99
    assert normals[gloss(normals, lamp, eye).argmax()] @ unit(*(lamp + eye)) > 0.99
    assert not lambert(normals, lamp)[normals @ lamp <= 0].any()
    assert lambert(normals, lamp, wrap=0.2)[np.abs(normals @ lamp) < 0.05].min() > 0.1


def test_srgb_and_back() -> None:
    light = np.linspace(0, 1, 1001)
    np.testing.assert_allclose(to_linear(to_srgb(light)), light, atol=1e-6)
    np.testing.assert_allclose(to_srgb(np.array([0.2140411])), 0.5, atol=1e-6)
