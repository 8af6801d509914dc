"""The back of the hair, which no photograph shows: a bowl from one side of it to the other.

In every row of the photograph hair reaches from somewhere on the left to somewhere on the right, or
as far as the skull does. Half an ellipse joins both behind the head. It is painted with the hair of
the front, mirrored at the outline, as far within as the way round is long.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from ...head.raster import Floats, Ints
from ...head.shading import vertex_normals
from .anatomy import Anatomy
from .matte import Matte, folded
from .pose import BELOW, Posed
from .sitters import Sitter
from .surface import Paint, Surface, sampled

OUTLINE_Z: Final = 0.15
"""Where the outline of hair lies, before the axis of the neck [head units]."""

_STEP: Final = 3
"""Between two rows of points [px of the parts]."""
_ACROSS: Final = 33
"""Points in a row."""
_LIFT: Final = 0.06
"""Of the hair over the back of the head [head units]."""
_FALL: Final = 0.25
"""How fast hair that falls from the back of the head comes nearer to the neck."""
_ROUND: Final = 1.3
"""The bowl is at most so much deeper than half its width."""
_SMOOTH: Final = 2.0
"""Of the outline [rows]."""
_LEAST_WIDTH: Final = 5
"""Of a strip of hair that anything is painted from [px of the parts]."""
_WITHIN: Final = 1.5
"""How far within the outline of the front the bowl ends [px of the parts]."""
_GLOSS: Final = 0.03


def hair_back(sitter: Sitter, posed: Posed, matte: Matte, anatomy: Anatomy) -> Surface:
    """Return the back of a sitter's hair in the head's axes."""
    rows, left, right, deep = _bowl(posed, matte, anatomy)
    turn = np.linspace(-0.5 * np.pi, 0.5 * np.pi, _ACROSS)
    half = 0.5 * (right - left)
    x = 0.5 * (left + right)[:, None] + half[:, None] * np.sin(turn)
    z = 0.5 * OUTLINE_Z * posed.unit - deep[:, None] * np.cos(turn)
    y = np.broadcast_to(rows[:, None], x.shape)
    placed = np.stack([2 * x + 0.5, 2 * y + 0.5, 2 * z], -1).reshape(-1, 3).astype(np.float32)
    placed[:, :2] -= sitter.fit.shift[0].astype(np.float32)
    vertices = placed @ sitter.fit.rotation[0].astype(np.float32) / np.float32(sitter.fit.scale[0])
    triangles = _lattice(len(rows))
    # The last rows fade: below them lies hair on the skin itself.
    fading = np.clip((rows[-1] - rows) / (3 * _STEP), 0, 1)
    return Surface(
        vertices=vertices.astype(np.float32),
        triangles=triangles,
        normals=vertex_normals(vertices, triangles),
        paint=_paint(matte, rows, 0.5 * (half + deep), turn),
        gloss=np.full(len(vertices), _GLOSS, np.float32),
        cover=np.repeat(fading, _ACROSS).astype(np.float32),
    )


def _bowl(posed: Posed, matte: Matte, anatomy: Anatomy) -> tuple[Floats, Floats, Floats, Floats]:
    """Return rows (R,), where the bowl ends on the left and right of each, and how deep it is, all
    [px of the parts]."""
    unit = 0.5 * posed.unit
    there = np.pad(matte.there, ((0, BELOW), (0, 0)), mode="edge")
    filled = np.flatnonzero(there.any(1))
    rows = np.arange(filled[0], filled[-1] + _STEP, _STEP)
    skull = posed.vertices[(anatomy.scalp | anatomy.neck) & anatomy.drawn] * 0.5
    left, right, behind = (np.full(len(rows), np.nan) for _ in range(3))
    for k, row in enumerate(rows):
        own = skull[np.abs(skull[:, 1] - row) < 2 * _STEP]
        own = own[np.abs(own[:, 0] - np.median(own[:, 0])) < 1.1 * unit] if len(own) else own
        hair = np.flatnonzero(there[min(row, len(there) - 1)])
        ends = [*own[:, 0].tolist(), *hair.tolist()]
        if len(ends) > 1:
            left[k], right[k] = min(ends) + _WITHIN, max(ends) - _WITHIN
        if len(own):
            behind[k] = own[:, 2].min()
    left, right = _whole(left), _whole(right)
    # From the back of the head hair falls; it never lies within the neck.
    deep = 0.5 * OUTLINE_Z * posed.unit - _whole(behind) + _LIFT * unit
    for k in range(1, len(rows)):
        deep[k] = max(deep[k], deep[k - 1] - _FALL * _STEP)
    deep = np.minimum(deep, _ROUND * 0.5 * (right - left))
    smooth = (gaussian_filter1d(part, _SMOOTH, mode="nearest") for part in (left, right, deep))
    return (rows.astype(np.float32), *(part.astype(np.float32) for part in smooth))


def _whole(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values (R,) with those that are missing from the nearest rows."""
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return np.zeros_like(values)
    return np.interp(np.arange(len(values)), known, values[known])


