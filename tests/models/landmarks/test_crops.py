"""Crops: their place, direction and sampling, against closed forms."""

from __future__ import annotations

import itertools
import math

import cv2
import numpy as np
import pytest

from models.landmarks import crops
from models.landmarks.topology import LEFT_EYE_AS_RIGHT, RIGHT_EYE


def _face(seed: int = 0) -> np.ndarray:
    """Roughly face-like points: eyes, mouth and jaw where they belong, with some noise."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0, np.pi, 17)
    jaw = np.stack([-np.cos(t), np.sin(t) * 1.2], 1)
    brows = np.stack([np.linspace(-0.8, 0.8, 10), np.full(10, -0.35)], 1)
    nose = np.stack([np.zeros(9), np.linspace(0, 0.5, 9)], 1)
    ring = np.linspace(np.pi, 3 * np.pi, 7)[:-1]
    eye = np.stack([np.cos(ring) * 0.2, np.sin(ring) * 0.08], 1)
    shift = np.array([0.5, 0.0])
    lips = np.linspace(np.pi, 3 * np.pi, 21)[:-1]
    mouth = np.stack([np.cos(lips) * 0.35, np.sin(lips) * 0.12 + 0.8], 1)
    points = np.concatenate([jaw, brows, nose, eye - shift, eye + shift, mouth])
    return (points + rng.normal(0, 0.002, points.shape)) * 60 + [150, 120]


def _turned(points: np.ndarray, angle: float) -> np.ndarray:
    c, s = math.cos(angle), math.sin(angle)
    return (points - 100) @ np.array([[c, s], [-s, c]]) + 100


def test_a_crop_is_centred_and_as_wide_as_asked() -> None:
    matrix = crops.similarity(np.array([50.0, 70.0]), 40.0, 0.0, (20, 10))
    # the left edge of the first pixel is u = -0.5, the right edge of the last u = 19.5
    left, right = crops.apply(matrix, np.array([[-0.5, 4.5], [19.5, 4.5]]))
    assert left.tolist() == pytest.approx([30.0, 70.0])
    assert right.tolist() == pytest.approx([70.0, 70.0])


@pytest.mark.parametrize("width_px", [8.0, 16.0, 40.0, 64.0], ids=lambda w: f"{w:g} px")
def test_sampling_reads_the_colour_of_the_place_it_maps_to(width_px: float) -> None:
    y, x = np.mgrid[0:128, 0:128]
    ramp = np.stack([x, y, x + y], axis=-1).astype(np.uint8)
    matrix = crops.similarity(np.array([63.0, 60.0]), width_px, 0.3, (16, 16))
    v, u = np.mgrid[0:16, 0:16]
    place = crops.apply(matrix, np.stack([u, v], axis=-1).astype(float))
    sampled = crops.sample_crop(ramp, matrix, (16, 16)).astype(float)
    # a linear ramp keeps its value under averaging; what is left is rounding
    assert np.abs(sampled[..., :2] - place).max() < 1.1


def test_shrinking_averages_instead_of_picking_pixels() -> None:
    board = ((np.indices((256, 256)).sum(axis=0) % 2) * 255).astype(np.uint8)
    image = np.repeat(board[..., None], 3, axis=-1)
    matrix = crops.similarity(np.array([127.5, 127.5]), 200.0, 0.4, (32, 32))
    small = crops.sample_crop(image, matrix, (32, 32)).astype(float)
    assert np.abs(small - 127.5).max() < 40
    assert small.std() < 12


@pytest.mark.parametrize("width_px", [60.0, 130.0, 250.0, 350.0], ids=lambda w: f"{w:g} px")
def test_a_much_shrunk_crop_is_the_mean_of_what_its_pixels_cover(width_px: float) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (100, 140, 3), dtype=np.uint8)
    image = cv2.resize(noise, (560, 400), interpolation=cv2.INTER_CUBIC)
    crop = crops.similarity(np.array([300.0, 190.0]), width_px, 0.3, (32, 32))
    found = crops.sample_crop(image, crop, (32, 32)).astype(float)
    # 16 x 16 points in each pixel, each read from the picture by itself
    inside = (np.arange(16) + 0.5) / 16 - 0.5
    at = np.arange(32)[:, None] + inside
    v, u = np.meshgrid(at.ravel(), at.ravel(), indexing="ij")
    x, y = np.moveaxis(crops.apply(crop, np.stack([u, v], axis=-1)), -1, 0).astype(np.float32)
    read = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    expected = read.reshape(32, 16, 32, 16, 3).astype(float).mean(axis=(1, 3))
    assert np.abs(found - expected).mean() < 0.03 * expected.std()
    assert np.abs(found.mean(axis=(0, 1)) - expected.mean(axis=(0, 1))).max() < 0.5


def test_the_face_crop_follows_a_turned_face() -> None:
    points = _face()
    crop = crops.face_crop(points, 128)
    turned = crops.face_crop(_turned(points, 0.5), 128)
    upright = crops.apply(crops.invert(crop), points)
    assert crops.apply(crops.invert(turned), _turned(points, 0.5)) == pytest.approx(
        upright, abs=1e-6
    )


def test_the_face_crop_holds_every_point_with_a_margin() -> None:
    inside = crops.apply(crops.invert(crops.face_crop(_face(), 128)), _face())
    assert inside.min() > 10
    assert inside.max() < 117


def test_the_left_eye_mirrored_looks_like_the_right_one() -> None:
    points = _face()
    middle = points[27:31, 0].mean()
    points[LEFT_EYE_AS_RIGHT] = points[RIGHT_EYE] * [-1, 1] + [2 * middle, 0]
    right = crops.apply(
        crops.invert(crops.eye_crop(points, (64, 64), left=False)), points[RIGHT_EYE]
    )
    left = crops.apply(
        crops.invert(crops.eye_crop(points, (64, 64), left=True)), points[LEFT_EYE_AS_RIGHT]
    )
    assert left == pytest.approx(right, abs=1e-6)


def test_an_open_mouth_still_fits_its_crop() -> None:
    points = _face()
    points[55:60, 1] += 40
    points[65:68, 1] += 40
    inside = crops.apply(crops.invert(crops.mouth_crop(points, (96, 64))), points[48:68])
    assert inside.min() > 4
    assert inside[:, 0].max() < 91
    assert inside[:, 1].max() < 59


def test_the_upper_face_places_a_crop_whatever_mouth_and_jaw_do() -> None:
    points = _face()
    usual, own = crops.upper_face_crop(points, 128), crops.face_crop(points, 128)
    inside = crops.apply(crops.invert(usual), points)
    assert inside.min() > 0
    assert inside.max() < 127
    side = np.linalg.norm([usual[:, 0], own[:, 0]], axis=1)
    assert 0.75 < side[0] / side[1] < 1.25
    points[:17] += 90
    points[48:] += 90
    assert crops.upper_face_crop(points, 128) == pytest.approx(usual)


@pytest.mark.parametrize("towards", [0.0, 255.0], ids=["black", "white"])
def test_a_faded_crop_gets_its_contrast_back(towards: float) -> None:
    picture = np.random.default_rng(2).uniform(10, 240, (64, 64, 3)).astype(np.float32)
    same = crops.Tone.of(picture)
    assert same(picture) is picture, "ordinary pictures are left as they are"
    for left in (0.3, 0.1, 0.03):
        faded = picture * left + towards * (1 - left)
        toned = crops.Tone.of(faded)(faded)
        low, high = np.percentile(toned, (2, 98))
        assert high - low == pytest.approx(crops.LEAST_RANGE, rel=0.05)
        assert low > -5
        assert high < 260


def test_a_blank_crop_stays_blank() -> None:
    for level in (0.0, 90.0, 255.0):
        blank = np.full((64, 64, 3), level, np.float32)
        assert np.array_equal(crops.Tone.of(blank)(blank), blank)


def test_tones_change_without_a_step() -> None:
    picture = np.random.default_rng(2).uniform(0, 255, (64, 64, 3)).astype(np.float32)
    found = [crops.Tone.of(picture * a)(picture * a) for a in np.linspace(1, 0.05, 96)]
    steps = [np.abs(b - a).max() for a, b in itertools.pairwise(found)]
    assert max(steps) < 4
