"""Training squares: labels move with their pictures, and the same number gives the same square."""

from __future__ import annotations

import numpy as np
import pytest

from models.parsing import augment, samples
from models.parsing.layers import IGNORED, Bytes
from models.parsing.net import LABELS, SIDE
from models.parsing.square import _PLACES, _POINTS

FRONT = LABELS.index("front")


@pytest.fixture(scope="module")
def pictures() -> samples.Pictures:
    """Two faces of coloured fields: a label's picture is its number times 20."""
    size = samples.PICTURE
    y, x = np.mgrid[0:size, 0:size]
    first = np.where((x - 128) ** 2 + (y - 130) ** 2 < 70**2, LABELS.index("skin"), 0)
    first[200:] = LABELS.index("clothes")
    second = np.where(y > x, LABELS.index("hair"), LABELS.index("neck"))
    labels = np.stack([first, second]).astype(np.uint8)
    images = np.repeat(labels[..., None] * 20, 3, -1).astype(np.uint8)
    points = np.full((2, 68, 2), size / 2, np.float32)
    points[:, list(_POINTS)] = (np.array(_PLACES) * 0.8 + 1) * size / 2 - 0.5
    weights = np.full_like(labels, 255)
    odds = np.array([0.5, 0.5])
    return samples.Pictures(images, labels, weights, points, odds, samples._squares(points))


def _agree(picture: Bytes, labels: Bytes) -> float:
    """Share of pixels, away from edges, whose colour is that of their label."""
    grey = picture[..., 0].astype(int)
    flat = np.ones(grey.shape, bool)
    for shift in (-2, 2):
        for axis in (0, 1):
            flat &= np.roll(labels, shift, axis) == labels
    flat &= (labels != IGNORED) & (labels != FRONT)
    return float((np.abs(grey[flat] - labels[flat].astype(int) * 20) < 4).mean())


@pytest.mark.parametrize("seed", range(8))
def test_labels_move_with_their_picture(pictures: samples.Pictures, seed: int) -> None:
    unit = samples._joined(
        pictures.square[seed % 2], augment.view(augment.Jitter(), np.random.default_rng(seed))
    )
    matrix = augment.to_pixels(unit, SIDE, samples.PICTURE)
    picture = augment.warped(pictures.images[seed % 2], matrix, SIDE)
    labels = augment.warped(pictures.labels[seed % 2], matrix, SIDE, outside=IGNORED)
    assert (labels != IGNORED).mean() > 0.4
    assert _agree(picture, labels) > 0.999


@pytest.mark.parametrize("seed", range(8))
def test_landmarks_move_with_their_picture(pictures: samples.Pictures, seed: int) -> None:
    unit = samples._joined(
        pictures.square[0], augment.view(augment.Jitter(), np.random.default_rng(seed))
    )
    matrix = augment.to_pixels(unit, SIDE, samples.PICTURE)
    dot = np.zeros((samples.PICTURE, samples.PICTURE), np.float32)
    x, y = pictures.points[0, 45].round().astype(int)
    dot[y - 2 : y + 3, x - 2 : x + 3] = 1
    found = augment.warped(dot, matrix, SIDE)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    middle = np.array([(columns * found).sum(), (rows * found).sum()]) / found.sum()
    moved = samples.moved(pictures.points[0], matrix)
    is_mirrored = np.linalg.det(matrix[:, :2]) < 0
    assert np.abs(moved[36 if is_mirrored else 45] - middle).max() < 0.7


def test_without_jitter_a_square_is_the_one_that_landmarks_give(pictures: samples.Pictures) -> None:
    matrix = augment.to_pixels(pictures.square[0], SIDE, samples.PICTURE)
    moved = samples.moved(pictures.points[0], matrix)[list(_POINTS)]
    np.testing.assert_allclose((moved + 0.5) * 2 / SIDE - 1, _PLACES, atol=2e-3)


def test_things_and_places_change_pictures_and_labels_alike(
    pictures: samples.Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(augment, "degraded", lambda p, rng: p.clip(0, 255).astype(np.uint8))
    monkeypatch.setattr(samples, "_shadowed", lambda picture, share, rng: picture)
    agreeing = []
    for seed in range(30):
        picture, labels, sure = samples.make(pictures, np.random.default_rng(seed))
        assert picture.shape == (SIDE, SIDE, 3)
        assert labels.shape == sure.shape == (SIDE, SIDE)
        assert set(np.unique(labels)) <= {*range(len(LABELS)), IGNORED}
        assert (sure[labels == IGNORED] == 0).all()
        assert (sure[labels == FRONT] == 255).all()
        person = np.where(labels == 0, IGNORED, labels)
        agreeing.append(_agree(picture, person.astype(np.uint8)))
    # thin smoke and tinted lenses change colours, not labels
    assert np.median(agreeing) > 0.99


def test_the_same_number_gives_the_same_squares(pictures: samples.Pictures) -> None:
    first, again = (samples.batch(pictures, 5, 12, 3) for _ in range(2))
    other = samples.batch(pictures, 5, 13, 3)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert (first[0] != other[0]).any()
