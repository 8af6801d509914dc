"""Light on shapes whose relief, shading and shadows are known in closed form."""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.imaging.lighting import Lamp, flux, found_light, lamp_at, seen_of
from pipeline.imaging.lit import Scene, at_edges, bent, relit, relit_at_once
from pipeline.imaging.relief import Relief, Window, continued, relief_of

Floats = NDArray[np.float32]
RADIUS, MIDDLE = 120.0, 160.0
WINDOW = Window(left=0, top=0, cell=4, width=80, height=80)


def a_sphere(count: int = 48) -> tuple[Floats, NDArray[np.intp]]:
    """The vertices [px] and triangles of a sphere in the middle of a picture of 320 px."""
    up, round_ = np.mgrid[0 : count + 1, 0 : 2 * count]
    up, round_ = up * np.pi / count, round_ * np.pi / count
    at = np.stack([np.sin(up) * np.cos(round_), -np.cos(up), np.sin(up) * np.sin(round_)], -1)
    first = np.arange(count)[:, None] * 2 * count + np.arange(2 * count)
    beside = np.arange(count)[:, None] * 2 * count + (np.arange(2 * count) + 1) % (2 * count)
    below, both = first + 2 * count, beside + 2 * count
    faces = np.concatenate(
        [np.stack([first, below, beside], -1), np.stack([beside, below, both], -1)]
    ).reshape(-1, 3)
    out = np.asarray(at.reshape(-1, 3) * RADIUS + [MIDDLE, MIDDLE, 0.0], np.float32)
    a, b, c = (out[corner] for corner in faces.T)
    outwards = (np.cross(b - a, c - a) * (a - [MIDDLE, MIDDLE, 0])).sum(-1) >= 0
    return out, np.where(outwards[:, None], faces, faces[:, ::-1])


def places() -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """x and y of the cells' middles in radii from the sphere's middle, and what is well on it."""
    line = (np.arange(80) * 4 + 1.5 - MIDDLE) / RADIUS
    x, y = np.meshgrid(line, line)
    return x.astype(np.float32), y.astype(np.float32), np.asarray(x**2 + y**2 < 0.85)


def test_a_sphere_has_the_depth_and_the_normals_of_a_sphere() -> None:
    relief = relief_of(*a_sphere(), WINDOW)
    x, y, inside = places()
    z = np.sqrt(np.maximum(1 - x**2 - y**2, 0))
    assert np.abs(relief.depth - z * RADIUS / 4)[inside].max() < 0.3
    assert np.abs(relief.normals - np.stack([x, y, z]))[:, inside].max() < 0.02
    assert not relief.there[x**2 + y**2 > 1.02].any()


def test_triangles_that_share_edges_leave_no_gap_between_them() -> None:
    """Corners on the middles of cells, so that edges run through those of many."""
    line = np.arange(2, 79, 4) * 4 + 1.5
    x, y = np.meshgrid(line, line)
    grid = np.arange(x.size).reshape(x.shape)
    a, b, c, d = (
        part.ravel() for part in (grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1])
    )
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    for turn in np.radians([0, 7, 33]):
        at = np.stack([x.ravel() - MIDDLE, y.ravel() - MIDDLE]) * 0.8
        turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ at
        vertices = np.column_stack([*(turned + MIDDLE), np.full(x.size, 9.0)])
        relief = relief_of(vertices, faces, WINDOW)
        assert relief.there[25:55, 25:55].all()
        assert np.abs(relief.depth[relief.there] - 9 / 4).max() < 1e-3


def test_what_is_nearer_hides_what_is_farther_whatever_comes_first() -> None:
    near = np.array([[10, 10, 50], [10, 200, 50], [200, 10, 50]], np.float32)
    far = near - [0, 0, 40]
    triangles = np.array([[0, 2, 1], [3, 5, 4]])
    said = np.array([[1], [1], [1], [2], [2], [2]], np.float32)
    for order in (triangles, triangles[::-1]):
        relief = relief_of(np.concatenate([near, far]), order, WINDOW, said)
        assert relief.there.sum() > 500
        assert np.abs(relief.values[0][relief.there] - 1).max() < 1e-5


