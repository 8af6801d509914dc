"""Fewer triangles for the same surface: half-edge collapses in the order of their quadric error.

Garland, Heckbert, "Surface simplification using quadric error metrics" (SIGGRAPH 1997), with a
vertex always drawn onto a neighbour (a half-edge collapse), so that every vertex that is left is
one of the old ones and keeps all its modes. The error of a collapse is summed over several poses of
the same mesh, or a chin that only moves when the mouth opens would be thinned like a forehead.
"""

from __future__ import annotations

import heapq
from collections import Counter

import numpy as np
from numpy.typing import NDArray

_FLIP = 0.2
"""Least cosine between a triangle's normals before and after a collapse."""
_EVEN = 0.002
"""Share of the squared length of an edge in its cost: in flat places triangles stay round."""
_EDGE_WEIGHT = 10.0
"""Of the planes that stand on a border, against those of the surface."""


def decimated(
    poses: NDArray[np.float64],
    triangles: NDArray[np.int64],
    importance: NDArray[np.float64],
    kept: NDArray[np.bool_],
    target: int,
) -> NDArray[np.int64]:
    """Return triangles (G, 3) that use about `target` of the vertices, by their old numbers.

    Args:
        poses: (K, V, 3) the same vertices in K poses; the first one decides about flips.
        triangles: (F, 3) of a manifold with borders; a border keeps its course.
        importance: (V,) how much an error near a vertex counts.
        kept: (V,) vertices that stay.
        target: how many vertices are to be left, of those that triangles use.
    """
    return _Mesh(poses, triangles, importance, kept).collapsed(target)


