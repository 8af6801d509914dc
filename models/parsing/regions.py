"""Where the parts of a face lie, drawn from the 478-point mesh."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
"""A region of a picture, (side, side)."""

# fmt: off
OVAL: Final = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152,
    148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)
"""The face's outline, clockwise from the forehead's middle."""
EYES: Final = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
)
BROWS: Final = (
    (70, 63, 105, 66, 107, 55, 65, 52, 53, 46),
    (300, 293, 334, 296, 336, 285, 295, 282, 283, 276),
)
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
CHEEKS: Final = ((117, 118, 101, 205, 187, 123), (346, 347, 330, 425, 411, 352))
# fmt: on


def polygon(points: NDArray[np.floating], corners: Sequence[int], side: int) -> Mask:
    """Return the inside (side, side) of a polygon of mesh points (478, >= 2) [px of the picture]."""
    return outline(points[list(corners), :2], side)


def outline(corners: NDArray[np.floating], side: int) -> Mask:
    """Return the inside (side, side) of a polygon (P, 2) [px; pixel centres lie at halves]."""
    mask = np.zeros((side, side), np.uint8)
    cv2.fillPoly(mask, [np.round((corners - 0.5) * 16).astype(np.int32)], 1, shift=4)
    return mask.astype(bool)


def grown(mask: Mask, radius: int) -> Mask:
    """Return a region widened (or, with a negative radius, narrowed) by pixels."""
    if radius == 0:
        return mask
    size = 2 * abs(radius) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    change = cv2.dilate if radius > 0 else cv2.erode
    return change(mask.astype(np.uint8), disc).astype(bool)


def stroke(line: NDArray[np.floating], width: float, side: int) -> Mask:
    """Return a polyline (P, 2) of a width [px] as a region (side, side)."""
    fine = 8
    mask = np.zeros((side * fine, side * fine), np.uint8)
    corners = np.round(line * fine - 0.5).astype(np.int32)
    cv2.polylines(mask, [corners], isClosed=False, color=1, thickness=max(1, round(width * fine)))
    return mask.reshape(side, fine, side, fine).mean((1, 3)) >= 0.4
