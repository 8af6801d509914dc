"""Where a parsing hesitates, an edit stretches the picture and tears nothing."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.imaging.coarse_matte import Moved
from pipeline.imaging.guesses import Guesses
from pipeline.imaging.matting import Matte, cell_of

Floats = NDArray[np.float32]
SIDE, EYES, FAR = 240, 160.0, 6.0
CELL = cell_of(EYES)
X = np.broadcast_to(np.arange(SIDE, dtype=np.float32), (SIDE, SIDE))


def share(width: float) -> Floats:
    """Of cells: a person on the left, who ends within some pixels in the middle."""
    fine = np.clip((SIDE / 2 - X) / width + 0.5, 0, 1).astype(np.float32)
    return cv2.resize(fine, (SIDE // CELL, SIDE // CELL), interpolation=cv2.INTER_AREA)


def crowded() -> Floats:
    """(S, S, 3) a room full of edges, as dark and as light as the person before it."""
    rng = np.random.default_rng(0)
    soft = cv2.GaussianBlur(rng.normal(size=(SIDE, SIDE, 3)).astype(np.float32), (0, 0), 4)
    return np.tanh(60 * soft) * np.float32(0.7)


def shifted(picture: Floats, given: Floats) -> Floats:
    """What an edit that moves everything to the left leaves of a picture, its room kept still."""
    moved = Moved(
        source=picture.transpose(2, 0, 1).copy(),
        edited=np.roll(picture, -int(FAR), 1).transpose(2, 0, 1).copy(),
        shifts=np.stack([np.full_like(X, FAR), np.zeros_like(X)]),
        mask=np.where(X < SIDE - FAR, 1, 0).astype(np.float32),
        corner=(0, 0),
    )
    matte = Matte.of(picture, given, np.full_like(given, FAR), EYES)
    matte.still_room(moved)
    return moved.edited


def test_an_outline_is_no_guess() -> None:
    assert Guesses.of(share(8.0), EYES / CELL) is None


def test_what_is_half_a_person_shows_nothing_that_was_not_beside_it() -> None:
    picture = crowded()
    way = np.ones((1, 2 * int(FAR) + 1), np.uint8)
    low, high = cv2.erode(picture, way), cv2.dilate(picture, way)
    result = shifted(picture, share(90.0)).transpose(1, 2, 0)
    strange = (result < low - 0.1) | (result > high + 0.1)
    assert strange[10:-10, 40:200].mean() < 0.001


def test_what_is_surely_room_stays_and_what_is_surely_the_person_moves() -> None:
    picture = crowded()
    result = shifted(picture, share(90.0)).transpose(1, 2, 0)
    room, person = slice(180, 230), slice(10, 60)
    assert np.array_equal(result[:, room], picture[:, room])
    assert np.allclose(result[:, person], np.roll(picture, -int(FAR), 1)[:, person], atol=1e-5)


def test_between_person_and_room_the_way_falls_evenly() -> None:
    # Brightness that says where it comes from.
    picture = np.repeat((X / SIDE - 0.5)[..., None], 3, 2).astype(np.float32)
    result = (shifted(picture, share(90.0))[0] + 0.5) * SIDE
    way = (result - X)[120, 30:210]
    assert way.min() > -0.2
    assert way.max() < FAR + 0.2
    assert np.diff(way).min() > -0.5
    assert np.diff(way).max() < 0.1
