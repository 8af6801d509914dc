"""A person is told from the room to a pixel, and moves without it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.imaging.coarse_matte import Moved
from pipeline.imaging.matting import Matte, cell_of

Floats = NDArray[np.float32]
SIDE, RADIUS, EYES = 240, 70, 120.0
CELL = cell_of(EYES)
Y, X = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) - (SIDE - 1) / 2
AWAY = np.hypot(X, Y)


def disc(radius: Floats | float) -> Floats:
    """(S, S) 0–1: a disc with an edge two pixels wide."""
    return np.clip((radius - AWAY) / 2 + 0.5, 0, 1).astype(np.float32)


def textured(seed: int, colour: tuple[float, float, float]) -> Floats:
    """(S, S, 3) a soft texture about a colour."""
    noise = np.random.default_rng(seed).normal(size=(SIDE, SIDE, 3)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 3)
    return np.array(colour, np.float32) + 0.05 * soft / soft.std()


def room() -> Floats:
    """(S, S, 3) a wall with dark level bars, as dark as the person is."""
    wall = textured(1, (0.5, 0.45, 0.4))
    bars = np.clip(4 - np.abs((Y + 200) % 60 - 30), 0, 1)[..., None]
    return (wall + bars * (np.array([-0.5, -0.5, -0.5], np.float32) - wall)).astype(np.float32)


ROOM, BODY = room(), textured(2, (-0.45, -0.5, -0.55))
TRUTH = disc(RADIUS)
PICTURE = (TRUTH[..., None] * BODY + (1 - TRUTH[..., None]) * ROOM).astype(np.float32)


def coarse(matte: Floats, *, shift: int = 0) -> Floats:
    """What a parsing says: soft, on cells, and a little beside."""
    soft = cv2.GaussianBlur(np.roll(matte, shift, 1), (0, 0), 3)
    return cv2.resize(soft, (SIDE // CELL, SIDE // CELL), interpolation=cv2.INTER_AREA)


def found(*, shift: int = 0, far: float = 8.0) -> Matte:
    share = coarse(TRUTH, shift=shift)
    return Matte.of(PICTURE, share, np.full_like(share, far), EYES)


@pytest.mark.parametrize("shift", [0, 2, -2])
def test_the_edge_is_found_where_the_picture_has_it(shift: int) -> None:
    band = np.abs(AWAY - RADIUS) < 8
    given = cv2.GaussianBlur(np.roll(TRUTH, shift, 1), (0, 0), 3)
    before, after = (np.abs(m - TRUTH)[band].mean() for m in (given, found(shift=shift).values))
    assert after < 0.5 * before


def test_a_bar_of_the_room_that_ends_at_the_person_is_not_of_the_person() -> None:
    bars = (np.abs((Y + 200) % 60 - 30) < 3) & (np.abs(Y) < 0.6 * RADIUS)
    beside = bars & (AWAY > RADIUS + 3) & (AWAY < RADIUS + 12)
    assert beside.sum() > 100
    assert found().values[beside].mean() < 0.1


def narrowed(by: float) -> tuple[Floats, Floats]:
    """The picture with everything drawn to the middle, and the shifts: the disc shrinks to 1 - by
    of its size, and far out nothing moves."""
    fade = np.clip((1.5 * RADIUS - AWAY) / (0.5 * RADIUS), 0, 1)
    grow = 1 / (1 - by) - 1
    shifts = np.stack([X, Y]) * grow * fade
    x, y = (v.astype(np.float32) for v in (X + shifts[0], Y + shifts[1]))
    middle = (SIDE - 1) / 2
    carried = cv2.remap(PICTURE, x + middle, y + middle, cv2.INTER_CUBIC)
    return carried, shifts.astype(np.float32)


def stilled(edited: Floats, shifts: Floats, *, low: int = 0) -> Floats:
    """(S, S, 3) an edit of the picture from a row and column on, with the room put back."""
    planes = np.ascontiguousarray(edited[low:, low:].transpose(2, 0, 1))
    source = np.ascontiguousarray(PICTURE[low:, low:].transpose(2, 0, 1))
    moved = Moved(
        source, planes, shifts[:, low:, low:], np.ones(planes.shape[1:], np.float32), (low, low)
    )
    found().still_room(moved)
    out = edited.copy()
    out[low:, low:] = planes.transpose(1, 2, 0)
    return out


def test_a_person_that_narrows_uncovers_the_room_as_it_goes_on() -> None:
    carried, shifts = narrowed(0.1)
    out = stilled(carried, shifts)
    away = AWAY > RADIUS + 12
    assert np.array_equal(out[away], PICTURE[away]), "the room is the source's, to the bit"
    inside = AWAY < 0.9 * RADIUS - 12
    assert np.abs(out - carried)[inside].max() < 1e-5
    x, y = (v.astype(np.float32) for v in (X + shifts[0], Y + shifts[1]))
    middle = (SIDE - 1) / 2
    share = cv2.remap(TRUTH, x + middle, y + middle, cv2.INTER_LINEAR)[..., None]
    body = cv2.remap(BODY, x + middle, y + middle, cv2.INTER_LINEAR)
    truth = share * body + (1 - share) * ROOM
    strip = (AWAY > 0.9 * RADIUS - 3) & (AWAY < RADIUS + 3) & (np.abs(X) > 0.6 * RADIUS)
    assert np.abs(out - truth)[strip].mean() < 0.06
    assert np.abs(out - truth)[strip].mean() < 0.3 * np.abs(carried - truth)[strip].mean()


def test_a_person_that_grows_covers_the_room_and_takes_nothing_along() -> None:
    carried, shifts = narrowed(-0.1)
    out = stilled(carried, shifts)
    away = AWAY > 1.1 * RADIUS + 12
    assert np.array_equal(out[away], PICTURE[away])
    inside = AWAY < 1.1 * RADIUS - 6
    assert np.quantile(np.abs(out - carried)[inside], 0.99) < 0.02


def test_a_change_of_colour_is_the_person_s_alone() -> None:
    brighter = PICTURE + np.float32(0.2)
    out = stilled(brighter, np.zeros((2, SIDE, SIDE), np.float32))
    room_only, person = AWAY > RADIUS + 12, AWAY < RADIUS - 12
    assert np.array_equal(out[room_only], PICTURE[room_only])
    assert np.array_equal(out[person], brighter[person])


def test_a_part_of_a_picture_is_treated_as_in_the_whole() -> None:
    carried, shifts = narrowed(0.1)
    whole, part = stilled(carried, shifts), stilled(carried, shifts, low=37)
    assert np.array_equal(whole[37:, 37:], part[37:, 37:])


def test_a_picture_without_a_person_stays_as_it_was() -> None:
    share = np.zeros((SIDE // CELL, SIDE // CELL), np.float32)
    matte = Matte.of(PICTURE, share, share, EYES)
    planes = np.ascontiguousarray((PICTURE + np.float32(0.1)).transpose(2, 0, 1))
    source = np.ascontiguousarray(PICTURE.transpose(2, 0, 1))
    still = np.zeros((2, SIDE, SIDE), np.float32)
    matte.still_room(Moved(source, planes, still, np.ones((SIDE, SIDE), np.float32), (0, 0)))
    assert np.array_equal(planes, source)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_without_a_person_or_without_a_room_there_is_nothing_to_exchange(level: float) -> None:
    share = np.full((SIDE // CELL, SIDE // CELL), level, np.float32)
    # A little doubt, as within hair: what is not quite the person is before no room at all.
    share[40:44, 40:44] += 0.18 * (0.5 - level)
    carried, shifts = narrowed(0.1)
    edited = carried.transpose(2, 0, 1).copy()
    source = PICTURE.transpose(2, 0, 1).copy()
    part = Moved(source, edited.copy(), shifts, np.ones((SIDE, SIDE), np.float32), (0, 0))
    Matte.of(PICTURE, share, np.full_like(share, 8.0), EYES).still_room(part)
    expected = edited if level else source
    assert np.abs(part.edited - expected).max() < 0.1
