"""The relief of a head, as a picture sees it: how near each place is, and which way it faces.

A mesh is drawn into a window of the picture, in cells of some pixels. Coordinates are those of the
picture (see `geometry`), with z towards the camera in the same unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
Numbers = NDArray[np.intp]

_EVENED: Final = 1
"""How often normals are averaged with those of their neighbours: folds finer than a cell, such as
those of lids, would flicker."""
_FAR: Final = -1e4
"""Depth [cells] of what is no head."""
_ROUNDING: Final = 1e-5
"""Weights of corners are this exact."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a picture in cells."""

    left: int
    top: int
    """[px] of the first pixel."""
    cell: int
    """Side of a cell [px]."""
    width: int
    height: int
    """[cells]"""

    @property
    def rows(self) -> slice:
        """Rows of the picture [px]."""
        return slice(self.top, self.top + self.height * self.cell)

    @property
    def columns(self) -> slice:
        """Columns of the picture [px]."""
        return slice(self.left, self.left + self.width * self.cell)

    def finer(self, by: int) -> Window:
        """Return the same part in cells of a part of their side, which it divides."""
        return Window(self.left, self.top, self.cell // by, self.width * by, self.height * by)

    def in_cells(self, vertices: NDArray[np.floating]) -> Floats:
        """Return vertices (V, 3) [px of the picture] in cells, whole numbers in their middles."""
        out = np.asarray(vertices, np.float64) / self.cell
        out[:, :2] -= (np.array([self.left, self.top]) - 0.5) / self.cell + 0.5
        return out.astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Relief:
    """A head in a window (h, w) of a picture."""

    depth: Floats
    """(h, w) towards the camera [cells]; far behind where there is no head."""
    normals: Floats
    """(3, h, w) outwards, of length 1; towards the camera where there is no head."""
    values: Floats
    """(C, h, w) what was said of the vertices; 0 where there is no head."""

    def smoothed(self, sigma: float, by: int = 1) -> Relief:
        """Return it under a Gaussian [cells], its small holes filled, in cells `by` times as large.

        A mesh that moves by less than a cell would flicker along its folds and edges.
        """
        there = self.there.astype(np.float32)
        size = there.shape[1] // by, there.shape[0] // by

        def soft(plane: Floats) -> Floats:
            seen = cv2.resize(plane * there, size, interpolation=cv2.INTER_AREA)
            return np.asarray(cv2.GaussianBlur(seen, (0, 0), sigma / by), np.float32)

        side = 2 * round(3 * sigma / by) + 1
        share = soft(np.ones_like(there))
        seen = (cv2.resize(there, size, interpolation=cv2.INTER_AREA) >= 0.5).view(np.uint8)
        inside = cv2.morphologyEx(seen, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8)) > 0
        inside &= share > 1e-3
        known = np.where(inside, share, np.float32(1))
        depth = np.where(inside, soft(self.depth) / (known * by), np.float32(_FAR))
        normals = np.stack([soft(plane) for plane in self.normals])
        normals /= np.maximum(np.linalg.norm(normals, axis=0), 1e-6)
        normals = np.where(inside, normals, np.array([0, 0, 1], np.float32)[:, None, None])
        values = np.stack([soft(plane) / known for plane in self.values])
        return Relief(depth, normals, np.where(inside, values, np.float32(0)))

    @property
    def there(self) -> Flags:
        """Where there is a head, (h, w)."""
        return np.asarray(self.depth > 0.5 * _FAR)


def normals_of(vertices: Floats, faces: Numbers) -> Floats:
    """Return the normals (V, 3) of vertices (V, 3): of the triangles (F, 3) round each, by area.

    They point to where a triangle is seen clockwise in the picture.
    """
    a, b, c = (vertices.take(corner, axis=0) for corner in faces.T)
    across = np.cross(b - a, c - a)
    for _ in range(1 + _EVENED):
        x, y, z = (_gathered(part, faces, len(vertices)) for part in across.T)
        length = np.maximum(np.sqrt(x * x + y * y + z * z), 1e-9)
        unit = np.stack([x / length, y / length, z / length], 1)
        a, b, c = (unit.take(corner, axis=0) for corner in faces.T)
        across = a + b + c
    return np.asarray(unit, np.float32)


def _gathered(values: NDArray[np.floating], faces: Numbers, count: int) -> NDArray[np.float64]:
    """Return at each of `count` vertices the sum of the values (F,) of the triangles round it."""
    sums = np.bincount(faces.T.ravel(), np.tile(values, 3), minlength=count)
    return np.asarray(sums, np.float64)


