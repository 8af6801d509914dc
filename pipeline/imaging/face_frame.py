"""The face's own frame: one frontal head on which every face, however it is turned, looks the same.

What is known of a face over a shot (which of its skin has folds, where its beard and its moles are)
is gathered on a square window of this frame and carried from there to each frame by the landmarks,
so it stays on the face and does not flicker.

Coordinates of the frame are in distances between the outer eye corners (E): the origin lies between
these corners, x to the right, y down. A map of `side` texels covers the window, texel centres at
half steps, as `grid_sample(align_corners=False)` reads it.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from .masks import forehead_points
from .sampling import sample

Points = NDArray[np.float64]
Landmarks = NDArray[np.floating]

WINDOW_LEFT, WINDOW_TOP, WINDOW_SIDE = -1.3, -1.2, 2.6
"""The square that maps cover [E]."""

# The frontal mean head of the ICT Face Model Light (MIT licence, USC Institute for Creative
# Technologies), its own 68 landmarks made symmetrical and rounded; the inner lips are left out.
_HEAD = np.array(
    [
        [-0.83, -0.03], [-0.82, 0.22], [-0.78, 0.44], [-0.74, 0.65], [-0.64, 0.89], [-0.48, 1.08],
        [-0.34, 1.16], [-0.17, 1.20], [0.00, 1.23], [0.17, 1.20], [0.34, 1.16], [0.48, 1.08],
        [0.64, 0.89], [0.74, 0.65], [0.78, 0.44], [0.82, 0.22], [0.83, -0.03],
        [-0.65, -0.20], [-0.55, -0.29], [-0.43, -0.32], [-0.27, -0.31], [-0.13, -0.28],
        [0.13, -0.28], [0.27, -0.31], [0.43, -0.32], [0.55, -0.29], [0.65, -0.20],
        [0.00, -0.03], [0.00, 0.09], [0.00, 0.20], [0.00, 0.34],
        [-0.14, 0.51], [-0.07, 0.51], [0.00, 0.52], [0.07, 0.51], [0.14, 0.51],
        [-0.50, 0.00], [-0.43, -0.05], [-0.31, -0.06], [-0.21, 0.02], [-0.31, 0.04], [-0.43, 0.04],
        [0.21, 0.02], [0.31, -0.06], [0.43, -0.05], [0.50, 0.00], [0.43, 0.04], [0.31, 0.04],
        [-0.28, 0.78], [-0.19, 0.70], [-0.08, 0.66], [0.00, 0.66], [0.08, 0.66], [0.19, 0.70],
        [0.28, 0.78], [0.20, 0.84], [0.12, 0.87], [0.00, 0.88], [-0.12, 0.87], [-0.20, 0.84],
    ]
)  # fmt: skip
_OUTER = len(_HEAD)
"""Landmarks used: inner lips lie on each other when the mouth is closed and say nothing more."""
_STIFFNESS = 3e-4
_FIELD, _CELL = 40, 0.08
"""Cells per side of the window, and the size of a cell in a crop [E], of the coarse fields that are
enlarged: a thin plate is smooth."""


def centres(landmarks: Landmarks) -> Points:
    """(..., 69, 2) the points of faces that carry the frame: landmarks but the inner lips, and a
    forehead guessed from them (`forehead_points`), of (..., 68, 2) landmarks."""
    points = np.asarray(landmarks, np.float64)
    return np.concatenate([points[..., :_OUTER, :], forehead_points(points)], -2)


@cache
def head() -> Points:
    """(69, 2) the same points of the frame's own head [E]."""
    padded = np.concatenate([_HEAD, np.zeros((68 - _OUTER, 2))])
    return centres(padded)


def texels(side: int) -> Points:
    """(side, side, 2) where in the frame the texels of a map lie [E]."""
    along = (np.arange(side) + 0.5) * (WINDOW_SIDE / side)
    x, y = np.meshgrid(along + WINDOW_LEFT, along + WINDOW_TOP)
    return np.stack([x, y], -1)


