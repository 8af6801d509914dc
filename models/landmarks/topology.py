"""Facts about the 68 points: which parts they form, how they mirror, which pairs tell open from
closed.

The order is iBUG 300-W's: jaw 0-16, brows 17-26, nose 27-35, eyes 36-47, outer lips 48-59, inner
lips 60-67, each run from the left to the right of the picture (the outer and inner lips and the
eyes clockwise).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..topology68 import FLIP_68, MESH_TO_68

MIRROR: NDArray[np.int64] = np.array(FLIP_68, dtype=np.int64)
"""MIRROR[k] is the point that takes the place of point k when the picture is mirrored."""

JAW = np.arange(0, 17)
BROWS = np.arange(17, 27)
NOSE = np.arange(27, 36)
RIGHT_EYE = np.arange(36, 42)
"""The subject's right eye, on the left of the picture."""
LEFT_EYE = np.arange(42, 48)
MOUTH = np.arange(48, 68)
LEFT_EYE_AS_RIGHT = MIRROR[RIGHT_EYE]
"""Points of the left eye in the order of the right one, as a mirrored picture shows them."""

# Pairs (upper, lower) whose distance tells an open eye or mouth from a closed one.
LID_PAIRS = np.array([[37, 41], [38, 40], [43, 47], [44, 46]])
LIP_PAIRS = np.array([[61, 67], [62, 66], [63, 65]])


def mesh_to_68(mesh: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the 68 points (..., 68, C) of meshes (..., V, C) with V >= 468, same unit."""
    if mesh.ndim < 2 or mesh.shape[-2] < 468:
        raise ValueError(
            f"a face mesh has 468 or 478 vertices on its second last axis, got {mesh.shape}"
        )
    points: NDArray[np.float32] = mesh[..., list(MESH_TO_68), :]
    return points


def outer_eye_distance(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the distance (...) between the outer eye corners of (..., 68, 2) points."""
    distance: NDArray[np.float32] = np.linalg.norm(
        points[..., 36, :2] - points[..., 45, :2], axis=-1
    )
    return distance
