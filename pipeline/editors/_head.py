"""What editors use of a head in three dimensions (`models.head`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ._base import Kit

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class Stuff(Protocol):
    """Of `models.head.accessories`: what a part of a thing is made of."""

    @property
    def albedo(self) -> tuple[float, float, float]:
        """Linear light it scatters; of a lens, the colour of what it lets through."""

    @property
    def opacity(self) -> float:
        """1: nothing passes."""

    @property
    def gloss(self) -> float:
        """Share of light that is mirrored."""

    @property
    def rough(self) -> float:
        """0 a mirror … 1 chalk."""


class Thing(Protocol):
    """Of `models.head.accessories`: a thing on a head at rest, in head units."""

    @property
    def vertices(self) -> Doubles:
        """(V, 3)"""

    @property
    def faces(self) -> Ints:
        """(F, 3)"""

    @property
    def material(self) -> Ints:
        """(F,)"""

    @property
    def normals(self) -> Doubles:
        """(V, 3)"""

    @property
    def density(self) -> Doubles:
        """(V,)"""

    @property
    def materials(self) -> Sequence[Stuff]:
        """By number."""


class Fit(Protocol):
    """A head in T frames."""

    @property
    def identity(self) -> Doubles:
        """(I,)"""

    @property
    def scale(self) -> Doubles:
        """(T,)"""

    @property
    def rotation(self) -> Doubles:
        """(T, 3, 3)"""

    @property
    def shift(self) -> Doubles:
        """(T, 2)"""

    @property
    def expression(self) -> Doubles:
        """(T, E)"""


class Turned(Protocol):
    """What a turned head shows on a grid of places; see `models.head.turning`."""

    pull: Floats
    depth: Floats
    share: Floats
    known: NDArray[np.bool_]
    head: NDArray[np.bool_]
    scale: float


class Head(Protocol):
    """What is used of `models.head`."""

    faces: Tensor
    """(F, 3) int64 triangles."""
    landmarks68: Tensor
    expression: Tensor

    def fit(self, points: Doubles, weights: NDArray[np.float32]) -> Fit:
        """Return the head of points (T, 68, 2) [px]."""

    def fit_identity(self, points: Doubles) -> Doubles:
        """Return the shape (I,) of the head of the points (T, 68, 2) [px] of a shot."""

    def fit_pose(self, points: Doubles, identity: Doubles) -> Fit:
        """Return how a head of some shape is posed in every frame by itself."""

    def vertices(self, fit: Fit, frame: int) -> Tensor:
        """Return the vertices (V, 3) of a frame of a fit [px of its points]."""

    def shape(self, identity: Tensor, expression: Tensor) -> Tensor:
        """Return vertices (V, 3) of coefficients."""

    def normals(self, vertices: Tensor) -> Tensor:
        """Return unit normals (V, 3)."""

    def in_group(self, *names: str) -> Tensor:
        """Return which vertices (V,) belong to some groups."""

    def turn(
        self,
        points: Doubles,
        identity: Doubles,
        degrees: float,
        cell: int,
        count: int,
        *,
        glasses: bool = False,
    ) -> Turned:
        """Return what a head of points (68, 2) shows after a turn, on a grid of places."""

    def worn(self, name: str, identity: Tensor) -> Thing:
        """Return a thing on a head at rest."""


def head_of(kit: Kit) -> Head:
    """Return the head an editor was built with."""
    return cast("Head", kit.network("head"))