def seen_in_frame(images: Tensor, landmarks: Tensor, side: int) -> Tensor:
    """(N, C, side, side) crops (N, C, S, S) as the face's own frame shows them, linear.

    Landmarks are (N, 68, 2) [crop px]. A crop finer than the map is averaged first.
    """
    faces = centres(landmarks.detach().cpu().numpy())
    field = np.einsum("pv,nvc->npc", _operator(), faces).reshape(-1, _FIELD, _FIELD, 2)
    eyes = np.linalg.norm(faces[:, 45] - faces[:, 36], axis=-1)
    out = []
    for image, places, unit in zip(images, field, eyes, strict=True):
        shrink = max(1, round(float(unit) * WINDOW_SIDE / side))
        small = F.avg_pool2d(image[None], shrink) if shrink > 1 else image[None]
        at = torch.from_numpy(places).to(image).permute(2, 0, 1)[None]
        at = F.interpolate(at, (side, side), mode="bilinear", align_corners=False)
        at = (at - 0.5 * (shrink - 1)) / shrink
        out.append(sample(small, at.permute(0, 2, 3, 1), kernel="linear"))
    return torch.cat(out)


def in_crop(landmarks: Landmarks, rows: slice, columns: slice, step: int) -> Tensor:
    """(1, h, w, 2) float32 where in maps the pixels of a part of a crop lie.

    Args:
        landmarks: (68, 2) of one face [crop px].
        rows, columns: of the crop [px]; every `step`-th pixel of them, in the middle of its block.

    The unit is that of `grid_sample(align_corners=False)`.
    """
    face = centres(landmarks)
    eyes = float(np.linalg.norm(face[45] - face[36]))
    origin = 0.5 * (face[36] + face[45])
    weights = _solved((face - origin) / eyes, head())
    h, w = (-(-(part.stop - part.start) // step) for part in (rows, columns))
    cell = max(1, round(_CELL * eyes / step))
    # A cell more on every side, or the first and the last would be held where they are.
    y, x = (
        part.start + 0.5 * (step - 1) + step * (0.5 * (cell - 1) + cell * np.arange(-1, count + 1))
        for part, count in ((rows, -(-h // cell)), (columns, -(-w // cell)))
    )
    grid = np.stack(np.meshgrid(x, y), -1)
    at = _evaluated(weights, (face - origin) / eyes, (grid.reshape(-1, 2) - origin) / eyes)
    unit = (at.reshape(grid.shape) - (WINDOW_LEFT, WINDOW_TOP)) * (2 / WINDOW_SIDE) - 1
    field = torch.from_numpy(unit.astype(np.float32)).permute(2, 0, 1)[None]
    size = (len(y) * cell, len(x) * cell)
    fine = F.interpolate(field, size, mode="bilinear", align_corners=False)
    return fine[:, :, cell : cell + h, cell : cell + w].permute(0, 2, 3, 1)


@cache
def _operator() -> Points:
    """(cells, 69) the matrix that takes a face's points to where the frame's cells lie in it."""
    identity = np.eye(len(head()))
    weights = _solved(head(), identity)
    return _evaluated(weights, head(), texels(_FIELD).reshape(-1, 2))


def _kernel(points: Points, at: Points) -> Points:
    """r² log r² between points (P, 2) and centres (V, 2): (P, V); of the size of a face 1."""
    a, b = points.astype(np.float32), at.astype(np.float32)
    squares = np.square(a[:, None, 0] - b[:, 0]) + np.square(a[:, None, 1] - b[:, 1])
    squares = np.maximum(squares, 1e-9)
    return np.asarray(squares * np.log(squares), np.float64)


def _solved(at: Points, values: Points) -> Points:
    """(V + 3, C) weights of the thin plate that takes centres (V, 2) to about `values` (V, C).

    The regularised spline of Wahba, "Spline Models for Observational Data" (1990), chapter 2.
    """
    count = len(at)
    squares = np.square(at[:, None] - at[None]).sum(-1)
    kernel = squares * np.log(np.maximum(squares, 1e-9))
    plane = np.column_stack([np.ones(count), at])
    matrix = np.zeros((count + 3, count + 3))
    matrix[:count, :count] = kernel + _STIFFNESS * np.eye(count)
    matrix[:count, count:], matrix[count:, :count] = plane, plane.T
    return np.asarray(
        np.linalg.solve(matrix, np.concatenate([values, np.zeros((3, values.shape[1]))]))
    )


def _evaluated(weights: Points, at: Points, points: Points) -> Points:
    """(P, C) values of a thin plate at points (P, 2)."""
    count = len(at)
    bent = _kernel(points, at) @ weights[:count]
    return np.asarray(bent + weights[count] + points @ weights[count + 1 :])
