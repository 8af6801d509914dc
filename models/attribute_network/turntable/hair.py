"""The front of the hair, which hangs where the photograph shows hair.

A photograph says where hair is, not how far it stands out. The front lies on the head where there
is one behind it, a little above it the further from the hairline, and bends back towards its own
outline like the side of a cushion. Strands are the photograph's, and so is the soft outline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ...head.raster import Floats, Ints
from ...head.shading import vertex_normals
from .back import OUTLINE_Z
from .matte import Matte, folded
from .pose import BELOW, Posed
from .sitters import SKIN, Sitter
from .surface import Paint, Surface, sampled

_STEP: Final = 3
"""Between the points of the sheets [px of the parts]."""
_LIFT: Final = 0.20
"""How far hair stands out from the head, at most [head units]."""
_SLOPE: Final = 0.45
"""How fast it rises from the hairline."""
_BEND: Final = 0.75
"""Distance from the outline over which the cushion bends [head units]."""
_DEEP: Final = 0.5
"""How far the cushion comes forward [head units]."""
_RIM: Final = 5.0
"""Near the outline hair is painted from so far within [px of the parts]."""
_GLOSS: Final = 0.03


@dataclass(frozen=True, slots=True, eq=False)
class _Shape:
    """Hair as a photograph's parts have it, going on below it: all (H, W), in px of the parts."""

    hair: NDArray[np.bool_]
    body: NDArray[np.bool_]
    """Hair and head together."""
    from_outline: Floats
    """How far within the body; negative outside."""
    from_skin: Floats
    head: Floats
    """Depth of the head, −inf beside it."""
    unit: float
    """One head unit."""

    @property
    def rim(self) -> float:
        """Depth of the outline."""
        return OUTLINE_Z * self.unit


def hair_front(sitter: Sitter, posed: Posed, matte: Matte) -> Surface:
    """Return the front of a sitter's hair in the head's axes."""
    shape = _shape(sitter, posed, matte.there)
    places, triangles = _grid(cv2.dilate(shape.hair.astype(np.uint8), np.ones((9, 9))) > 0)
    x, y = places.T
    placed = np.stack([2 * x + 0.5, 2 * y + 0.5, 2 * _front(shape)[y, x]], 1).astype(np.float32)
    placed[:, :2] -= sitter.fit.shift[0].astype(np.float32)
    vertices = placed @ sitter.fit.rotation[0].astype(np.float32) / np.float32(sitter.fit.scale[0])
    return Surface(
        vertices=vertices.astype(np.float32),
        triangles=triangles,
        normals=vertex_normals(vertices, triangles),
        paint=_paint(shape, matte, places.astype(np.float32)),
        gloss=np.full(len(vertices), _GLOSS, np.float32),
        matted=True,
        thin=True,
    )


def _shape(sitter: Sitter, posed: Posed, there: NDArray[np.bool_]) -> _Shape:
    head = posed.raster.depth
    below = ((0, BELOW), (0, 0))
    hair = np.pad(there, below, mode="edge")
    body = (hair | (head > -np.inf)).astype(np.uint8)
    body = cv2.morphologyEx(body, cv2.MORPH_CLOSE, np.ones((7, 7)))
    body = (cv2.GaussianBlur(body.astype(np.float32), (0, 0), 2) > 0.5).astype(np.uint8)
    # The picture's border is no outline: hair goes on beyond it.
    framed = np.pad(body, 40, mode="edge")
    within = cv2.distanceTransform(framed, cv2.DIST_L2, 5)[40:-40, 40:-40]
    outside = cv2.distanceTransform(1 - framed, cv2.DIST_L2, 5)[40:-40, 40:-40]
    seen_skin = np.pad(sitter.parts == SKIN, below, mode="edge")
    skin = (body > 0) & ~hair & seen_skin
    from_skin = cv2.distanceTransform((~skin).astype(np.uint8), cv2.DIST_L2, 5)
    return _Shape(hair, body > 0, within - outside, from_skin, head, 0.5 * posed.unit)


def _cushion(shape: _Shape) -> Floats:
    """Return 0 at the outline, 1 where the cushion is full; steep at the outline, but not so steep
    that there is no point between it and the depth."""
    within = np.clip(shape.from_outline / (_BEND * shape.unit), 0, 1)
    return np.asarray(np.sin(0.5 * np.pi * within**0.75), np.float32)


def _front(shape: _Shape) -> Floats:
    """Return the depth of the front (H, W) [px of the parts]."""
    cushion = shape.rim + _DEEP * shape.unit * _cushion(shape)
    lift = np.minimum(_SLOPE * shape.from_skin, _LIFT * shape.unit)
    above = np.where(shape.head > -np.inf, shape.head, -1e4) + lift + 0.01 * shape.unit
    depth = np.maximum(cushion, above).astype(np.float32)
    weight = cv2.dilate(shape.hair.astype(np.uint8), np.ones((9, 9))).astype(np.float32)
    smooth = cv2.GaussianBlur(depth * weight, (0, 0), 4)
    smooth /= np.maximum(cv2.GaussianBlur(weight, (0, 0), 4), 1e-3)
    return np.asarray(np.maximum(smooth, above - 0.5 * lift), np.float32)


def _grid(where: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Return points (V, 2) as (x, y) on a grid over a mask, and triangles (F, 3) between them."""
    height, width = where.shape
    y, x = np.mgrid[:height:_STEP, :width:_STEP]
    chosen = where[y, x]
    number = np.cumsum(chosen.ravel()).reshape(chosen.shape) - 1
    sides = (chosen[:-1, :-1], chosen[:-1, 1:], chosen[1:, :-1], chosen[1:, 1:])
    corners = (number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:])
    halves = [
        np.stack([corners[i][sides[0 if 0 in half else 3] & sides[1] & sides[2]] for i in half], 1)
        for half in ((0, 1, 2), (1, 3, 2))
    ]
    points = np.stack([x[chosen], y[chosen]], 1)
    return points.astype(np.int32), np.concatenate(halves).astype(np.int32)


def _paint(shape: _Shape, matte: Matte, places: Floats) -> Paint:
    """Return paint for places (N, 2): the hair itself, a little within its outline."""
    smooth = cv2.GaussianBlur(shape.hair.astype(np.float32), (0, 0), 6)
    slope = np.stack([cv2.Sobel(smooth, cv2.CV_32F, *axis) for axis in ((1, 0), (0, 1))], -1)
    slope /= np.maximum(np.linalg.norm(slope, axis=-1, keepdims=True), 1e-6)
    x, y = places.astype(int).T
    move = np.clip(_RIM - shape.from_outline[y, x], 0, _RIM + 4)
    own = folded(places + move[:, None] * slope[y, x])
    # The second places say how much hair is there; they paint nothing.
    both = np.stack([2 * own + 0.5, 2 * folded(places) + 0.5], 1).astype(np.float32)
    shares = np.tile(np.array([1, 0], np.float32), (len(places), 1))
    gains = np.ones((len(places), 2, 3), np.float32)
    return Paint(both, shares, gains, sampled(matte.colours, folded(places)))
