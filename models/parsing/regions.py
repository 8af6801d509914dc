"""Where the parts of a face lie, drawn from the 478-point mesh.

Points are in px with pixel centres at halves: a picture's left edge is x = 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
"""A region of a picture, (side, side)."""
Floats = NDArray[np.float32]

# fmt: off
OVAL: Final = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152,
    148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)
"""The face's outline, clockwise from the forehead's middle."""
JAW: Final = (
    132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361,
)
"""The lower outline from one ear lobe to the other, the image's left first."""
EYES: Final = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
)
BROWS: Final = (
    (70, 63, 105, 66, 107, 55, 65, 52, 53, 46),
    (300, 293, 334, 296, 336, 285, 295, 282, 283, 276),
)
"""Upper edge, then lower edge."""
NOSE: Final = (
    168, 193, 245, 188, 174, 217, 126, 129, 102, 64, 98, 97, 2, 326, 327, 294, 331, 358, 355, 437,
    399, 412, 465, 417,
)
LIPS: Final = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185,
)
MOUTH: Final = (
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191,
)
"""What lies between the lips."""
CHEEKS: Final = ((117, 118, 101, 205, 187, 123), (346, 347, 330, 425, 411, 352))
_BEARD_TOP: Final = (411, 425, 327, 2, 98, 205, 187)
"""From one cheek over the nose's base to the other: no beard grows above."""
# fmt: on
_NOSE_TIP, _CHIN = 1, 152
_SIDES: Final = (234, 454)
_TURNED: Final = 0.55
"""A head counts as turned when one half of its face is narrower than this share of the other."""


def outline(corners: NDArray[np.floating], side: int) -> Mask:
    """Return the inside (side, side) of a polygon (P, 2) [px]."""
    mask = np.zeros((side, side), np.uint8)
    cv2.fillPoly(mask, [np.round((corners - 0.5) * 16).astype(np.int32)], (1,), shift=4)
    return mask.astype(bool)


def stroke(line: NDArray[np.floating], width: float, side: int) -> Mask:
    """Return a line (P, 2) of a width [px] as a region (side, side)."""
    fine = 8
    mask = np.zeros((side * fine, side * fine), np.uint8)
    corners = np.round(line * fine - 0.5).astype(np.int32)
    cv2.polylines(mask, [corners], False, (1,), thickness=max(1, round(width * fine)))
    covered = mask.reshape(side, fine, side, fine).mean((1, 3))
    return np.asarray(covered >= 0.4)


def polygon(points: Floats, corners: Sequence[int], side: int) -> Mask:
    """Return the inside (side, side) of a polygon of mesh points (478, 2) [px]."""
    return outline(points[list(corners)], side)


def polygons(points: Floats, several: Sequence[Sequence[int]], side: int) -> Mask:
    """Return the inside (side, side) of any of several polygons."""
    return np.asarray(np.any([polygon(points, corners, side) for corners in several], axis=0))


def grown(mask: Mask, radius: int) -> Mask:
    """Return a region widened (with a negative radius: narrowed) by pixels."""
    if radius == 0:
        return mask
    size = 2 * abs(radius) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    change = cv2.dilate if radius > 0 else cv2.erode
    return np.asarray(change(mask.astype(np.uint8), disc), bool)


def opened(mask: Mask, radius: int) -> Mask:
    """Return a region without what is thinner than about twice a radius [px]."""
    return grown(grown(mask, -radius), radius)


def closed(mask: Mask, radius: int) -> Mask:
    """Return a region with its gaps filled that are narrower than about twice a radius [px]."""
    return grown(grown(mask, radius), -radius)


