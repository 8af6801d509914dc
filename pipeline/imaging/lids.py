"""Lids as they usually are: what is drawn under an eye must not come and go as it blinks.

Landmarks of lids jump by a tenth of an eye while it closes; those of its corners hardly do.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_EYES: Final = ((36, 39, (37, 38, 40, 41)), (42, 45, (43, 44, 46, 47)))
"""Of each eye the corners, and the points of the lids between them."""
Points = NDArray[np.float64]


def lids_of(landmarks: NDArray[np.floating]) -> Points:
    """Return where the lids of faces (..., 68, 2) lie, (..., 2, 4, 2): from the first corner of an
    eye, along the line to the second and across it, in distances between both."""
    points = np.asarray(landmarks, np.float64)
    eyes = []
    for first, second, lids in _EYES:
        along, across = _axes(points[..., first, :], points[..., second, :])
        away = points[..., lids, :] - points[..., first, None, :]
        size = np.square(along).sum(-1)[..., None]
        parts = [(away * axis[..., None, :]).sum(-1) / size for axis in (along, across)]
        eyes.append(np.stack(parts, -1))
    return np.stack(eyes, -3)


def with_lids(landmarks: NDArray[np.floating], lids: NDArray[np.floating]) -> Points:
    """Return faces (..., 68, 2) with lids (2, 4, 2), as `lids_of` tells them, between the corners
    of their eyes."""
    points = np.array(landmarks, np.float64)
    for own, (first, second, at) in zip(lids, _EYES, strict=True):
        along, across = _axes(points[..., first, :], points[..., second, :])
        places = own[:, :1] * along[..., None, :] + own[:, 1:] * across[..., None, :]
        points[..., at, :] = points[..., first, None, :] + places
    return points


def _axes(first: Points, second: Points) -> tuple[Points, Points]:
    along = second - first
    return along, np.stack([-along[..., 1], along[..., 0]], -1)
