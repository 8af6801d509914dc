"""The matte of a person as a parsing tells it, on a coarse grid: where the room begins, and where
so little of it is moved that more need not be known.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

_DOUBT: Final = 0.015
"""Sigma of how far beside the given share the edge may lie [outer eye distances]."""
_NONE, _SOME = 0.06, 0.25
"""Shares, so blurred, up to which there is certainly nothing of a person, and from which on the
picture decides; from 1 less these on it is certainly the person."""
_STILL: Final = 1 / 16
"""Movement [px] of which nobody sees whether the room goes along."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What an edit made of a part (h, w) of a picture."""

    source: Floats
    """(3, h, w) [-1, 1], as it was."""
    edited: Floats
    """(3, h, w) [-1, 1]."""
    shifts: Floats
    """(2, h, w) x, y [px] from every pixel to where it was moved from."""
    mask: Floats
    """(h, w), above 0 where it counts."""
    corner: tuple[int, int]
    """x, y [px of the picture] of the part's first pixel."""

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the picture."""
        (x, y), (height, width) = self.corner, self.mask.shape
        return slice(y, y + height), slice(x, x + width)

    def origins(self) -> Floats:
        """Return x, y [px of the picture] where every pixel was moved from, (2, h, w)."""
        rows, columns = self.window
        out = self.shifts.copy()
        out[0] += np.arange(columns.start, columns.stop, dtype=np.float32)
        out[1] += np.arange(rows.start, rows.stop, dtype=np.float32)[:, None]
        return out

    def part(self, rows: slice, columns: slice) -> Moved:
        """Return the part of it within rows and columns of the picture, which it holds."""
        x, y = self.corner
        at = slice(rows.start - y, rows.stop - y), slice(columns.start - x, columns.stop - x)
        source, edited, shifts = (v[:, *at] for v in (self.source, self.edited, self.shifts))
        return Moved(source, edited, shifts, self.mask[at], (columns.start, rows.start))

    def seen_from(self, x: int, y: int) -> Moved:
        """Return the same as a part of a picture that begins at a pixel of this one."""
        return dataclasses.replace(self, corner=(self.corner[0] - x, self.corner[1] - y))


@dataclass(frozen=True, slots=True)
class Band:
    """Where a share leaves in doubt what is the person, on cells."""

    low: Floats
    """(h, w) 0–1, at least so much is the person …"""
    high: Floats
    """… and at most so much."""

    @classmethod
    def round(cls, share: Floats, eyes: float) -> Band:
        """Return the band round the edges of a share (h, w)."""
        soft = cv2.GaussianBlur(share, (0, 0), max(_DOUBT * eyes, 0.5))
        high = np.clip((soft - _NONE) / (_SOME - _NONE), 0, 1)
        return cls(np.clip((soft - 1 + _SOME) / (_SOME - _NONE), 0, 1), high)

    @property
    def doubt(self) -> Flags:
        """(h, w) bool."""
        return np.asarray((self.high > 0) & (self.low < 1))

    def pixels(self, shape: tuple[int, ...]) -> NDArray[np.intp]:
        """Return the flat indices (P,) of pixels in doubt, of a picture of some height and
        width."""
        fine = cv2.resize(self.doubt.view(np.uint8), shape[::-1], interpolation=cv2.INTER_NEAREST)
        return np.flatnonzero(fine.view(np.bool_))


@dataclass(frozen=True, slots=True)
class Coarse:
    """What a parsing says of a person in a window of a picture."""

    shares: Floats
    """(h, w) 0–1, the person in the middle of each cell."""
    band: Band
    corner: tuple[int, int]
    """x, y [px of the picture] of the window's first pixel, at the edge of a cell."""
    cell: int
    """Side of a cell [px]."""

    @classmethod
    def of(cls, shares: Floats, corner: tuple[int, int], cell: int, eyes: float) -> Coarse:
        """Return it for shares (h, w) of cells and an outer eye distance [px]."""
        return cls(shares, Band.round(shares, eyes / cell), corner, cell)

    def far(self, moved: Moved) -> Floats:
        """Return how far each cell (h, w) is moved [px]; not at all beyond the part that is."""
        x, y = (v - w for v, w in zip(moved.corner, self.corner, strict=True))
        first_x, first_y = -x % self.cell, -y % self.cell
        shift_x, shift_y = moved.shifts[:, first_y :: self.cell, first_x :: self.cell]
        away, out = np.sqrt(shift_x * shift_x + shift_y * shift_y), np.zeros_like(self.shares)
        top, left = (y + first_y) // self.cell, (x + first_x) // self.cell
        part = out[top : top + len(away), left : left + away.shape[1]]
        part[:] = away[: len(part), : part.shape[1]]
        return out

    def moving(self, moved: Moved) -> tuple[slice, slice] | None:
        """Return the rows and columns [px of the picture] of the part in which there is room that
        may be moved visibly; None: nowhere."""
        far = self.far(moved)
        reach = 2 * (int(far.max() / self.cell) + 2) + 1
        person = cv2.erode(self.band.low, np.ones((reach, reach), np.uint8)) >= 1
        shown = ((far > _STILL) & ~person).view(np.uint8)
        left, top, width, height = cv2.boundingRect(shown)
        if not width:
            return None
        (x, y), (rows, columns) = self.corner, moved.window
        return (
            _within(y + top * self.cell, y + (top + height) * self.cell, rows),
            _within(x + left * self.cell, x + (left + width) * self.cell, columns),
        )

    def still_room(self, moved: Moved, but: tuple[slice, slice] | None) -> None:
        """Put back what is room of an edited part of the picture, in place, except in some rows and
        columns [px of the picture]."""
        rows, columns = moved.window
        size = self.shares.shape[1] * self.cell, self.shares.shape[0] * self.cell
        fine = cv2.resize(self.band.high, size, interpolation=cv2.INTER_LINEAR)
        x, y = self.corner
        person = fine[rows.start - y : rows.stop - y, columns.start - x : columns.stop - x]
        if but is not None:
            (top, bottom), (left, right) = (
                (part.start - whole.start, part.stop - whole.start)
                for part, whole in zip(but, moved.window, strict=True)
            )
            person[top:bottom, left:right] = 1
        person[moved.mask <= 0] = 1
        plain = (person <= 0).view(np.uint8)
        at = np.divmod(np.flatnonzero((person > 0) & (person < 1)), person.shape[1])
        share = person[at]
        for seen, plane in zip(moved.source, moved.edited, strict=True):
            cv2.copyTo(seen, plain, plane)
            here = seen[at]
            plane[at] = here + share * (plane[at] - here)

    def part(self, rows: slice, columns: slice) -> Floats:
        """Return the shares of whole cells in rows and columns [px of the picture]."""
        return self.shares[self._cells(rows, columns)]

    def reached(self, moved: Moved, rows: slice, columns: slice) -> Floats:
        """Return how far each cell of some rows and columns [px of the picture], or one near it, is
        moved [px]."""
        far = self.far(moved)
        reach = 2 * int(np.ceil(far.max() / self.cell)) + 1
        near = cv2.dilate(far, np.ones((reach, reach), np.uint8))
        return np.asarray(near[self._cells(rows, columns)], np.float32)

    def _cells(self, rows: slice, columns: slice) -> tuple[slice, slice]:
        x, y = self.corner
        return (
            slice((rows.start - y) // self.cell, (rows.stop - y) // self.cell),
            slice((columns.start - x) // self.cell, (columns.stop - x) // self.cell),
        )


def _within(start: int, stop: int, span: slice) -> slice:
    return slice(max(start, span.start), min(stop, span.stop))
