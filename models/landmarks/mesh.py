"""The face mesh in a picture, and how expressions and turns of the head move it.

Vertices are (V, 3) in image widths: x right, y down, z away from the viewer. Control vertices on
lips, lids, brows, nose and oval are moved; the rest follow by a harmonic solve.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.linalg import splu
from scipy.spatial import Delaunay

Points = NDArray[np.float64]

VERTICES = 468
_OVAL = [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377]
_OVAL += [152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109]
INNER_UPPER = [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308]
INNER_LOWER = [78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308]
_OUTER_UPPER = [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291]
_OUTER_LOWER = [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291]
EYES_UPPER = (
    [33, 246, 161, 160, 159, 158, 157, 173, 133],
    [263, 466, 388, 387, 386, 385, 384, 398, 362],
)
EYES_LOWER = (
    [33, 7, 163, 144, 145, 153, 154, 155, 133],
    [263, 249, 390, 373, 374, 380, 381, 382, 362],
)
_BROWS = (
    [70, 63, 105, 66, 107, 46, 53, 52, 65, 55],
    [300, 293, 334, 296, 336, 276, 283, 282, 295, 285],
)
_NOSE = [168, 6, 197, 195, 5, 4, 1, 2, 98, 97, 326, 327, 48, 278]
_CHIN = [152, 148, 377, 176, 400, 149, 378, 199, 175, 200, 18, 83, 313]
_RINGS = ((1.3, 0.06, 1.0), (1.75, 0.25, 0.6))
"""Rings round the oval: size, depth behind it [image widths], share of the head's turn."""

SKIN, MOUTH_INSIDE, EYE_INSIDE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Mesh:
    """A fixed triangulation of a picture: face mesh, two rings round it, the picture's border."""

    triangles: NDArray[np.int64]
    """(M, 3) int64 vertex indices."""
    kinds: NDArray[np.int64]
    """(M,) int64: SKIN, MOUTH_INSIDE or EYE_INSIDE."""
    controls: NDArray[np.int64]
    """(C,) int64 vertices that expressions move."""
    spread: NDArray[np.float64]
    """(V, C) float64: displacement of every vertex from those of the controls (harmonic)."""


def surround(mesh: NDArray[np.float32]) -> Points:
    """Return (V, 3) vertices [image widths]: 468 of the mesh, the rings, the border."""
    face = mesh[:VERTICES].astype(np.float64)
    oval = face[_OVAL]
    centre = oval.mean(axis=0)
    parts = [face]
    for size, depth, _ in _RINGS:
        ring = centre + (oval - centre) * size
        ring[:, 2] = oval[:, 2] + depth
        parts.append(ring)
    t = np.linspace(-0.35, 1.35, 9)
    low, high = np.full(9, -0.35), np.full(9, 1.35)
    edge = np.concatenate(
        [
            np.stack(side, axis=1)
            for side in ((t, low), (t, high), (low[1:8], t[1:8]), (high[1:8], t[1:8]))
        ]
    )
    parts.append(np.column_stack([edge, np.full(len(edge), 0.6)]))
    return np.concatenate(parts)