def test_a_lamp_lights_a_sphere_by_the_cosine() -> None:
    relief = relief_of(*a_sphere(), WINDOW)
    x, y, inside = places()
    lamp = lamp_at(-50, 20, radius_deg=10)
    assert lamp.towards[0] < 0, "left of the picture"
    assert lamp.towards[1] < 0, "above"
    z = np.sqrt(np.maximum(1 - x**2 - y**2, 0))
    cosine = np.einsum("c,chw->hw", lamp.towards, np.stack([x, y, z]))
    bright, dark = inside & (cosine > 0.4), inside & (cosine < -0.25)
    light = flux(relief, lamp, 26)
    assert np.abs(light - cosine)[bright].max() < 0.03
    assert light[dark].max() < 0.02


@pytest.mark.parametrize("radius_deg", [8, 22])
def test_a_wall_casts_a_shadow_of_its_length_that_is_as_soft_as_the_lamp_is_large(
    radius_deg: float,
) -> None:
    depth = np.zeros((60, 100), np.float32)
    depth[:, 40:44] = 8.0
    relief = Relief(depth, np.zeros((3, 60, 100), np.float32), np.zeros((1, 60, 100), np.float32))
    lamp = lamp_at(-60, 0, radius_deg=radius_deg)
    seen = seen_of(relief, lamp, eyes=20.0)[30]
    # The wall's far edge hides half of the lamp where the lamp's middle lies behind it.
    half = 43 + 8.0 / np.tan(np.pi / 6)
    assert np.interp(0.5, seen[44:90], np.arange(44, 90)) == pytest.approx(half, abs=2.5)
    assert seen[45] < 0.1
    assert seen[:36].min() > 0.95
    wide = np.interp([0.2, 0.8], seen[44:90], np.arange(44, 90))
    assert (wide[1] - wide[0] > 7) == (radius_deg == 22)


def test_the_light_that_is_there_is_found_among_spots() -> None:
    random = np.random.default_rng(0)
    normals = random.standard_normal((2000, 3)) * [1, 1, 0.3] + [0, 0, 1]
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    true = np.array([-0.8, 0.3, 0.5])
    logs = normals @ true - 0.7 + 0.02 * random.standard_normal(2000)
    logs[::9] -= 1.5
    found = found_light(normals.astype(np.float32), logs.astype(np.float32))
    # Faces show no normals that look away, so the share along the camera is held back.
    assert found @ true / np.linalg.norm(found) / np.linalg.norm(true) > 0.97
    assert 0.7 < np.linalg.norm(found) / np.linalg.norm(true) <= 1.05


def test_values_are_carried_on_from_their_edge() -> None:
    there = np.zeros((40, 60), bool)
    there[:, 20:40] = True
    values = np.where(there, np.linspace(-1, 1, 60)[None], 7.0).astype(np.float32)
    out = continued(values, there, 2.0)
    assert np.array_equal(out[there], values[there])
    assert out[20, 17] == pytest.approx(values[20, 20], abs=0.15)
    assert out[20, 42] == pytest.approx(values[20, 39], abs=0.15)
    assert np.abs(out).max() < 1


def test_no_light_clips_and_the_order_of_tones_stays() -> None:
    tones = np.linspace(0, 1, 500, dtype=np.float32)
    for factor in (0.4, 1.0, 1.3, 2.5):
        lit = factor * tones / bent(tones[None], np.full((1, 500), factor, np.float32))[0]
        assert lit.max() <= 1 + 1e-6
        assert (np.diff(lit) > 0).all()
        assert lit[50] == pytest.approx(factor * tones[50], rel=2e-3)


