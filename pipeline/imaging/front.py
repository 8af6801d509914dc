"""What a parsing says is before a face: hands, microphones, cups, paper, and rims of glasses.

Rims count only where they are told all round both eyes: of a pair of glasses half of which stays
and half of which is carried along, nothing is left that looks like glasses.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..parsing import Label, Parsing
from .filling import spread_in
from .geometry import BROWS, JAW, LEFT_EYE, RIGHT_EYE, eye_distance
from .masks import outline

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

_FRONT, _RIMS = 0.5, 0.4
"""Shares of what is before the face, and of glasses, from which on a cell shows them."""
_IN_FRONT: Final = 0.5
"""Share of what is before a person from which on a cell says nothing of the person."""
_REACHED: Final = (1.0, 1.15)
"""How far an edit may reach, to the side and up or down, in halves of the parsing's grid."""
_RIM_RADII: Final = (0.12, 0.6)
"""Where the rim round an eye is looked for, from the eye's middle [outer eye distances]."""
_SECTORS, _LEAST_SECTORS = 12, 8
"""Of a circle round an eye, and in how many of them a rim has to be seen."""
_BESIDE_LETTERS: Final = 0.1
"""How far beside letters a parsing is not asked [outer eye distances]."""
_FACE: Final[tuple[Label, ...]] = (
    *("skin", "brows", "eyes", "glasses"),
    *("nose", "lips", "mouth"),
)
_SEEN: Final = 0.5
"""Share of a cell from which on it is seen."""
_HARDLY: Final = 0.008
"""Share of a face that something else may take up before it counts as hidden."""
_RIM: Final = 0.025
"""Width of the rim of a face that is not judged [widths of the face]."""
_EDGE: Final = 0.8
"""Sigma of the edge of the mask, which lies outside of the things [cells of the parsing]."""


def before_faces(
    parsing: Parsing,
    landmarks: Tensor,
    side: int,
    *,
    letters: Tensor | None = None,
    rims: bool = True,
) -> Tensor | None:
    """(N, 1, S, S) float32, 1 over what is before the faces, 0 elsewhere, smooth; None if nothing
    is.

    Args:
        parsing: of N faces, on the CPU.
        landmarks: (N, 68, 2) [crop px].
        side: S [px].
        letters: (N, 1, S, S) from `overlays.printed`. They are known better than a parsing knows
            them: what it says of their surroundings does not count.
        rims: whether rims of glasses count.
    """
    front = ((parsing.of("front") > _FRONT) & _reached(parsing.shares.shape[-1]))[:, 0].numpy()
    things = front | _glasses(parsing, landmarks) if rims else front
    if not things.any():
        return None
    whole, step = slice(0, side), 1 if side % 2 else 2
    edges = torch.from_numpy(np.stack([_softened(cells) for cells in things])[:, None])
    small = parsing.sampled(edges, whole, whole, step, middle=True)[:, 0].numpy()
    out = np.empty((len(small), 1, side, side), np.float32)
    for mask, large in zip(small, out[:, 0], strict=True):
        cv2.resize(mask, (side, side), dst=large, interpolation=cv2.INTER_LINEAR)
    out.clip(0, 1, out=out)
    if letters is not None:
        sizes = eye_distance(landmarks.double().numpy())
        for mask, text, eyes in zip(out[:, 0], letters[:, 0], sizes, strict=True):
            reach = 2 * round(_BESIDE_LETTERS * float(eyes)) + 1
            mask[cv2.dilate(text.numpy(), np.ones((reach, reach), np.uint8)) > 0] = 0
    return torch.from_numpy(out)


def wears_glasses(parsing: Parsing, landmarks: Tensor) -> Flags:
    """Return of which faces (N,) a parsing shows rims all round both eyes; arguments as for
    `seen_whole`."""
    return np.asarray(_glasses(parsing, landmarks).any((1, 2)), bool)


def _glasses(parsing: Parsing, landmarks: Tensor) -> Flags:
    """Return the cells (N, G, G) that show rims of glasses of which enough is seen."""
    rims = (parsing.of("glasses") > _RIMS)[:, 0].numpy()
    points = landmarks.double().numpy()
    for n in np.flatnonzero(rims.any((1, 2))):
        if not _all_round(rims[n], _on_grid(parsing.crop_to_grid[n], points[n], rims.shape[-1])):
            rims[n] = False
    return rims


