"""Drawn things: their masks are exact, what shows through keeps its label."""

from __future__ import annotations

import numpy as np
import pytest

from models.parsing import occluders, worn
from models.parsing.layers import IGNORED, Bytes, Floats, Layer, Solid, filled, merged, put_before
from models.parsing.net import LABELS
from models.parsing.square import _PLACES, _POINTS

SIDE = 160
SKIN, GLASSES = LABELS.index("skin"), LABELS.index("glasses")


@pytest.fixture
def scene() -> occluders.Scene:
    """A flat face, all skin, with its nine points where the square's plan has them."""
    points = np.full((68, 2), SIDE / 2.0)
    points[list(_POINTS)] = (np.array(_PLACES) + 1) * SIDE / 2
    points[8] = (SIDE / 2, 0.85 * SIDE)
    points[57] = (SIDE / 2, 0.76 * SIDE)
    picture = np.full((SIDE, SIDE, 3), (200, 150, 120), np.float32)
    labels = np.full((SIDE, SIDE), SKIN, np.uint8)
    texture = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    return occluders.Scene(picture, labels, points, texture)


def _composed(scene: occluders.Scene, layers: list[Layer]) -> tuple[Floats, Bytes]:
    picture, labels = scene.picture, scene.labels
    for layer in layers:
        picture, labels = put_before(picture, labels, layer)
    return picture, labels


@pytest.mark.parametrize("name", list(occluders.THINGS))
def test_what_is_called_front_is_covered_and_the_rest_is_untouched(
    scene: occluders.Scene, name: str
) -> None:
    seen = 0
    for seed in range(12):
        layer = occluders.draw(scene, np.random.default_rng(seed), name=name)
        picture, labels = _composed(scene, [layer])
        covered = layer.share
        assert set(np.unique(labels)) <= {SKIN, occluders.FRONT, IGNORED}
        np.testing.assert_array_equal(picture[covered == 0], scene.picture[covered == 0])
        assert (covered[labels == occluders.FRONT] >= 0.5).all()
        assert (covered[labels == SKIN] < 0.5).all()
        seen += int((labels == occluders.FRONT).sum())
    assert seen > 200, "some of twelve must lie within the picture"


def test_a_solid_covers_what_is_nearer_its_axis_than_its_radius() -> None:
    solid = Solid.empty(64)
    start, end = np.array([12.0, 20.0]), np.array([50.0, 41.0])
    solid.add(start, end, (6.0, 6.0))

    y, x = np.mgrid[0:64, 0:64]
    spots = np.stack([x, y], -1).reshape(-1, 1, 2)
    axis = start + np.linspace(0, 1, 400)[:, None] * (end - start)
    distance = np.linalg.norm(spots - axis, axis=-1).min(1).reshape(64, 64)
    np.testing.assert_array_equal(solid.share() >= 0.5, distance <= 6.0)


def test_a_polygon_covers_its_area() -> None:
    share = filled(40, [np.array([[4.5, 4.5], [24.5, 4.5], [24.5, 14.5], [4.5, 14.5]])])
    # OpenCV draws the outline of what it fills, too: a third of a cell all round
    assert 200 <= share.sum() <= 200 + 0.4 * 60
    assert share[10, 10] == 1
    assert share[20, 20] == 0


def test_merged_layers_look_like_their_layers(scene: occluders.Scene) -> None:
    rng = np.random.default_rng(2)
    shares = rng.random((3, SIDE, SIDE), np.float32)
    layers = [Layer(rng.uniform(0, 255, 3).astype(np.float32), s, 12) for s in shares]
    apart, _ = _composed(scene, layers)
    together, _ = _composed(scene, [merged(layers)])
    np.testing.assert_allclose(together, apart, atol=0.05)


def test_half_covered_is_the_layers_less_is_what_was_there() -> None:
    share = np.zeros((8, 8), np.float32)
    share[:4], share[4] = 1.0, 0.4
    layer = Layer(np.zeros(3, np.float32), share, occluders.FRONT)
    picture, labels = put_before(
        np.full((8, 8, 3), 100, np.float32), np.ones((8, 8), np.uint8), layer
    )
    assert (labels[:4] == occluders.FRONT).all()
    assert (labels[4:] == 1).all()
    np.testing.assert_allclose(picture[4], 60.0)


def test_something_soft_leaves_a_band_that_nobody_owns() -> None:
    share = np.tile(np.linspace(0, 0.9, 64, dtype=np.float32), (8, 1))
    layer = Layer(np.zeros(3, np.float32), share, occluders.FRONT)
    _, labels = put_before(np.full((8, 64, 3), 100, np.float32), np.ones((8, 64), np.uint8), layer)
    np.testing.assert_array_equal(labels == IGNORED, (share > 0.2) & (share < 0.5))


def test_glasses_are_rims_and_dark_lenses_but_not_what_clear_ones_show(
    scene: occluders.Scene,
) -> None:
    clear = dark = 0
    left_eye = scene.points[[42, 45]].mean(0).round().astype(int)
    for seed in range(40):
        layers = worn.glasses(scene.points, SIDE, np.random.default_rng(seed))
        picture, labels = _composed(scene, layers)
        assert (labels == GLASSES).sum() > 10
        moved = np.abs(picture - scene.picture).max(-1)[left_eye[1], left_eye[0]]
        if labels[left_eye[1], left_eye[0]] == GLASSES:
            dark += 1
            assert moved > 20
        else:
            clear += 1
    assert clear > 10
    assert dark > 5