def relief_of(
    vertices: NDArray[np.floating], faces: Numbers, window: Window, values: Floats | None = None
) -> Relief:
    """Return the relief of a mesh in a window.

    Args:
        vertices: (V, 3) [px of the picture].
        faces: (F, 3) triangles, clockwise in the picture where they face the camera.
        window: what is drawn.
        values: (V, C) of the vertices, to be drawn along.
    """
    at = window.in_cells(vertices)
    normals = normals_of(at, faces)
    told = normals if values is None else np.column_stack([normals, values])
    triangle, weights, cell = _covered(at, faces, window)
    z = at[:, 2].take(faces.T)
    depth = sum(of.take(triangle) * weight for of, weight in zip(z, weights, strict=True))
    size = window.height * window.width
    # Of what falls on one cell the nearest stays, of equals the last: the depth in steps of 1/64 of
    # a cell, and behind it which it is, as one number.
    rank = ((depth - depth.min(initial=0)) * 64).astype(np.int64) << 32 | np.arange(len(cell))
    nearest = np.full(size, -1, np.int64)
    np.maximum.at(nearest, cell, rank)
    seen = np.flatnonzero(nearest >= 0)
    best = nearest[seen] & 0xFFFFFFFF
    mixed = _mixed(told, faces, triangle[best], weights[:, best])
    out = np.zeros((told.shape[1] + 1, size), np.float32)
    out[0], out[3] = _FAR, 1
    out[0, seen], out[1:, seen] = depth[best], mixed.T
    drawn = out.reshape(-1, window.height, window.width)
    x, y, z = drawn[1:4]
    drawn[1:4] /= np.maximum(np.sqrt(x * x + y * y + z * z), 1e-6)
    return Relief(drawn[0], drawn[1:4], drawn[4:])


def _mixed(values: Floats, faces: Numbers, triangle: Numbers, weights: Floats) -> Floats:
    """Return values (V, C) at places (P, C) in triangles (P,), by weights (3, P) of corners."""
    first, second, third = (
        values.take(corner.take(triangle), axis=0) * weight[:, None]
        for corner, weight in zip(faces.T, weights, strict=True)
    )
    first += second
    first += third
    return np.asarray(first, np.float32)


def _covered(at: Floats, faces: Numbers, window: Window) -> tuple[Numbers, Floats, Numbers]:
    """Return every cell that a triangle seen from its front covers: which triangle (P,), the
    weights of its corners (3, P), and which cell (P,), row by row."""
    x, y = (at[:, axis].take(faces.T) for axis in (0, 1))
    ab_x, ab_y, ac_x, ac_y = (v[k] - v[0] for k in (1, 2) for v in (x, y))
    area = ab_x * ac_y - ab_y * ac_x
    (left, right), (top, bottom) = (
        _span(v, count) for v, count in ((x, window.width), (y, window.height))
    )
    shown = np.flatnonzero((area > 1e-6) & (right >= left) & (bottom >= top))
    left, top, area = left[shown], top[shown], area[shown]
    wide, tall = right[shown] - left + 1, bottom[shown] - top + 1
    # All cells of all boxes round triangles, one after the other: which of them, and where.
    count = (wide * tall).astype(np.intp)
    box = np.repeat(np.arange(len(shown)), count)
    place = (np.arange(len(box)) - np.repeat(count.cumsum() - count, count)).astype(np.float32)
    row = np.floor((place + np.float32(0.5)) / wide.take(box))
    column = place - row * wide.take(box)
    # Weights grow evenly along rows and columns, from the first cell of a box.
    from_x, from_y = left - x[0, shown], top - y[0, shown]
    second, third = (
        ((from_x * along + from_y * down) / area).take(box)
        + (along / area).take(box) * column
        + (down / area).take(box) * row
        for along, down in ((ac_y[shown], -ac_x[shown]), (-ab_y[shown], ab_x[shown]))
    )
    first = 1 - second - third
    # A little beyond its edges, so that no cell between two triangles is missed by both.
    inside = np.flatnonzero(np.minimum(np.minimum(first, second), third) >= -_ROUNDING)
    weights = np.stack([share.take(inside) for share in (first, second, third)])
    which = box.take(inside)
    cell = (top.take(which) + row.take(inside)) * window.width
    cell += left.take(which) + column.take(inside)
    return shown.take(which), weights, cell.astype(np.intp)


def _span(along: Floats, cells: int) -> tuple[Floats, Floats]:
    """Return the first and the last of some cells that triangles reach along one axis (3, F)."""
    a, b, c = along
    first = np.maximum(np.ceil(np.minimum(np.minimum(a, b), c)), 0)
    last = np.minimum(np.floor(np.maximum(np.maximum(a, b), c)), np.float32(cells - 1))
    return first, last


def continued(values: Floats, there: Flags, reach: float) -> Floats:
    """Return values (h, w), and beyond where they are there what lies next to it, ever smoother.

    `reach`: sigma of the first of the Gaussians that carry them on [cells].
    """
    known = there.astype(np.float32)
    out, left = values * known, known.copy()
    for sigma in (reach, 3 * reach, 9 * reach):
        share = cv2.GaussianBlur(known, (0, 0), sigma)
        mean = cv2.GaussianBlur(values * known, (0, 0), sigma) / np.maximum(share, 1e-6)
        more = np.clip(4 * share, 0, 1) * (1 - left)
        out, left = out + more * mean, left + more
    whole = float((values * known).sum() / max(float(known.sum()), 1.0))
    return np.asarray(out + (1 - left) * whole, np.float32)
