"""What is worn, and a head as things are put on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ._sweep import Floats, Ints, Mesh, heights, normals, unit

Glasses = Literal["round", "square", "sunglasses"]
Hat = Literal["cap", "beanie", "brimmed"]
GLASSES: Final[tuple[Glasses, ...]] = get_args(Glasses)
HATS: Final[tuple[Hat, ...]] = get_args(Hat)

EYES_CM: Final = 6.2
"""Between the middles of the eyes: what a centimetre is."""


@dataclass(frozen=True, slots=True)
class Material:
    """What a part of a thing is made of."""

    name: str
    albedo: tuple[float, float, float]
    """Red, green and blue of the light it scatters, linear, 0–1. Of a lens: of what it lets
    through, as a share."""
    opacity: float
    """0–1, of the light that comes from behind: what is lost. 1: nothing passes."""
    gloss: float
    """0–1, of the light that falls on it straight: what is mirrored (0.04: glass and lacquer)."""
    rough: float
    """0 a mirror … 1 chalk: how far what is mirrored is spread."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Accessory:
    """A thing on a head, in the coordinates of the head."""

    name: Glasses | Hat
    vertices: Floats
    """(V, 3) float64."""
    faces: Ints
    """(F, 3) int64, wound as the head's own triangles are: all of one material come one after the
    other, in the order of `materials`."""
    material: Ints
    """(F,) int64, index in `materials`."""
    normals: Floats
    """(V, 3) float64, unit, outwards; smooth within a part."""
    density: Floats
    """(V,) float64 0–1: how much of its material's opacity is there (tinted glass is lighter
    below); 1 but on such lenses."""
    materials: tuple[Material, ...]

    def __repr__(self) -> str:
        return f"Accessory({self.name}, {len(self.vertices)} vertices, {len(self.faces)} faces)"


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Meshes of one material, in centimetres of the seat."""

    material: Material
    mesh: Mesh
    density: Floats | None = None
    """(V,) 0–1; None: 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Seat:
    """A head as things are put on it: x to one side, y up, z ahead [cm], from between the eyes."""

    vertices: Floats
    """(V, 3) of the head."""
    faces: Ints
    points: Floats
    """(68, 3) of the head, left and right made alike."""
    ears: Floats
    """(E, 3) vertices of both ears."""
    axes: Floats
    """(3, 3): rows are x, y and z in the head's coordinates, of length 1."""
    origin: Floats
    """(3,) in the head's coordinates."""
    unit: float
    """Of the head's coordinates in a centimetre."""

    @staticmethod
    def of(vertices: Floats, faces: Ints, landmarks68: Ints, ears: NDArray[np.bool_]) -> Seat:
        """Return the seat of a head; arguments as for `put_on`."""
        points = np.asarray(vertices, np.float64)[landmarks68]
        right, left = points[36:42].mean(0), points[42:48].mean(0)
        x = unit(left - right)
        up = points[27] - points[8]
        y = unit(up - (up @ x) * x)
        z = np.cross(x, y)
        if z @ (points[30] - points[[0, 16]].mean(0)) < 0:
            z = -z
        scale, origin = float(np.linalg.norm(left - right)) / EYES_CM, (left + right) / 2
        axes = np.stack([x, y, z])
        inside = (np.asarray(vertices, np.float64) - origin) @ axes.T / scale
        own = inside[landmarks68]
        own = 0.5 * (own + own[_OTHER_SIDE] * (-1.0, 1.0, 1.0))
        return Seat(inside, np.asarray(faces, np.int64), own, inside[ears], axes, origin, scale)

    def reach(self, points: Floats) -> Floats:
        """Return how far ahead the head reaches at points (P, 2) [x, y], on whichever side it
        reaches further, (P,); -inf beside it."""
        both = np.concatenate([points, points * (-1.0, 1.0)])
        return np.asarray(heights(both, self.vertices, self.faces).reshape(2, -1).max(0))

    def width(self, points: Floats) -> Floats:
        """Return how far from its middle the head reaches at points (P, 2) [z, y], on whichever
        side it reaches further, (P,)."""
        sides = []
        for sign in (-1.0, 1.0):
            turned = self.vertices[:, [2, 1, 0]] * (1.0, 1.0, sign)
            sides.append(heights(points, turned, self.faces))
        return np.asarray(np.maximum(*sides))

    def skull(self) -> Floats:
        """Return the vertices (P, 3) of the head above the line from brows to nape."""
        x, y, z = self.vertices.T
        brow = self.points[17:27].mean(0)
        return np.asarray(self.vertices[(y > brow[1]) & (np.abs(x) < 12) & (z > -18)])

    def placed(self, name: Glasses | Hat, parts: list[Part]) -> Accessory:
        """Return parts as one thing in the head's coordinates."""
        flips = np.linalg.det(self.axes) < 0
        vertices, faces, material, outward, density = [], [], [], [], []
        count = 0
        for index, part in enumerate(parts):
            own, triangles = part.mesh
            outward.append(normals(own, triangles) @ self.axes)
            vertices.append(own @ self.axes * self.unit + self.origin)
            faces.append((triangles[:, ::-1] if flips else triangles) + count)
            material.append(np.full(len(triangles), index))
            density.append(np.ones(len(own)) if part.density is None else part.density)
            count += len(own)
        return Accessory(
            name,
            np.concatenate(vertices),
            np.concatenate(faces),
            np.concatenate(material),
            np.concatenate(outward),
            np.concatenate(density),
            tuple(part.material for part in parts),
        )


_OTHER_SIDE: Final[NDArray[np.int64]] = np.array(
    [
        *(*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)),
        *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40, *range(54, 47, -1), *range(59, 54, -1)),
        *(*range(64, 59, -1), *range(67, 64, -1)),
    ]
)
"""The point of the other half of a face for each of the 68."""
