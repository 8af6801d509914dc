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
    a, b, c = (vertices[corner] for corner in faces.T)
    across = np.cross(b - a, c - a)
    for _ in range(1 + _EVENED):
        sums = np.stack([_gathered(part, faces, len(vertices)) for part in across.T], 1)
        unit = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
        across = unit[faces].sum(1)
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
    depth = (weights * at[:, 2][faces[triangle]]).sum(1)
    size = window.height * window.width
    # Of what falls on one cell the nearest stays, of equals the last: the depth in steps of 1/64,
    # and behind it which it is, as one number.
    rank = ((depth - depth.min(initial=0)) * 64).astype(np.int64) << 32 | np.arange(len(cell))
    nearest = np.full(size, -1, np.int64)
    np.maximum.at(nearest, cell, rank)
    seen = np.flatnonzero(nearest >= 0)
    best = nearest[seen] & 0xFFFFFFFF
    corners, shares = faces[triangle[best]], weights[best]
    mixed = sum(shares[:, k, None] * told[corners[:, k]] for k in range(3))
    out = np.zeros((told.shape[1] + 1, size), np.float32)
    out[0], out[3] = _FAR, 1
    out[0, seen], out[1:, seen] = depth[best], np.transpose(mixed)
    drawn = out.reshape(-1, window.height, window.width)
    length = np.linalg.norm(drawn[1:4], axis=0)
    return Relief(drawn[0], drawn[1:4] / np.maximum(length, 1e-6), drawn[4:])


def _covered(at: Floats, faces: Numbers, window: Window) -> tuple[Numbers, Floats, Numbers]:
    """Return every cell that a triangle seen from its front covers: which triangle (P,), the
    weights of its corners (P, 3), and which cell (P,), row by row."""
    x, y = at[:, 0][faces], at[:, 1][faces]
    ab_x, ab_y, ac_x, ac_y = (v[:, k] - v[:, 0] for k in (1, 2) for v in (x, y))
    area = ab_x * ac_y - ab_y * ac_x
    last = np.array([window.width, window.height]) - 1
    low = np.stack([np.ceil(v.min(1)) for v in (x, y)], 1).clip(0).astype(int)
    high = np.minimum(np.stack([np.floor(v.max(1)) for v in (x, y)], 1), last).astype(int)
    shown = np.flatnonzero((area > 1e-6) & (high >= low).all(1))
    wide, tall = (high - low + 1)[shown].T
    # All cells of all boxes round triangles, one after the other.
    count = wide * tall
    box = np.repeat(np.arange(len(shown)), count)
    row, column = np.divmod(
        np.arange(len(box)) - np.repeat(count.cumsum() - count, count), wide[box]
    )
    which = shown[box]
    column, row = column + low[which, 0], row + low[which, 1]
    from_x, from_y = column - x[:, 0][which], row - y[:, 0][which]
    second = (from_x * ac_y[which] - from_y * ac_x[which]) / area[which]
    third = (from_y * ab_x[which] - from_x * ab_y[which]) / area[which]
    first = 1 - second - third
    inside = np.flatnonzero((first >= 0) & (second >= 0) & (third >= 0))
    weights = np.stack([first, second, third], 1)[inside].astype(np.float32)
    return which[inside], weights, (row * window.width + column)[inside]


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
