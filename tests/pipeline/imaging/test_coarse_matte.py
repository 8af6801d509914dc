"""The coarse matte: where the room begins, and where an edit moves it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.imaging.coarse_matte import Coarse, Moved

Floats = NDArray[np.float32]
CELL, EYES, SIDE = 2, 80.0, 160
CORNER = (20, 30)
PERSON = 60
"""Where the person begins in the window, to the right of the room [px]."""


def seen() -> Coarse:
    shares = np.zeros((SIDE // CELL, SIDE // CELL), np.float32)
    shares[:, PERSON // CELL :] = 1
    return Coarse.of(shares, CORNER, CELL, EYES)


def moved(shifts: Floats, *, inset: int = 7) -> Moved:
    """A part of the window, `inset` pixels within it, grey and made white."""
    side = SIDE - 2 * inset
    grey, white = (np.full((3, side, side), v, np.float32) for v in (0.0, 1.0))
    at = slice(inset, SIDE - inset)
    mask = np.ones((side, side), np.float32)
    corner = (CORNER[0] + inset, CORNER[1] + inset)
    return Moved(grey, white, shifts[:, at, at], mask, corner)


def shifts(rows: slice, columns: slice, far: float) -> Floats:
    out = np.zeros((2, SIDE, SIDE), np.float32)
    out[0, rows, columns] = far
    return out


def test_what_moves_within_the_person_moves_no_room() -> None:
    inside = shifts(slice(20, 60), slice(PERSON + 40, PERSON + 70), 5.0)
    assert seen().moving(moved(inside)) is None


def test_what_hardly_moves_the_room_does_not_count() -> None:
    anywhere = slice(0, SIDE)
    assert seen().moving(moved(shifts(anywhere, anywhere, 0.05))) is None
    assert seen().moving(moved(shifts(anywhere, anywhere, 0.2))) is not None


def test_the_part_that_moves_room_holds_all_of_it() -> None:
    found = seen().moving(moved(shifts(slice(41, 83), slice(50, 131), 3.0)))
    assert found is not None
    rows, columns = found
    assert 41 - CELL <= rows.start - CORNER[1] <= 41 + CELL
    assert 83 - CELL <= rows.stop - CORNER[1] <= 83 + CELL
    assert columns.start - CORNER[0] <= 50 + CELL
    # What the person uncovers is room, as far as they move; what lies deeper is not.
    assert PERSON + 3 < columns.stop - CORNER[0] < 120


def test_room_is_put_back_beside_that_part_and_the_person_is_not() -> None:
    part = moved(np.zeros((2, SIDE, SIDE), np.float32))
    rows, columns = part.window
    but = slice(rows.start + 20, rows.start + 30), slice(columns.start, columns.start + 12)
    seen().still_room(part, but)
    edge = CORNER[0] + PERSON - columns.start
    kept = part.edited.copy()
    assert (kept[:, 20:30, :12] == 1).all()
    kept[:, 20:30, :12] = 0
    assert (kept[:, :, : edge - 8] == 0).all()
    assert (kept[:, :, edge + 8 :] == 1).all()
    assert (np.diff(kept[0, 50, edge - 8 : edge + 8]) >= 0).all()


def test_cells_are_told_how_far_they_and_their_neighbours_move() -> None:
    one = shifts(slice(40, 42), slice(60, 62), 4.0)
    part = moved(one)
    assert seen().far(part)[20, 30] == 4
    whole = (slice(CORNER[1], CORNER[1] + SIDE), slice(CORNER[0], CORNER[0] + SIDE))
    near = seen().reached(part, *whole)
    assert near.shape == (SIDE // CELL, SIDE // CELL)
    assert (near[18:23, 28:33] == 4).all()
    assert near.sum() == 4 * 25
