"""How a face is lit, how sharp and how noisy its picture is: found again where it is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pipeline.imaging.face_light import FaceLight, encoded, linear, noise, sharpness


def skin_under(slope: tuple[float, float, float], mean: float = 0.3) -> tuple[np.ndarray, ...]:
    """Normals of half a ball, and colours of matt skin on it, a tenth of them spots."""
    rng = np.random.default_rng(1)
    normals = rng.normal(size=(2000, 3))
    normals[:, 2] = np.abs(normals[:, 2]) + 0.3
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    luma = np.maximum(mean + normals @ np.array(slope), 0.01)
    colours = luma[:, None] * np.array([1.45, 0.9, 0.65])
    colours[::10] *= 0.3
    return normals.astype(np.float32), colours.astype(np.float32)


@pytest.mark.parametrize("slope", [(0.12, -0.1, 0.05), (-0.15, 0.0, 0.1), (0.0, -0.18, 0.0)])
def test_light_comes_from_where_skin_is_bright(slope: tuple[float, float, float]) -> None:
    light = FaceLight.of(*skin_under(slope))
    found = light.slope / light.mean
    assert np.abs(found[:2] - np.array(slope[:2]) / 0.3).max() < 0.12
    assert np.sign(light.direction[0]) == np.sign(slope[0]) or slope[0] == 0
    assert np.linalg.norm(light.direction) == pytest.approx(1, abs=1e-5)
    lit = light.on(np.array([light.direction, -light.direction]))
    assert lit[0] > lit[1] > 0


def test_the_brighter_the_skin_the_brighter_the_light() -> None:
    dim, bright = (FaceLight.of(*skin_under((0.05, -0.05, 0.05), mean)) for mean in (0.1, 0.3))
    assert bright.mean > 2 * dim.mean


def test_linear_light_and_its_encoding_undo_each_other() -> None:
    values = np.linspace(-1, 1, 41, dtype=np.float32)
    np.testing.assert_allclose(encoded(linear(values)), values, atol=1e-3)


@pytest.mark.parametrize("sigma", [0.6, 1.0, 1.8, 2.6])
def test_the_sharpness_of_edges_is_found(sigma: float) -> None:
    large = np.zeros((640, 640), np.float32)
    for k in range(6):
        cv2.circle(large, (100 * k + 60, 320), 40 + 5 * k, float(0.4 + 0.1 * (k % 3)), -1)
    large = cv2.GaussianBlur(large, (0, 0), 4 * sigma)
    found = sharpness(cv2.resize(large, (160, 160), interpolation=cv2.INTER_AREA))
    assert found == pytest.approx(sigma, rel=0.25)


def test_grain_is_measured_where_it_is_flat() -> None:
    rng = np.random.default_rng(0)
    picture = (0.5 + 0.012 * rng.normal(size=(120, 120))).astype(np.float32)
    assert noise(picture, np.ones((120, 120), bool)) == pytest.approx(0.012, rel=0.1)
    assert noise(picture, np.zeros((120, 120), bool)) == 0
