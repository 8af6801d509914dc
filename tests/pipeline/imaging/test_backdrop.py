"""The room behind a person is what it was before the person came."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.imaging.backdrop import Backdrop, depth_of, sampled

Floats = NDArray[np.float32]
SIDE, RADIUS, EYES, CELL, RIM = 160, 48, 100.0, 2, 2.0
AWAY = np.hypot(*np.mgrid[-SIDE // 2 : SIDE // 2, -SIDE // 2 : SIDE // 2].astype(np.float32) + 0.5)
PERSON = AWAY < RADIUS


def stripes(angle_deg: float, width: float = 30.0) -> Floats:
    """(S, S, 3) a room of soft-edged stripes along a direction."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    turn = np.radians(angle_deg)
    across = np.sin(2 * np.pi * (y * np.cos(turn) - x * np.sin(turn)) / width)
    return np.array([0.5, 0.3, 0.2], np.float32) * np.clip(3 * across, -1, 1)[..., None].astype(
        np.float32
    )


def behind(room: Floats) -> tuple[Floats, Floats, Floats]:
    """What is found of a room behind a red disc, and what was there, up to 10 px inside; and in
    which direction [degrees] from the disc's middle."""
    picture = np.where(PERSON[..., None], np.array([0.8, -0.5, -0.5], np.float32), room).astype(
        np.float32
    )
    size = (SIDE // CELL, SIDE // CELL)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    person = cv2.resize(PERSON.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    depth = depth_of(person, CELL, RIM)
    found = Backdrop.of(picture, small, depth, depth > -CELL, eyes=EYES)
    rows, columns = np.nonzero(PERSON & (AWAY > RADIUS - 10))
    seen = found.at(columns.astype(np.float32), rows.astype(np.float32))
    return seen, room[rows, columns], np.degrees(np.arctan2(rows - SIDE / 2, columns - SIDE / 2))


@pytest.mark.parametrize("angle_deg", [0, 90, 20, 65, 45])
def test_stripes_go_on_behind_a_person(angle_deg: float) -> None:
    found, was, direction = behind(stripes(angle_deg))
    # Where stripes only touch the disc, nobody can know how they go on.
    aslant = np.abs((direction - angle_deg + 90) % 180 - 90)
    off = np.abs(found - was)[aslant < 50]
    assert off.mean() < 0.2 * np.abs(was - was.mean(0)).mean()


def test_a_plain_room_stays_plain() -> None:
    found, was, _ = behind(np.full((SIDE, SIDE, 3), 0.25, np.float32))
    assert np.abs(found - was).max() < 1e-4


def test_a_room_between_two_parts_of_a_person_is_not_the_person() -> None:
    room = np.full((SIDE, SIDE, 3), 0.25, np.float32)
    person = PERSON.copy()
    person[:, 140:] = True
    picture = np.where(person[..., None], np.array([0.8, -0.5, -0.5], np.float32), room).astype(
        np.float32
    )
    size = (SIDE // CELL, SIDE // CELL)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    depth = depth_of(person[::CELL, ::CELL], CELL, RIM)
    found = Backdrop.of(picture, small, depth, depth > -CELL, eyes=EYES)
    rows, columns = np.nonzero(PERSON & (AWAY > RADIUS - 6))
    seen = found.at(columns.astype(np.float32), rows.astype(np.float32))
    assert np.abs(seen - 0.25).max() < 0.02


def test_places_are_sampled_as_opencv_samples_a_picture() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(30, 40, 3)).astype(np.float32)
    x, y = (rng.uniform(3, high, 9001).astype(np.float32) for high in (36, 26))
    assert np.allclose(
        sampled(values, np.round(x), np.round(y)),
        values[np.round(y).astype(int), np.round(x).astype(int)],
        atol=1e-5,
    )
    low = x.astype(int), y.astype(int)
    share_x, share_y = (x - low[0])[:, None], (y - low[1])[:, None]
    above = values[low[1], low[0]] * (1 - share_x) + values[low[1], low[0] + 1] * share_x
    below = values[low[1] + 1, low[0]] * (1 - share_x) + values[low[1] + 1, low[0] + 1] * share_x
    linear = above * (1 - share_y) + below * share_y
    assert np.abs(sampled(values, x, y, 1, cv2.INTER_LINEAR) - linear).max() < 0.15  # in 32nds
    coarse = sampled(values, 4 * x + 1.5, 4 * y + 1.5, 4)
    assert np.abs(coarse - linear).max() < 0.15
    assert sampled(values, x[:0], y[:0]).shape == (0, 3)