def build_mesh(meshes: NDArray[np.float32]) -> Mesh:
    """Return the triangulation for faces (N, 478, 3), built on the mean of those with open mouths.

    On them no lip vertex lies in the opening, so the opening's triangles join vertices of its rim
    only.
    """
    gaps = np.linalg.norm(meshes[:, 14] - meshes[:, 13], axis=-1)
    opened = surround(meshes[np.argsort(-gaps)[: max(1, len(gaps) // 20)]].mean(axis=0))
    centre = opened[_OVAL].mean(axis=0)
    # seen from the front some cheek vertices touch the oval; apart from it, its edges are edges of
    # the mesh
    opened[_OVAL] = centre + 1.12 * (opened[_OVAL] - centre)
    triangles = Delaunay(opened[:, :2]).simplices.astype(np.int64)
    kinds = np.full(len(triangles), SKIN)
    holes = [(MOUTH_INSIDE, INNER_UPPER + INNER_LOWER[-2:0:-1])]
    holes += [(EYE_INSIDE, u + w[-2:0:-1]) for u, w in zip(EYES_UPPER, EYES_LOWER, strict=True)]
    for kind, ring in holes:
        middles = opened[triangles, :2].mean(axis=1).astype(np.float32)
        polygon = opened[ring, :2].astype(np.float32)[:, None]
        inside = [
            cv2.pointPolygonTest(polygon, (float(x), float(y)), False) > 0 for x, y in middles
        ]
        kinds[np.isin(triangles, ring).all(axis=1) & np.array(inside)] = kind
    controls = _control_vertices(len(opened))
    return Mesh(
        triangles, kinds, controls, _harmonic(triangles[kinds == SKIN], controls, len(opened))
    )


def _control_vertices(count: int) -> NDArray[np.int64]:
    rings = VERTICES + len(_OVAL)
    moved = [INNER_UPPER, INNER_LOWER, _OUTER_UPPER, _OUTER_LOWER, *EYES_UPPER, *EYES_LOWER]
    moved += [*_BROWS, _NOSE, _CHIN, _OVAL]
    return np.unique(np.concatenate([*moved, np.arange(rings, count)])).astype(np.int64)


def _harmonic(
    triangles: NDArray[np.int64], controls: NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    """Return (V, C): the solution of Laplace's equation on the graph for unit controls."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges = np.concatenate([edges, edges[:, ::-1]])
    ones = np.ones(len(edges))
    adjacency = csr_matrix(coo_matrix((ones, (edges[:, 0], edges[:, 1])), (count, count)))
    adjacency.data[:] = 1.0
    laplacian = csr_matrix(diags(np.asarray(adjacency.sum(axis=1)).ravel() + 1e-9) - adjacency)
    free = np.setdiff1d(np.arange(count), controls)
    spread = np.zeros((count, len(controls)))
    spread[controls, np.arange(len(controls))] = 1.0
    right = -laplacian[free][:, controls].toarray()
    spread[free] = splu(laplacian[free][:, free].tocsc()).solve(right)
    return spread


@dataclass(frozen=True, slots=True)
class Pose:
    """One random target; lengths in face heights (eye line to chin), angles in radians."""

    jaw: float
    corners: tuple[float, float, float, float]
    """Outward and upward motion of the right and of the left mouth corner."""
    lips_closed: float
    """0 as they are … 1 the inner lips meet."""
    pucker: float
    fullness: tuple[float, float]
    """Thickness of the upper and the lower lip, times what it was."""
    lids: tuple[float, float]
    """0 as they are … 1 closed (below 0 wider open), right and left."""
    brows: tuple[float, float]
    turn: tuple[float, float]
    """Yaw, pitch."""


def random_pose(rng: np.random.Generator) -> Pose:
    """Draw a target: mostly mild; a third blink, a third close the lips, half open the jaw."""
    kind = rng.random()
    jaw = 0.0 if kind < 0.55 else float(rng.beta(1.2, 2.0) * 0.22)
    out = rng.normal(0, 0.035)
    up = rng.normal(0, 0.03)
    side = rng.normal(0, 0.012, 4)
    corners = tuple(float(v) for v in (out + side[0], up + side[1], out + side[2], up + side[3]))
    assert len(corners) == 4
    lid = float(
        rng.choice(
            [rng.normal(0, 0.12), rng.uniform(0, 0.7), rng.uniform(0.85, 1.0)], p=[0.4, 0.25, 0.35]
        )
    )
    other = lid if rng.random() < 0.85 else float(rng.uniform(0, 1))
    yaw = rng.normal(0, 0.3) if rng.random() < 0.7 else rng.uniform(-0.8, 0.8)
    return Pose(
        jaw=jaw,
        corners=corners,
        lips_closed=1.0 if kind < 0.3 else 0.0,
        fullness=(float(np.exp(rng.normal(0.1, 0.25))), float(np.exp(rng.normal(0.15, 0.25)))),
        pucker=float(rng.uniform(0, 1)) if rng.random() < 0.15 else 0.0,
        lids=(lid, other),
        brows=(float(rng.normal(0, 0.02)), float(rng.normal(0, 0.02))),
        turn=(float(np.clip(yaw, -0.8, 0.8)), float(np.clip(rng.normal(0, 0.16), -0.4, 0.4))),
    )


def move(mesh: Mesh, vertices: Points, pose: Pose) -> tuple[Points, Points]:
    """Return the moved vertices (V, 3), and the same with the lids as they were."""
    height = float(np.linalg.norm(vertices[152, :2] - vertices[[33, 263], :2].mean(axis=0)))
    target = vertices.copy()
    _move_mouth(target, pose, height)
    for i, brow in enumerate(_BROWS):
        target[brow, 1] -= pose.brows[i] * height
    open_target = target.copy()
    for i in range(2):
        _close_lids(target, i, pose.lids[i])
    full = vertices + mesh.spread @ (target - vertices)[mesh.controls]
    full_open = vertices + mesh.spread @ (open_target - vertices)[mesh.controls]
    return _turn(full, pose), _turn(full_open, pose)


def _move_mouth(target: Points, pose: Pose, height: float) -> None:
    across = np.linspace(-1, 1, 11)
    bulge = (1 - across**2) ** 0.7
    if pose.lips_closed > 0:
        upper, lower = target[INNER_UPPER], target[INNER_LOWER]
        gap = (lower - upper) * pose.lips_closed
        for rows, share in ((INNER_UPPER, 0.3), (_OUTER_UPPER, 0.2)):
            target[rows] += share * gap
        for rows, share in ((INNER_LOWER, -0.7), (_OUTER_LOWER, -0.65)):
            target[rows] += share * gap
        target[_CHIN, 1] -= 0.5 * gap[5, 1]
    for rows, rim, times in (
        (_OUTER_UPPER, INNER_UPPER, pose.fullness[0]),
        (_OUTER_LOWER, INNER_LOWER, pose.fullness[1]),
    ):
        target[rows[1:-1]] += (times - 1) * (target[rows] - target[rim])[1:-1]
    drop = pose.jaw * height
    for rows in (INNER_LOWER, _OUTER_LOWER):
        target[rows, 1] += drop * (0.25 + 0.75 * bulge)
    for rows in (INNER_UPPER, _OUTER_UPPER):
        target[rows[1:-1], 1] += (drop * (0.25 - 0.37 * bulge))[1:-1]
    target[_CHIN, 1] += 0.9 * drop
    jaw_line = target[_OVAL, 1]
    low = np.clip((jaw_line - target[[33, 263], 1].mean()) / height, 0, 1) ** 2
    oval = np.array([v not in _CHIN for v in _OVAL])
    target[np.array(_OVAL)[oval], 1] += 0.9 * drop * low[oval]
    squeeze = -0.11 * pose.pucker
    for rows in (INNER_UPPER, INNER_LOWER, _OUTER_UPPER, _OUTER_LOWER):
        inner = slice(0, 11) if rows in (INNER_UPPER, _OUTER_UPPER) else slice(1, 10)
        ids = np.array(rows)[inner]
        left, right = (1 - across[inner]) / 2, (1 + across[inner]) / 2
        out0, up0, out1, up1 = pose.corners
        sharp = 1.6
        target[ids, 0] += height * (
            -(out0 + squeeze) * left**sharp + (out1 + squeeze) * right**sharp
        )
        target[ids, 1] -= height * (up0 * left**sharp + up1 * right**sharp)


def _close_lids(target: Points, eye: int, closed: float) -> None:
    """Bring the upper lid down by `closed` of the opening; the lower one comes up a little."""
    upper, lower = np.array(EYES_UPPER[eye]), np.array(EYES_LOWER[eye])
    meet = 0.18 * target[upper] + 0.82 * target[lower]
    target[upper] += closed * (meet - target[upper])
    target[lower[1:-1]] += closed * (meet - target[lower])[1:-1]


def _turn(vertices: Points, pose: Pose) -> Points:
    """Return the vertices turned about a point inside the head, under a mild perspective."""
    yaw, pitch = pose.turn
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    oval = vertices[_OVAL].mean(axis=0)
    pivot = np.array([oval[0], oval[1], oval[2] + 0.12])
    turned = (vertices - pivot) @ (about_x @ about_y).T
    turned[:, :2] *= (3.0 / (3.0 + turned[:, 2:3])) / (3.0 / (3.0 + (vertices - pivot)[:, 2:3]))
    turned += pivot
    share = np.ones((len(vertices), 1))
    n = len(_OVAL)
    for i, (_, _, s) in enumerate(_RINGS):
        share[VERTICES + i * n : VERTICES + (i + 1) * n] = s
    share[VERTICES + len(_RINGS) * n :] = 0.0
    moved: Points = vertices + share * (turned - vertices)
    return moved
