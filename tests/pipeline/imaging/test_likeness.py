"""Cells that differ, and figures of likeness, against the same counted plainly pixel by pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.imaging.likeness import (
    CELL_PX,
    Cells,
    Likeness,
    cells_from_text,
    cells_to_text,
    changed_cells,
    likeness,
    no_cells,
)

RNG = np.random.default_rng(12)


def plain(one: NDArray[np.generic], other: NDArray[np.generic], cells: Cells) -> Likeness:
    """Return the same, by loops."""
    height, width = one.shape
    a, b = one.astype(np.float64), other.astype(np.float64)
    off = [
        abs(a[y, x] - b[y, x])
        for y in range(height)
        for x in range(width)
        if cells[y // CELL_PX, x // CELL_PX]
    ]
    ssims = []
    for y in range(0, height - 7, 8):
        for x in range(0, width - 7, 8):
            if cells[y // CELL_PX, x // CELL_PX]:
                p, q = a[y : y + 8, x : x + 8], b[y : y + 8, x : x + 8]
                c1, c2 = 2.55**2, 7.65**2
                common = ((p - p.mean()) * (q - q.mean())).mean()
                above = (2 * p.mean() * q.mean() + c1) * (2 * common + c2)
                below = (p.mean() ** 2 + q.mean() ** 2 + c1) * (p.var() + q.var() + c2)
                ssims.append(above / below)
    return Likeness(
        len(off), max(off), sum(off), sum(d * d for d in off), len(ssims), float(sum(ssims))
    )


@pytest.mark.parametrize("size", [(48, 64), (37, 41), (7, 90)])
def test_likeness_is_what_loops_over_pixels_find(size: tuple[int, int]) -> None:
    one = RNG.integers(0, 256, size, dtype=np.uint8)
    other = np.clip(one + RNG.normal(0, 9, size), 0, 255).round().astype(np.uint8)
    cells = RNG.random(no_cells(*size).shape) < 0.6
    cells[0, 0] = True
    found, expected = likeness(one, other, cells), plain(one, other, cells)
    for name in Likeness.__slots__:
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-4)


def test_ten_bits_are_told_in_grey_levels_of_eight() -> None:
    one = RNG.integers(0, 256, (32, 32), dtype=np.uint8)
    other = np.clip(one.astype(int) + 3, 0, 255).astype(np.uint8)
    cells = ~no_cells(32, 32)
    eight = likeness(one, other, cells)
    deep = [
        (plane.astype(np.float64) * 1023 / 255).round().astype(np.uint16) for plane in (one, other)
    ]
    ten = likeness(deep[0], deep[1], cells, bits=10)
    assert ten.psnr == pytest.approx(eight.psnr, abs=0.5)
    assert ten.ssim == pytest.approx(eight.ssim, abs=1e-3)


def test_nothing_to_compare_and_nothing_that_differs() -> None:
    one = RNG.integers(0, 256, (32, 32), dtype=np.uint8)
    assert likeness(one, one, no_cells(32, 32)) == Likeness()
    same = likeness(one, one, ~no_cells(32, 32))
    assert (same.psnr, same.largest, same.mean) == (math.inf, 0, 0)
    assert same.ssim == pytest.approx(1)
    assert Likeness().ssim == 1


@pytest.mark.parametrize(("height", "width"), [(48, 64), (35, 51)])
def test_a_sample_of_any_plane_marks_its_cell_and_no_other(height: int, width: int) -> None:
    luma = RNG.integers(0, 256, (height, width), dtype=np.uint8)
    chroma = [RNG.integers(0, 256, (-(-height // 2), -(-width // 2)), np.uint8) for _ in range(2)]
    before = (luma, *chroma)
    assert not changed_cells(before, before).any()
    assert not changed_cells(before, tuple(plane.copy() for plane in before)).any()
    for number, (y, x) in ((0, (17, 33)), (1, (8, 16)), (2, (-1, -1))):
        after = [plane.copy() for plane in before]
        after[number][y, x] ^= 1
        cells = changed_cells(before, after)
        row, column = (after[number].shape[k] + v if v < 0 else v for k, v in enumerate((y, x)))
        step = CELL_PX if number == 0 else CELL_PX // 2
        assert np.argwhere(cells).tolist() == [[row // step, column // step]]


def test_cells_become_text_and_back() -> None:
    cells = RNG.random((7, 13)) < 0.3
    text = cells_to_text(cells)
    assert (cells_from_text(text, 7 * CELL_PX - 3, 13 * CELL_PX) == cells).all()
    assert cells_to_text(no_cells(100, 100)) == ""
    assert not cells_from_text("", 100, 100).any()
