"""The turn of a head from its landmarks, to find the yaw direction by a left/right classifier.

Šubrtová, Čech, Franc, "Hairstyle Transfer between Face Images", FG 2021: the direction is the
normal of a linear classifier of faces looking left and right; z ± k·n turns the head.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..base import ModelError
from ..topology68 import MESH_TO_68
from ..training.joining import Rows


def yaw_scores(landmarks: Tensor) -> Tensor:
    """Return how far faces are turned (N,): above 0 to the viewer's right, 0 frontal, about ±1 in
    profile.

    The place of the nose's tip between the two edges of the face, at the height of the ears.

    Args:
        landmarks: 68 points (N, 68, 2), any unit, x to the right.
    """
    left, right = landmarks[:, 0:3, 0].mean(1), landmarks[:, 14:17, 0].mean(1)
    nose = landmarks[:, 30, 0]
    return (2 * nose - left - right) / (right - left)


def read_landmarks(path: Path) -> tuple[Tensor, Rows]:
    """Return 68 points (N, 68, 2) of an .npz with `points` (N, 68 or 478, 2 or 3), and the faces
    that its `names` (or `files`) say they are of.

    Raises:
        ModelError: the file is missing or holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            points = archive["points"]
            ids = next((archive[key] for key in ("names", "files") if key in archive), None)
    except (OSError, KeyError, ValueError) as e:
        raise ModelError(f"{path} is no landmark file: {e}; expected an .npz with 'points'") from e
    if points.ndim != 3 or points.shape[1] not in (68, 478) or points.shape[2] < 2:
        raise ModelError(f"{path} holds points {points.shape}, expected (N, 68 or 478, 2 or 3)")
    if points.shape[1] == 478:
        points = points[:, list(MESH_TO_68)]
    if ids is not None and ids.shape != (len(points),):
        raise ModelError(f"{path} names faces {ids.shape} for {len(points)} rows of points")
    names = None if ids is None else tuple(str(name) for name in ids)
    found = torch.from_numpy(points[:, :, :2].astype(np.float32))
    return found, Rows(f"rows of landmarks in {path}", len(found), names)