def _lattice(rows: int) -> Ints:
    """Return triangles (F, 3) of points in rows, facing backwards."""
    corner = (np.arange(rows - 1)[:, None] * _ACROSS + np.arange(_ACROSS - 1)).reshape(-1, 1)
    halves = np.array([[0, 1, _ACROSS], [1, _ACROSS + 1, _ACROSS]])
    return np.asarray((corner[:, None] + halves).reshape(-1, 3), np.int32)


def _paint(matte: Matte, rows: Floats, radius: Floats, turn: NDArray[np.float64]) -> Paint:
    """Return the front's hair, mirrored at the outline, to and fro where the way round is longer
    than the hair is wide.

    Args:
        matte: of the front.
        rows: (R,) of points [px of the parts].
        radius: (R,) of the bowl in each, about.
        turn: (A,) of the points of a row, from −π/2 on the left to π/2 on the right.
    """
    way = (0.5 * np.pi - np.abs(turn)) * radius[:, None]
    x = np.zeros_like(way)
    share = np.zeros_like(way)
    for side in (-1, 1):
        start, width, sure = _strip(matte, rows, side)
        there = turn * side >= 0
        to_and_fro = width[:, None] - np.abs(way % (2 * width[:, None]) - width[:, None])
        x[:, there] = (start[:, None] - side * to_and_fro)[:, there]
        share[:, there] = sure[:, None]
    places = np.stack([x, np.broadcast_to(rows[:, None], x.shape)], -1).reshape(-1, 2)
    places = folded(places.astype(np.float32))
    both = np.repeat(2 * places[:, None] + 0.5, 2, 1).astype(np.float32)
    shares = np.stack([share.ravel(), np.zeros(share.size)], 1).astype(np.float32)
    gains = np.ones((len(places), 2, 3), np.float32)
    return Paint(both, shares, gains, sampled(matte.colours, places))


def _strip(matte: Matte, rows: Floats, side: int) -> tuple[Floats, Floats, Floats]:
    """Return where the outermost strip of hair begins on a side (−1 left, 1 right) of each row, how
    wide it is [px of the parts], and how sure that is (0–1), each (R,)."""
    inner = np.pad(matte.inner, ((0, BELOW), (0, 0)), mode="edge")
    start, width = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    for k, row in enumerate(rows.astype(int)):
        line = inner[min(row, len(inner) - 1)][::-side]
        hair = np.flatnonzero(line)
        if len(hair) >= _LEAST_WIDTH:
            end = np.flatnonzero(~line[hair[0] :])
            first, count = hair[0], end[0] if len(end) else len(line) - hair[0]
            start[k] = len(line) - 1 - first if side > 0 else first
            width[k] = max(count, _LEAST_WIDTH)
    sure = gaussian_filter1d(np.isfinite(start).astype(np.float64), _SMOOTH, mode="nearest")
    begun, wide = (gaussian_filter1d(_whole(p), _SMOOTH, mode="nearest") for p in (start, width))
    wide = np.maximum(wide, _LEAST_WIDTH)
    return begun.astype(np.float32), wide.astype(np.float32), sure.astype(np.float32)
