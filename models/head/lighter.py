"""A head with fewer vertices: one half thinned out, then mirrored, and the mouth closed."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .basis import GROUPS, Head
from .decimate import border_edges, decimated

_POSES: Final = (
    (),
    ("jawOpen",),
    ("mouthSmile_L", "mouthSmile_R", "browInnerUp_L", "browInnerUp_R"),
    ("mouthPucker", "browDown_L", "browDown_R"),
    ("mouthFrown_L", "mouthFrown_R", "mouthStretch_L", "mouthStretch_R"),
)
"""Expressions that are also kept in shape while vertices go."""
_IMPORTANCE: Final = {"face": 1.0, "ears": 0.15, "scalp": 0.1, "neck": 0.1, "eyes": 0.02}
"""Of an error by where it is."""
_ON_MIDDLE: Final = 76
"""About so many vertices are left on the plane of symmetry, which both halves share."""
_MIDDLE: Final = 1e-4
"""Vertices nearer to the plane of symmetry lie on it [head units]."""


def lighter(head: Head, *, vertices: int, modes: int, expressions: tuple[str, ...]) -> Head:
    """Return a head of about so many vertices, with the first modes and some expressions.

    Every vertex is one of the old ones and moves as it did. Landmarks, the rims of eyelids and
    mouth and the places of the contour stay; both sides have the same mesh. What lies inside
    (teeth, sockets) goes; the gap between the lips is closed, the eyeballs' fronts stay.
    """
    half = _half(head)
    kept = _kept(head, half)
    poses = _poses(head)
    target = (vertices + _ON_MIDDLE) // 2
    slim = decimated(poses, half, _importance(head), kept, target)
    slim = np.concatenate([slim, _mouth(head, slim, poses[1])])
    mirror = head.mirror.numpy()
    whole = np.concatenate([slim, mirror[slim][:, [0, 2, 1]]])
    return chosen(head, whole, modes, expressions)


def _half(head: Head) -> NDArray[np.int64]:
    """Return the triangles (F, 3) of one half: skin, and the front of the eyeball."""
    neutral, faces = head.neutral.numpy(), head.faces.numpy()
    eyes = head.in_group("eyes").numpy()
    surface = head.in_group("face", "ears", "scalp", "neck").numpy()
    rim = neutral[head.landmarks68.numpy()[36:48], 2].min()
    surface |= eyes & (neutral[:, 2] > rim - 0.06)
    return np.asarray(faces[(surface[faces] & (neutral[faces, 0] > -_MIDDLE)).all(1)])


def _kept(head: Head, half: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which vertices (V,) must stay: landmarks, places of the contour, rims of the face."""
    kept = np.zeros(len(head.neutral), bool)
    places = torch.cat([head.landmarks68, head.contour.flatten()]).numpy()
    kept[places] = kept[head.mirror.numpy()[places]] = True
    neutral = head.neutral.numpy()
    face = head.in_group("face").numpy() & (neutral[:, 0] > _MIDDLE)
    for a, b in border_edges(half):
        if face[a] or face[b]:
            kept[[a, b]] = True
    return kept


def _poses(head: Head) -> NDArray[np.float64]:
    names, poses = head.expression_names, []
    for shown in _POSES:
        pose = head.neutral + sum(
            (head.expression[names.index(name)] for name in shown), torch.zeros(())
        )
        poses.append(pose.double().numpy())
    return np.stack(poses)


def _importance(head: Head) -> NDArray[np.float64]:
    values = np.array([_IMPORTANCE.get(name, 0.0) for name in GROUPS])
    return np.asarray(values[head.group.numpy()])


def _mouth(head: Head, half: NDArray[np.int64], opened: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return triangles that close one half of the gap between the lips, seen from in front.

    The rim is a line from the middle of the upper lip round the corner to the middle of the lower;
    triangles zip its two sides together from the corner. They lie on each other until the mouth is
    opened, (V, 3).
    """
    neutral, lips = head.neutral.numpy(), head.landmarks68.numpy()[60:68]
    low, high = neutral[lips].min(0) - 0.15, neutral[lips].max(0) + 0.15
    near = ((neutral > low) & (neutral < high)).all(1) & head.in_group("face").numpy()
    rim = [(a, b) for a, b in border_edges(half) if near[a] and near[b]]
    rim = [e for e in rim if (neutral[list(e), 0] > _MIDDLE).any()]
    line = _in_a_row(rim)
    if neutral[line[0], 1] > neutral[line[-1], 1]:
        line.reverse()
    corner = int(np.argmax(neutral[line, 0]))
    above, below = line[corner::-1], line[corner:]
    triangles, a, b = [], 1, 1
    triangles.append((above[0], above[1], below[1]))
    while a < len(above) - 1 or b < len(below) - 1:
        on_top = b == len(below) - 1 or (
            a < len(above) - 1 and neutral[above[a + 1], 0] > neutral[below[b + 1], 0]
        )
        if on_top:
            triangles.append((above[a], above[a + 1], below[b]))
            a += 1
        else:
            triangles.append((above[a], below[b + 1], below[b]))
            b += 1
    return _facing(opened, np.array(triangles, np.int64))


def _facing(vertices: NDArray[np.float64], triangles: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return triangles turned so that all look forward."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    back = np.cross(b - a, c - a)[:, 2] < 0
    triangles[back] = triangles[back][:, [0, 2, 1]]
    return triangles


def _in_a_row(edges: list[tuple[int, int]]) -> list[int]:
    """Return the vertices of edges that form one open line, from one end to the other."""
    beside: dict[int, list[int]] = {}
    for a, b in edges:
        beside.setdefault(a, []).append(b)
        beside.setdefault(b, []).append(a)
    ends = sorted(vertex for vertex, others in beside.items() if len(others) == 1)
    line = [ends[0]]
    while further := [v for v in beside[line[-1]] if v not in line[-2:]]:
        line.append(further[0])
    return line


def chosen(
    head: Head, triangles: NDArray[np.int64], modes: int, expressions: tuple[str, ...]
) -> Head:
    """Return a head of some triangles (F, 3), with the first modes and some expressions."""
    used = np.unique(triangles)
    number = np.full(len(head.neutral), -1)
    number[used] = np.arange(len(used))
    vertices, names = torch.from_numpy(used), head.expression_names
    shown = [names.index(name) for name in expressions]

    def renumbered(old: Tensor | NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(number[np.asarray(old)])

    group = head.group[vertices].clone()
    return Head(
        {
            "neutral": head.neutral[vertices],
            "identity": head.identity[:modes, vertices],
            "expression": head.expression[shown][:, vertices],
            "faces": renumbered(triangles),
            "landmarks68": renumbered(head.landmarks68),
            "contour": renumbered(head.contour),
            "group": group,
            "mirror": renumbered(head.mirror[vertices]),
            "names": torch.tensor(list("\n".join(expressions).encode()), dtype=torch.uint8),
        }
    )