@dataclass(frozen=True)
class Layout:
    """Lines and regions of one face that several rules speak of."""

    points: Floats
    """(478, 2) mesh [px]."""
    side: int
    """Of the picture [px]."""

    @cached_property
    def span(self) -> float:
        """Distance of the outer eye corners [px]."""
        return float(np.linalg.norm(self.points[33] - self.points[263]))

    @cached_property
    def xs(self) -> NDArray[np.float64]:
        """Of every pixel's centre (side, side)."""
        return np.broadcast_to(np.arange(self.side) + 0.5, (self.side, self.side))

    @cached_property
    def ys(self) -> NDArray[np.float64]:
        """Of every pixel's centre (side, side)."""
        return self.xs.T

    @cached_property
    def oval(self) -> Mask:
        """The face without ears."""
        return polygon(self.points, OVAL, self.side)

    @cached_property
    def core(self) -> Mask:
        """The face without its rim."""
        return grown(self.oval, -max(2, round(0.1 * self.span)))

    @cached_property
    def brows(self) -> Mask:
        """Both brows."""
        return polygons(self.points, BROWS, self.side)

    @cached_property
    def eyes(self) -> Mask:
        """Both eye openings."""
        return polygons(self.points, EYES, self.side)

    @cached_property
    def brow_top(self) -> float:
        """y of the higher brow's upper edge."""
        return float(min(self.points[list(brow[:3]), 1].min() for brow in BROWS))

    @cached_property
    def brow_middle(self) -> float:
        """y of the brows' upper edges, on average."""
        return float(np.mean([self.points[list(brow[:5]), 1].mean() for brow in BROWS]))

    @cached_property
    def below_brows(self) -> Mask:
        """Everything under the higher brow's lower edge."""
        return np.asarray(self.ys > min(self.points[list(brow[5:]), 1].mean() for brow in BROWS))

    @cached_property
    def chin(self) -> float:
        """y of the chin."""
        return float(self.points[_CHIN, 1])

    @cached_property
    def lobe(self) -> NDArray[np.float32]:
        """y of the ear lobe on a pixel's side of the nose (side, side)."""
        left, right = self.points[JAW[0], 1], self.points[JAW[-1], 1]
        return np.asarray(np.where(self.xs < self.points[_NOSE_TIP, 0], left, right))

    @cached_property
    def below_jaw(self) -> Mask:
        """Everything under the lower outline of the face."""
        jaw = self.points[list(JAW)]
        order = np.argsort(jaw[:, 0])
        line = np.interp(self.xs, jaw[order, 0], jaw[order, 1])
        within = (self.xs > jaw[0, 0]) & (self.xs < jaw[-1, 0])
        return np.asarray(self.ys > np.where(within, line, self.lobe))

    @cached_property
    def under_chin(self) -> Mask:
        """Where a neck is expected, between the corners of the jaw."""
        within = (self.xs > self.points[58, 0]) & (self.xs < self.points[288, 0])
        near = self.ys < self.chin + 0.5 * self.span
        return np.asarray(~self.oval & self.below_jaw & within & near)

    @cached_property
    def far(self) -> Mask:
        """The half of the picture beyond the nose of a turned head; nothing of a frontal one."""
        tip = self.points[_NOSE_TIP, 0]
        left, right = tip - self.points[_SIDES[0], 0], self.points[_SIDES[1], 0] - tip
        if left < _TURNED * right:
            return np.asarray(self.xs < tip)
        if right < _TURNED * left:
            return np.asarray(self.xs > tip)
        return np.zeros((self.side, self.side), bool)

    @cached_property
    def ear_places(self) -> Mask:
        """Where ears may show."""
        left, right = (self.points[k, 0] for k in _SIDES)
        beside = (self.xs < left + 0.1 * self.span) | (self.xs > right - 0.1 * self.span)
        above = self.ys < self.lobe + 0.08 * self.span
        below = self.ys > self.brow_top - 0.05 * self.span
        return np.asarray(beside & ~self.far & above & below & ~self.oval)

    def beard_zone(self, below: float) -> Mask:
        """Return where beards grow: under nose and cheeks, to some way `below` the jaw [outer eye
        distances], without lips."""
        lower = self.points[list(JAW)].copy()
        lower[1:-1, 1] += below * self.span
        zone = outline(np.concatenate([lower, self.points[list(_BEARD_TOP)]]), self.side)
        lips = grown(polygon(self.points, LIPS, self.side), 1)
        return zone & ~lips & ~polygon(self.points, NOSE, self.side)