def test_a_picture_is_multiplied_where_it_is_lit_and_keeps_its_hue() -> None:
    random = np.random.default_rng(1)
    picture = (random.random((3, 70, 50)) * 0.8 - 0.95).astype(np.float32)
    share = np.ones((70, 50), np.float32)
    share[:, :10], share[:, 10:20] = 0, 0.5
    out = relit(picture, np.full((4, 14, 10), 1.3, np.float32), share, 5)
    assert np.array_equal(out[..., :10], picture[..., :10])
    ratio = (out + 1) / (picture + 1)
    assert np.ptp(ratio, axis=0).max() < 1e-4, "every channel by the same"
    assert np.abs(ratio[:, :, 20:] - 1.3).max() < 0.02
    assert np.abs(ratio[:, :, 10:20] - 1.15).max() < 0.02


@pytest.mark.parametrize("cell", [1, 3, 9, 60])
def test_a_picture_is_lit_in_strips_as_it_is_at_once(cell: int) -> None:
    random = np.random.default_rng(cell)
    factors = np.exp(random.normal(0, 0.4, (4, 14, 12))).astype(np.float32)
    size = 14 * cell, 12 * cell
    picture = random.uniform(-1, 1, (3, *size)).astype(np.float32)
    share = np.clip(random.normal(0, 1, size), 0, 1).astype(np.float32)
    share[: 5 * cell], share[:, : 2 * cell] = 0, 0
    before = picture.copy()
    out = relit(picture, factors, share, cell)
    assert np.array_equal(picture, before)
    assert np.array_equal(out[:, share == 0], picture[:, share == 0])
    assert np.abs(out - relit_at_once(picture, factors, share)).max() < 1e-5
    assert np.abs(out - picture).max() > 0.1


@pytest.mark.parametrize("wall", [(70, 170, 106), (178, 138, 130)], ids=["green", "dark"])
def test_light_ends_where_a_wall_begins_even_one_as_bright_as_skin(wall: tuple[int, ...]) -> None:
    """A share that falls off over 8 px of skin and 8 px of wall."""
    picture = np.empty((3, 120, 180), np.float32)
    skin = np.array([178, 138, 130])
    luma = (0.2126, 0.7152, 0.0722)
    level = luma @ skin / (luma @ np.array(wall)) if wall[1] > wall[0] else 0.6
    colours = np.stack([skin, level * np.array(wall)]) / 127.5 - 1
    picture[:, :, :90], picture[:, :, 90:] = colours[:, :, None, None]
    picture += np.random.default_rng(0).normal(0, 0.01, picture.shape).astype(np.float32)
    share = np.clip((90 - 2 - 4 * np.arange(45.0)) / 16 + 0.5, 0, 1).astype(np.float32)
    shape = Relief(*(np.zeros((n, 30, 45), np.float32) for n in (1, 3, 1)))
    place = Window(left=0, top=0, cell=4, width=45, height=30)
    scene = Scene(picture, cast("Any", None), np.zeros((68, 2)), 38.0, place, shape)
    found = at_edges(np.tile(share, (30, 1)), scene)[20:-20]
    plain = cv2.resize(np.tile(share, (30, 1)), (180, 120))[20:-20]
    assert found[:, 93:].max() < 0.65 * plain[:, 93:].max()
    assert found[:, 20:87].min() > plain[:, 20:87].min()
    assert np.ptp(found[:, 20:70]) < 0.05
    assert not found[:, 0].any(), "nothing on the border of what may be lit"


def test_lamps_are_where_they_are_said_to_be() -> None:
    for side, up in ((-60, 20), (60, 20), (0, 56), (0, -46)):
        lamp: Lamp = lamp_at(side, up, radius_deg=20)
        assert np.linalg.norm(lamp.towards) == pytest.approx(1)
        assert np.sign(lamp.towards[0]) == np.sign(side)
        assert np.sign(-lamp.towards[1]) == np.sign(up)
        assert lamp.towards[2] > 0, "before the face"