def border_edges(triangles: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return the edges of only one triangle, the smaller vertex first, in order."""
    sides = np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), 1)
    count = Counter(map(tuple, sides.tolist()))
    return sorted((a, b) for (a, b), times in count.items() if times == 1)


class _Mesh:
    """A mesh on its way down."""

    def __init__(
        self,
        poses: NDArray[np.float64],
        triangles: NDArray[np.int64],
        importance: NDArray[np.float64],
        kept: NDArray[np.bool_],
    ) -> None:
        self.poses, self.importance, self.kept = poses, importance, kept
        self.at = poses[0]
        self.triangles = [list(map(int, t)) for t in triangles]
        self.of_vertex: list[set[int]] = [set() for _ in range(poses.shape[1])]
        for number, triangle in enumerate(self.triangles):
            for vertex in triangle:
                self.of_vertex[vertex].add(number)
        self.border: list[set[int]] = [set() for _ in self.of_vertex]
        for a, b in border_edges(triangles):
            self.border[a].add(b)
            self.border[b].add(a)
        self.quadrics = self._quadrics(triangles)
        self.age = [0] * len(self.of_vertex)

    def _quadrics(self, triangles: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return (K, V, 4, 4): squared distances to the planes of the triangles, by their areas."""
        poses, vertices = self.poses, self.poses.shape[1]
        out = np.zeros((len(poses), vertices, 4, 4))
        a, b, c = (poses[:, triangles[:, k]] for k in range(3))
        normal = np.cross(b - a, c - a)
        area = np.linalg.norm(normal, axis=-1, keepdims=True)
        planes = self._planes(normal, a, np.sqrt(0.5 * area))
        for k in range(3):
            for pose in range(len(poses)):
                np.add.at(out[pose], triangles[:, k], planes[pose])
        self._add_borders(out, triangles, normal)
        return out * self.importance[None, :, None, None]

    def _add_borders(
        self, out: NDArray[np.float64], triangles: NDArray[np.int64], normal: NDArray[np.float64]
    ) -> None:
        """Add planes that stand upright on every border edge."""
        for number, triangle in enumerate(triangles.tolist()):
            for a, b in ((0, 1), (1, 2), (2, 0)):
                start, end = triangle[a], triangle[b]
                if end not in self.border[start]:
                    continue
                along = self.poses[:, end] - self.poses[:, start]
                upright = np.cross(along, normal[:, number])
                size = np.linalg.norm(along, axis=-1, keepdims=True)
                plane = self._planes(upright, self.poses[:, start], size * _EDGE_WEIGHT**0.5)
                out[:, start] += plane
                out[:, end] += plane

    @staticmethod
    def _planes(
        normal: NDArray[np.float64], point: NDArray[np.float64], weight: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        unit = normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
        plane = np.concatenate([unit, -(unit * point).sum(-1, keepdims=True)], -1) * weight
        return plane[..., :, None] * plane[..., None, :]

    def collapsed(self, target: int) -> NDArray[np.int64]:
        """Collapse until `target` vertices are left, or nothing more can go."""
        left = sum(bool(owned) for owned in self.of_vertex)
        heap: list[tuple[float, int, int, int]] = []
        for vertex in range(len(self.of_vertex)):
            self._offer(heap, vertex)
        while left > target and heap:
            _, start, end, age = heapq.heappop(heap)
            if self.age[start] == age and self._may_collapse(start, end):
                for vertex in self._collapse(start, end):
                    self._offer(heap, vertex)
                left -= 1
        return np.array(sorted(t for t in self.triangles if t), np.int64)

    def _neighbours(self, vertex: int) -> set[int]:
        return {v for t in self.of_vertex[vertex] for v in self.triangles[t]} - {vertex}

    def _offer(self, heap: list[tuple[float, int, int, int]], vertex: int) -> None:
        """Put all collapses of a vertex onto its neighbours on the heap."""
        if self.kept[vertex] or not self.of_vertex[vertex]:
            return
        ends = sorted(self.border[vertex] or self._neighbours(vertex))
        points = self.poses[:, ends]
        homogeneous = np.concatenate([points, np.ones((*points.shape[:2], 1))], -1)
        error = np.einsum("kni,kij,knj->n", homogeneous, self.quadrics[:, vertex], homogeneous)
        length = ((self.at[ends] - self.at[vertex]) ** 2).sum(-1)
        cost = error + _EVEN * self.importance[vertex] * length**2
        for value, end in zip(cost.tolist(), ends, strict=True):
            heapq.heappush(heap, (value, vertex, end, self.age[vertex]))

    def _may_collapse(self, start: int, end: int) -> bool:
        """Whether the surface stays a manifold, and no triangle turns over."""
        shared = self.of_vertex[start] & self.of_vertex[end]
        common = self._neighbours(start) & self._neighbours(end)
        if not shared or len(common) != len(shared):
            return False
        if self.border[start] and end not in self.border[start]:
            return False
        if len(self.border[start]) > 2 or (self.border[start] & self.border[end]):
            return False
        for number in self.of_vertex[start] - shared:
            before = self.at[self.triangles[number]]
            after = self.at[[end if v == start else v for v in self.triangles[number]]]
            old, new = (np.cross(p[1] - p[0], p[2] - p[0]) for p in (before, after))
            if old @ new < _FLIP * np.linalg.norm(old) * np.linalg.norm(new):
                return False
        return True

    def _collapse(self, start: int, end: int) -> list[int]:
        """Draw one vertex onto another; return the vertices whose collapses have a new cost."""
        around = self._neighbours(start)
        for number in sorted(self.of_vertex[start]):
            triangle = self.triangles[number]
            if end in triangle:
                for vertex in triangle:
                    self.of_vertex[vertex].discard(number)
                self.triangles[number] = []
            else:
                triangle[triangle.index(start)] = end
                self.of_vertex[end].add(number)
        self.of_vertex[start] = set()
        for other in self.border[start]:
            self.border[other].discard(start)
            if other != end:
                self.border[other].add(end)
                self.border[end].add(other)
        self.border[start] = set()
        self.quadrics[:, end] += self.quadrics[:, start]
        self.age[start] += 1
        changed = sorted(around | self._neighbours(end) | {end})
        for vertex in changed:
            self.age[vertex] += 1
        return changed
