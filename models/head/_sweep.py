"""Triangle meshes out of curves: tubes, plates, bowls; and how far a head reaches under a point."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mesh = tuple[Floats, Ints]
"""Vertices (V, 3) and triangles (F, 3), counter-clockwise as seen from outside."""


def joined(meshes: Sequence[Mesh]) -> Mesh:
    """Return some meshes as one."""
    starts = np.cumsum([0] + [len(vertices) for vertices, _ in meshes])
    faces = [faces + start for (_, faces), start in zip(meshes, starts[:-1], strict=True)]
    return np.concatenate([vertices for vertices, _ in meshes]), np.concatenate(faces)


def mirrored(mesh: Mesh) -> Mesh:
    """Return a mesh with x negated, still seen from outside."""
    vertices, faces = mesh
    return vertices * (-1.0, 1.0, 1.0), faces[:, ::-1].copy()


def lattice(points: Floats, *, closed: tuple[bool, bool] = (False, False)) -> Mesh:
    """Return the mesh of a grid of points (A, B, 3), of which either axis may be closed.

    Its outside is that of the cross product of the step along A and the step along B.
    """
    count_a, count_b = points.shape[:2]
    at = np.arange(count_a * count_b).reshape(count_a, count_b)
    if closed[0]:
        at = np.concatenate([at, at[:1]])
    if closed[1]:
        at = np.concatenate([at, at[:, :1]], 1)
    corners = [at[:-1, :-1], at[1:, :-1], at[1:, 1:], at[:-1, 1:]]
    a, b, c, d = (corner.ravel() for corner in corners)
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return points.reshape(-1, 3), faces


def tube(path: Floats, section: Floats, across: Floats, *, closed: bool = False) -> Mesh:
    """Return a section swept along a path.

    Args:
        path: (P, 3).
        section: (Q, 2) or (P, Q, 2), closed and counter-clockwise: first along `across`, then along
            the direction at right angles to it and to the path.
        across: (P, 3) or (3,), roughly at right angles to the path.
        closed: whether the path ends where it begins; the ends of an open one are capped.
    """
    steps = np.roll(path, -1, 0) - np.roll(path, 1, 0) if closed else np.gradient(path, axis=0)
    ahead = unit(steps)
    across = np.broadcast_to(across, path.shape)
    first = unit(across - (across * ahead).sum(-1, keepdims=True) * ahead)
    second = np.cross(ahead, first)
    rings = np.broadcast_to(section, (len(path), *section.shape[-2:]))
    points = path[:, None] + rings[..., :1] * first[:, None] + rings[..., 1:] * second[:, None]
    # Along the section first, then along the path: that is outwards.
    vertices, faces = lattice(points.swapaxes(0, 1), closed=(True, closed))
    if closed:
        return vertices, faces
    count = section.shape[-2]
    at = np.arange(count * len(path)).reshape(count, len(path))
    caps = []
    for column, end in ((0, path[0]), (-1, path[-1])):
        ring, middle = at[:, column], len(vertices)
        vertices = np.concatenate([vertices, end[None]])
        following = np.roll(ring, -1)
        order = (following, ring) if column == 0 else (ring, following)
        caps.append(np.stack([*order, np.full(count, middle)], 1))
    return vertices, np.concatenate([faces, *caps])


def ellipse(width: float, height: float, count: int, power: float = 2.0) -> Floats:
    """Return a closed curve (count, 2), counter-clockwise: |2x/w|^p + |2y/h|^p = 1."""
    angle = np.arange(count) * (2 * np.pi / count)
    points = np.stack([np.cos(angle), np.sin(angle)], 1)
    size = (np.abs(points) ** power).sum(1, keepdims=True) ** (1 / power)
    return np.asarray(points / size * (width / 2, height / 2))


def ball(centre: Floats, axes: Floats, count: int = 8) -> Mesh:
    """Return an ellipsoid with half-axes in the rows of `axes` (3, 3), right-handed."""
    around = np.arange(2 * count) * (np.pi / count)
    down = np.linspace(0, np.pi, count + 1)[:, None]
    ring = np.sin(down) * np.cos(around), np.sin(down) * np.sin(around)
    points = np.stack([*ring, np.broadcast_to(np.cos(down), ring[0].shape)], -1)
    return lattice(centre + points @ axes, closed=(False, True))


def unit(vectors: Floats) -> Floats:
    """Return vectors (..., 3) of length 1."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12))


def heights(points: Floats, vertices: Floats, faces: Ints) -> Floats:
    """Return how far along z a mesh reaches over points (P, 2) of the x-y plane, (P,); -inf beside
    it."""
    if not len(points):
        return np.zeros(0)
    corners = vertices[faces]
    low, high = corners[..., :2].min(1), corners[..., :2].max(1)
    near = ((high >= points.min(0)) & (low <= points.max(0))).all(1)
    corners, low, high = corners[near], low[near], high[near]
    a, b, c = (corners[:, k] for k in range(3))
    area = _cross(b - a, c - a)
    area = np.where(np.abs(area) < 1e-12, np.inf, area)
    out = np.full(len(points), -np.inf)
    for n, point in enumerate(points):
        under = np.flatnonzero(((low <= point) & (high >= point)).all(1))
        to = point - a[under, :2]
        second = _cross(to, (c - a)[under]) / area[under]
        third = _cross((b - a)[under], to) / area[under]
        inside = (second >= -1e-9) & (third >= -1e-9) & (second + third <= 1 + 1e-9)
        if inside.any():
            at = under[inside]
            first = 1 - second[inside] - third[inside]
            z = first * a[at, 2] + second[inside] * b[at, 2] + third[inside] * c[at, 2]
            out[n] = z.max()
    return out


def _cross(first: Floats, second: Floats) -> Floats:
    return np.asarray(first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0])


def normals(vertices: Floats, faces: Ints) -> Floats:
    """Return unit normals of vertices (V, 3): the mean over their triangles, by area."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    each = np.cross(b - a, c - a)
    out = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(out, faces[:, k], each)
    return unit(out)
