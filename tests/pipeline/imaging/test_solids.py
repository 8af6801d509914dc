"""Drawing triangles: the fast way shows what comparing depths shows, and covers what it should."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.imaging.solids import NONE, View


def a_ball(centre: tuple[float, float, float], radius: float) -> tuple[np.ndarray, np.ndarray]:
    """A ball of small triangles, as seen from outside."""
    down, around = np.meshgrid(np.linspace(0, np.pi, 25), np.arange(48) * np.pi / 24, indexing="ij")
    points = np.stack([np.sin(down) * np.cos(around), np.cos(down), np.sin(down) * np.sin(around)])
    at = np.arange(25 * 48).reshape(25, 48)
    at = np.concatenate([at, at[:, :1]], 1)
    a, b, c, d = (at[r, k].ravel() for r, k in ((slice(24), slice(48)), (slice(1, 25), slice(48)),
                  (slice(1, 25), slice(1, 49)), (slice(24), slice(1, 49))))  # fmt: skip
    faces = np.concatenate([np.stack([a, c, b], 1), np.stack([a, d, c], 1)])
    return points.reshape(3, -1).T * radius + centre, faces


@pytest.fixture(scope="module")
def scene() -> View:
    """Two balls, one before a part of the other."""
    near, far = a_ball((40.3, 30.8, 20), 18.4), a_ball((62.1, 36.2, -8), 25.2)
    corners = np.concatenate([near[0], far[0]]).astype(np.float32)
    return View(corners, np.concatenate([near[1], far[1] + len(near[0])]))


def test_the_nearest_triangle_is_seen(scene: View) -> None:
    fast, slow = (scene.ids((72, 100), scene.facing(), impl=impl) for impl in ("fast", "ref"))
    # OpenCV fills every sample that an edge touches: half a sample more all round.
    ball = len(scene.faces) // 2
    both = (fast != NONE) & (slow != NONE)
    assert both.sum() > 0.95 * (fast != NONE).sum()
    assert ((fast < ball) == (slow < ball))[both].mean() > 0.98
    depths = scene.depth(fast)[both], scene.depth(slow)[both]
    assert np.median(np.abs(depths[0] - depths[1])) < 0.1
    assert np.isneginf(scene.depth(fast)[fast == NONE]).all()


def test_only_outsides_face_the_camera(scene: View) -> None:
    front = scene.corners[scene.faces[scene.facing()]].mean(1)
    half = len(scene.faces) // 2
    near = front[scene.faces[scene.facing()].max(1) < scene.faces[:half].max() + 1]
    assert (near[:, 2] > 20 - 0.5).all()
    assert abs(scene.facing()[:half].mean() - 0.5) < 0.05


def test_values_between_corners_are_mixed_by_distance() -> None:
    corners = np.array([[0, 0, 0], [40, 0, 0], [0, 40, 0]], np.float32)
    view = View(corners, np.array([[0, 1, 2]]))
    x, y = np.array([10.0, 20, 5], np.float32), np.array([10.0, 5, 30], np.float32)
    numbers = np.zeros(3, np.int32)
    shares = view.shares(numbers, x, y)
    values = np.array([[0.0, 1], [40, 1], [0, 1]], np.float32)
    np.testing.assert_allclose(
        view.at(values, numbers, shares), np.stack([x, x * 0 + 1], 1), atol=1e-4
    )


def test_what_lies_beyond_the_picture_is_not_drawn(scene: View) -> None:
    away = View(scene.corners + np.array([500, 0, 0], np.float32), scene.faces)
    assert (away.ids((72, 100)) == NONE).all()
