"""A z-buffer for triangles, in NumPy: which triangle a pixel shows, and where on it.

Convention: vertices are (x, y, z) with x to the right, y down [px of the picture, pixel centres at
integers] and z towards the camera in the same unit; parallel projection (weak perspective). A
triangle faces the camera if (b - a) x (c - a) does: its corners run clockwise to the eye.

There is no loop over triangles: those whose boxes are of one size are drawn together. Triangles of
equal depth at a pixel are settled by their number, so a picture never depends on the grouping.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

_SIDES: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256)
"""Sides of the boxes that are drawn together [px]; beyond the last they double."""
_CANDIDATES: Final = 1 << 20
"""Pixels looked at in one go: bounds the memory to some tens of MB."""
_LEAST_AREA: Final = 1e-9
"""Triangles below [px²] are lines, and show nothing."""
_EDGE: Final = 1e-6
"""Share of a triangle that its edges are wide, so that no pixel falls between two."""


@dataclass(frozen=True, slots=True)
class Raster:
    """What a camera sees of triangles."""

    triangle: Ints
    """(H, W) number of the triangle, −1 where there is none."""
    barycentric: Floats
    """(H, W, 3) weights of its corners, each in [0, 1], together 1; 0 where there is none."""
    depth: Floats
    """(H, W) z of what is seen [px], −inf where there is none."""

    def blend(self, triangles: Ints, values: Floats) -> Floats:
        """Return values of vertices seen at the pixels: (V, …) float32 → (H, W, …), 0 outside."""
        corners = triangles[np.maximum(self.triangle, 0)]
        flat = values.reshape(len(values), -1)
        seen = np.zeros((*self.triangle.shape, flat.shape[1]), np.float32)
        for corner in range(3):
            seen += self.barycentric[..., corner, None] * flat[corners[..., corner]]
        return seen.reshape(*self.triangle.shape, *values.shape[1:])


def rasterise(
    vertices: Floats, triangles: Ints, size: tuple[int, int], *, backs: bool = False
) -> Raster:
    """Return what is seen of triangles, nearest first (largest z).

    Args:
        vertices: (V, 3) in the convention above; may lie outside the picture.
        triangles: (F, 3) numbers of corners.
        size: height and width of the picture [px].
        backs: whether triangles are seen from behind too.
    """
    height, width = size
    planes, numbers = _planes(vertices, triangles, backs=backs)
    # Column by column: NumPy is slow at taking the least of three along a short axis.
    x, y = ([vertices[triangles[numbers, i], axis] for i in range(3)] for axis in range(2))
    left, right = _box(x, width)
    top, bottom = _box(y, height)
    low, high = np.stack([left, top], 1), np.stack([right, bottom], 1)
    wide, tall = right - left + 1, bottom - top + 1
    extent = np.minimum(wide, tall), np.maximum(wide, tall)
    drawn = _Drawn(height, width)
    previous = 0
    for side in _sides(int(extent[1].max(initial=0))):
        chosen = np.flatnonzero((extent[0] > 0) & (extent[1] > previous) & (extent[1] <= side))
        step = max(1, _CANDIDATES // (side * side))
        for start in range(0, len(chosen), step):
            some = chosen[start : start + step]
            drawn.add(planes[some], numbers[some], low[some], high[some], side)
        previous = side
    return drawn.finished(planes, numbers)


def _box(corners: list[Floats], length: int) -> tuple[Ints, Ints]:
    """Return the first and the last pixel of triangles along an axis of a picture."""
    a, b, c = corners
    first = np.ceil(np.maximum(np.minimum(np.minimum(a, b), c), 0))
    last = np.floor(np.minimum(np.maximum(np.maximum(a, b), c), length - 1))
    return first.astype(np.int32), last.astype(np.int32)


def _sides(largest: int) -> list[int]:
    sides = [side for side in _SIDES if side < largest]
    last = _SIDES[len(sides)] if len(sides) < len(_SIDES) else _SIDES[-1]
    while last < largest:
        sides.append(last)
        last *= 2
    return [*sides, last]


def _planes(vertices: Floats, triangles: Ints, *, backs: bool) -> tuple[NDArray[np.float64], Ints]:
    """Return (N, 3, 3) rows (per x, per y, constant) of the weights of two corners and of z, and
    the numbers of the N triangles that have a face to show."""
    x, y = (vertices[:, axis].astype(np.float64) for axis in range(2))
    first, second, third = triangles.T
    area = (x[second] - x[first]) * (y[third] - y[first])
    area -= (y[second] - y[first]) * (x[third] - x[first])
    numbers = np.flatnonzero((np.abs(area) if backs else area) > _LEAST_AREA).astype(np.int32)
    a, b, c = (vertices[triangles[numbers, i]].astype(np.float64) for i in range(3))
    ab, ac, area = b - a, c - a, area[numbers]
    # The weights of b and c are linear in x and y (Cramer's rule), and so is z.
    second = np.stack([ac[:, 1], -ac[:, 0]], 1) / area[:, None]
    third = np.stack([-ab[:, 1], ab[:, 0]], 1) / area[:, None]
    slope = np.stack([second, third, second * ab[:, 2:] + third * ac[:, 2:]], 1)
    constant = -(slope * a[:, None, :2]).sum(2)
    constant[:, 2] += a[:, 2]
    return np.concatenate([slope, constant[:, :, None]], 2), numbers


class _Drawn:
    """The picture while triangles are drawn: the depth, and who gave it."""

    def __init__(self, height: int, width: int) -> None:
        self.size = height, width
        self.depth = np.full(height * width, -np.inf, np.float32)
        self._pixels: list[NDArray[np.int64]] = []
        self._depths: list[Floats] = []
        self._numbers: list[Ints] = []

    def add(
        self, planes: NDArray[np.float64], numbers: Ints, low: Ints, high: Ints, side: int
    ) -> None:
        """Draw triangles whose boxes are at most `side` px wide and high."""
        places = np.arange(side, dtype=np.int32)
        x, y = low[:, 0, None] + places, low[:, 1, None] + places  # (N, side)
        # A plane is a part per column and a part per row: (N, side) each, summed at the pixels.
        columns = planes[:, :, 0, None] * x[:, None]
        rows = planes[:, :, 1, None] * y[:, None] + planes[:, :, 2, None]
        second = rows[:, 0, :, None] + columns[:, 0, None, :]
        third = rows[:, 1, :, None] + columns[:, 1, None, :]
        inside = (second >= -_EDGE) & (third >= -_EDGE) & (second + third <= 1 + _EDGE)
        inside &= (y <= high[:, 1, None])[:, :, None] & (x <= high[:, 0, None])[:, None, :]
        which, row, column = np.nonzero(inside)
        depth = (rows[which, 2, row] + columns[which, 2, column]).astype(np.float32)
        pixel = y[which, row].astype(np.int64) * self.size[1] + x[which, column]
        np.maximum.at(self.depth, pixel, depth)
        self._pixels.append(pixel)
        self._depths.append(depth)
        self._numbers.append(numbers[which])

    def finished(self, planes: NDArray[np.float64], numbers: Ints) -> Raster:
        """Return the picture once all are drawn."""
        nobody = np.iinfo(np.int32).max
        winner = np.full(len(self.depth), nobody, np.int32)
        for pixel, depth, number in zip(self._pixels, self._depths, self._numbers, strict=True):
            nearest = depth == self.depth[pixel]
            np.minimum.at(winner, pixel[nearest], number[nearest])
        shown = np.flatnonzero(winner != nobody)
        plane = planes[np.searchsorted(numbers, winner[shown])]
        y, x = np.divmod(shown, self.size[1])
        weights = np.clip(
            plane[:, :2, 0] * x[:, None] + plane[:, :2, 1] * y[:, None] + plane[:, :2, 2], 0, 1
        )
        barycentric = np.zeros((len(self.depth), 3), np.float32)
        barycentric[shown, 1:] = weights
        barycentric[shown, 0] = np.maximum(1 - weights.sum(1), 0)
        winner[winner == nobody] = -1
        return Raster(
            triangle=winner.reshape(self.size),
            barycentric=barycentric.reshape(*self.size, 3),
            depth=self.depth.reshape(self.size),
        )
