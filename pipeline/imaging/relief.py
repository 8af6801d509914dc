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

    def smoothed(self, sigma: float) -> Relief:
        """Return it with depths and normals under a Gaussian [cells], its small holes filled.

        A mesh that moves by less than a cell would flicker along its folds.
        """
        there = self.there.astype(np.uint8)
        side = 2 * round(3 * sigma) + 1
        filled = cv2.morphologyEx(there, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))
        share = cv2.GaussianBlur(self.there.astype(np.float32), (0, 0), sigma)
        known = np.maximum(share, 1e-6)

        def soft(plane: Floats) -> Floats:
            seen = np.where(self.there, plane, np.float32(0))
            return np.asarray(cv2.GaussianBlur(seen, (0, 0), sigma) / known, np.float32)

        inside = filled.view(np.bool_) & (share > 1e-3)
        depth = np.where(inside, soft(self.depth), np.float32(_FAR))
        normals = np.stack([soft(plane) for plane in self.normals])
        normals /= np.maximum(np.linalg.norm(normals, axis=0), 1e-6)
        normals = np.where(inside, normals, np.array([0, 0, 1], np.float32)[:, None, None])
        return Relief(depth, normals, self.values)

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
    out = np.stack(
        [
            np.bincount(faces.T.ravel(), np.tile(part, 3), minlength=len(vertices))
            for part in across.T
        ],
        1,
    )
    length = np.linalg.norm(out, axis=1, keepdims=True)
    return np.asarray(out / np.maximum(length, 1e-9), np.float32)


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
    triangle, weights, depth, cell = _fragments(at, faces, window)
    # Of what falls on one cell the last stays: the nearest one.
    order = np.argsort(depth, kind="stable")
    size = window.height * window.width
    chosen = np.full(size, -1)
    chosen[cell[order]] = order
    seen = np.flatnonzero(chosen >= 0)
    best = chosen[seen]
    mixed = np.einsum("pk,pkc->pc", weights[best], told[faces[triangle[best]]])
    out = np.zeros((told.shape[1] + 1, size), np.float32)
    out[0], out[3] = _FAR, 1
    out[0, seen], out[1:, seen] = depth[best], mixed.T
    drawn = out.reshape(-1, window.height, window.width)
    length = np.linalg.norm(drawn[1:4], axis=0)
    return Relief(drawn[0], drawn[1:4] / np.maximum(length, 1e-6), drawn[4:])


def _fragments(
    at: Floats, faces: Numbers, window: Window
) -> tuple[Numbers, Floats, Floats, Numbers]:
    """Return every cell that a triangle covers: which triangle, its corners' weights (P, 3), its
    depth, and which cell."""
    a, b, c = (at[corner] for corner in faces.T)
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    front = np.flatnonzero(area > 1e-6)
    a, b, c, area = (part[front] for part in (a, b, c, area))
    low = np.ceil(np.minimum(np.minimum(a, b), c)[:, :2]).astype(int)
    high = np.floor(np.maximum(np.maximum(a, b), c)[:, :2]).astype(int)
    kept = np.flatnonzero(
        (high[:, 0] >= np.maximum(low[:, 0], 0))
        & (high[:, 1] >= np.maximum(low[:, 1], 0))
        & (low[:, 0] < window.width)
        & (low[:, 1] < window.height)
    )
    corners = np.stack([a, b, c], 1)
    span = (high - low)[kept].max(1)
    parts = [
        _covered(corners, area, low, kept[(span >= first) & (span < last)], last, window)
        for first, last in ((0, 1), (1, 2), (2, 4), (4, 8), (8, 16), (16, 10**9))
    ]
    triangle, weights, cell = (np.concatenate(part) for part in zip(*parts, strict=True))
    depth = np.einsum("pk,pk->p", weights, corners[triangle, :, 2])
    return front[triangle], weights, depth, cell


def _covered(
    corners: Floats, area: Floats, low: Numbers, chosen: Numbers, span: int, window: Window
) -> tuple[Numbers, Floats, Numbers]:
    """Return the cells of some triangles, none of which spans more than `span` of them."""
    if not len(chosen):
        return chosen, np.zeros((0, 3), np.float32), chosen
    size = min(span, max(window.width, window.height))
    line = np.arange(size)
    x = low[chosen, 0, None, None] + line[None, None, :]
    y = low[chosen, 1, None, None] + line[None, :, None]
    tri = corners[chosen][:, :, :, None, None]
    weights = []
    for first, second in ((1, 2), (2, 0)):
        ax, ay, bx, by = tri[:, first, 0], tri[:, first, 1], tri[:, second, 0], tri[:, second, 1]
        weights.append((bx - ax) * (y - ay) - (by - ay) * (x - ax))
    share = np.stack(weights, -1) / area[chosen, None, None, None]
    last = 1 - share.sum(-1)
    is_in = (share >= 0).all(-1) & (last >= 0) & (x >= 0) & (x < window.width)
    is_in &= (y >= 0) & (y < window.height)
    which, row, column = np.nonzero(is_in)
    found = np.column_stack([share[which, row, column], last[which, row, column]])
    cell = y[which, row, 0] * window.width + x[which, 0, column]
    return chosen[which], found.astype(np.float32), cell


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