def seen_whole(parsing: Parsing, landmarks: Tensor) -> Flags:
    """Return of which faces (N,) a parsing sees all: between jaw and brows nothing but face, and
    above them, up to the forehead's outline, nothing but face and hair.

    Args:
        parsing: of N faces, on the CPU.
        landmarks: (N, 68, 2) [crop px].
    """
    face, hair = parsing.of(*_FACE)[:, 0], parsing.of("hair")[:, 0]
    points, grid = landmarks.double().numpy(), parsing.shares.shape[-1]
    out = np.zeros(len(points), bool)
    for n, (marks, matrix) in enumerate(zip(points, parsing.crop_to_grid, strict=True)):
        shapes = np.concatenate([marks[JAW], marks[BROWS][::-1]]), outline(marks)
        low, whole = (_inside(_on_grid(matrix, shape, grid), grid) for shape in shapes)
        away = ((face[n].numpy() < _SEEN) & low) | (((face[n] + hair[n]).numpy() < _SEEN) & whole)
        out[n] = np.count_nonzero(away) <= _HARDLY * np.count_nonzero(whole)
    return out


def _inside(polygon: NDArray[np.float64], grid: int) -> Flags:
    """Return the cells (G, G) within a polygon (K, 2) [cells], without its rim."""
    out = np.zeros((grid, grid), np.uint8)
    cv2.fillPoly(out, [np.rint(polygon * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
    rim = round(_RIM * float(np.ptp(polygon[:, 0])))
    return np.asarray(cv2.erode(out, np.ones((2 * rim + 1, 2 * rim + 1), np.uint8)) > 0)


def person_behind(parsing: Parsing) -> Tensor:
    """Return how much of each cell of the grid is the person, (N, 1, G, G) 0–1; behind what is
    before the person, as guessed from beside it."""
    front, room = parsing.of("front"), parsing.of("background")
    # Where a thing is hardly told, or ends, the rest of the cell says whether it is the person.
    share = ((1 - room - front) / (1 - front).clamp_min(_IN_FRONT)).clamp(0, 1)
    covered = front > _IN_FRONT
    for n in torch.nonzero(covered.flatten(1).any(1))[:, 0].tolist():
        known = (~covered[n, 0]).float().numpy()
        beside = spread_in(share[n, 0, :, :, None].numpy(), known)
        share[n, 0] = torch.from_numpy(beside[..., 0])
    return share


def _reached(grid: int) -> Tensor:
    """(G, G) bool: the cells of a parsing that an edit may reach, an ellipse round the face."""
    line = (torch.arange(grid) + 0.5) * (2 / grid) - 1
    return (line / _REACHED[0]).square() + (line[:, None] / _REACHED[1]).square() < 1


def _softened(cells: Flags) -> Floats:
    """Return (G, G): 1 or more over some cells, falling below 0 within two or three cells."""
    grown = cv2.dilate(cells.astype(np.float32), np.ones((3, 3), np.uint8))
    # Blurred, a corner one cell out is at 0.7 where the thing itself ends.
    soft = cv2.GaussianBlur(grown, (0, 0), _EDGE) * np.float32(1.6) - np.float32(0.05)
    return np.asarray(soft, np.float32)


def _on_grid(crop_to_grid: Tensor, points: NDArray[np.float64], grid: int) -> NDArray[np.float64]:
    """Return points (K, 2) [crop px] in cells of a grid."""
    matrix = crop_to_grid.double().numpy()
    return np.asarray((points @ matrix[:, :2].T + matrix[:, 2] + 1) * grid / 2 - 0.5)


def _all_round(rims: Flags, points: NDArray[np.float64]) -> bool:
    """Whether rims (G, G) are seen round both eyes of a face with points (68, 2) [cells]."""
    cells = np.argwhere(rims)[:, ::-1]
    eyes = float(eye_distance(points))
    for eye in (RIGHT_EYE, LEFT_EYE):
        away = cells - points[eye].mean(0)
        radius = np.linalg.norm(away, axis=1) / eyes
        ring = away[(radius > _RIM_RADII[0]) & (radius < _RIM_RADII[1])]
        turns = np.arctan2(ring[:, 1], ring[:, 0]) / (2 * np.pi)
        if len(np.unique((turns % 1 * _SECTORS).astype(int))) < _LEAST_SECTORS:
            return False
    return True
