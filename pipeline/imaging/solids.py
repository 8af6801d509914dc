"""Solid things drawn into pictures: which triangle is seen where, and what lies on it there.

Triangles are drawn from the farthest to the nearest (Newell, Newell and Sancha, 1972), which is
right for small triangles that do not pass through each other; the reference compares the depth of
every one at every sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ids = NDArray[np.int32]

NONE: Final = -1
"""Where no triangle is."""
_BITS: Final = 5
"""Of a sample's fraction."""
_FARTHEST: Final = 16384.0
"""Corners further out [samples] are cut to this: OpenCV's fixed-point numbers end."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A mesh as it is seen: x to the right, y down, z towards the camera."""

    corners: Floats
    """(V, 3) [samples], the middle of the first sample at 0, 0."""
    faces: NDArray[np.int64]
    """(F, 3)"""

    def ids(
        self,
        size: tuple[int, int],
        chosen: NDArray[np.bool_] | None = None,
        *,
        impl: Literal["fast", "ref"] = "fast",
    ) -> Ids:
        """Return which of the faces is seen at each sample, (height, width) int32, or `NONE`.

        Args:
            size: height and width [samples].
            chosen: (F,) which faces are drawn; None: all.
        """
        out = np.full(size, NONE, np.int32)
        at = self.corners[self.faces]
        low, high = at[..., :2].min(1), at[..., :2].max(1)
        seen = (high >= -1).all(1) & (low <= np.array(size[::-1])).all(1)
        numbers = np.flatnonzero(seen if chosen is None else seen & chosen)
        if impl == "ref":
            _compared(out, at, numbers)
            return out
        order = numbers[np.argsort(at[numbers, :, 2].mean(1), kind="stable")]
        fixed = np.clip(at[order, :, :2], -_FARTHEST, _FARTHEST) * 2**_BITS
        for number, triangle in zip(order.tolist(), np.rint(fixed).astype(np.int32), strict=True):
            cv2.fillConvexPoly(out, triangle, number, cv2.LINE_8, _BITS)
        return out

    def facing(self) -> NDArray[np.bool_]:
        """Return which faces (F,) are seen from outside."""
        a, b, c = (self.corners[self.faces[:, k], :2] for k in range(3))
        return np.asarray(_cross(b - a, c - a) > 0)

    def shares(self, numbers: Ids, x: Floats, y: Floats) -> Floats:
        """Return how much each corner of faces (P,) says at samples x, y (P,): (P, 3), 1 together.

        Beyond a face, where drawing rounds, its nearest point counts.
        """
        a, b, c = (self.corners[self.faces[numbers, k], :2] for k in range(3))
        area = _cross(b - a, c - a)
        area = np.where(np.abs(area) < 1e-6, np.float32(1e-6), area)
        to = np.stack([x, y], -1) - a
        second = _cross(to, c - a) / area
        third = _cross(b - a, to) / area
        parts = np.clip(np.stack([1 - second - third, second, third], -1), 0, 1)
        total = parts[:, 0] + parts[:, 1] + parts[:, 2]
        return np.asarray(parts / total[:, None], np.float32)

    def at(self, values: Floats, numbers: Ids, shares: Floats) -> Floats:
        """Return values (V, C) of corners at P samples, (P, C)."""
        corners = self.faces[numbers]
        parts = (values[corners[:, k]] * shares[:, k, None] for k in range(3))
        return np.asarray(sum(parts), np.float32)

    def depth(self, ids: Ids) -> Floats:
        """Return z at each sample (height, width); -inf where there is nothing."""
        out = np.full(ids.shape, -np.inf, np.float32)
        y, x = np.nonzero(ids != NONE)
        numbers = ids[y, x]
        shares = self.shares(numbers, x.astype(np.float32), y.astype(np.float32))
        out[y, x] = self.at(self.corners[:, 2:], numbers, shares)[:, 0]
        return out


def _cross(first: Floats, second: Floats) -> Floats:
    return np.asarray(first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0])


def _compared(out: Ids, at: Floats, numbers: NDArray[np.int64]) -> None:
    """Draw triangles (F, 3, 3) into ids, each sample showing the nearest, in place."""
    nearest = np.full(out.shape, -np.inf)
    height, width = out.shape
    for number in numbers.tolist():
        a, b, c = at[number].astype(np.float64)
        x0, y0 = np.maximum(np.ceil(at[number, :, :2].min(0)), 0).astype(int)
        x1, y1 = np.minimum(np.floor(at[number, :, :2].max(0)), (width - 1, height - 1)).astype(int)
        area = _cross((b - a)[:2], (c - a)[:2])
        if x1 < x0 or y1 < y0 or abs(area) < 1e-12:
            continue
        x, y = np.meshgrid(np.arange(x0, x1 + 1), np.arange(y0, y1 + 1))
        to = np.stack([x, y], -1) - a[:2]
        second, third = _cross(to, (c - a)[:2]) / area, _cross((b - a)[:2], to) / area
        z = a[2] + second * (b[2] - a[2]) + third * (c[2] - a[2])
        here = (slice(y0, y1 + 1), slice(x0, x1 + 1))
        wins = (second >= 0) & (third >= 0) & (second + third <= 1) & (z > nearest[here])
        out[here][wins] = number
        nearest[here][wins] = z[wins]
