"""Draw the attribute curves: one column per attribute, what is kept against what is changed."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..base import ModelError
from ..files import write_whole

Canvas = NDArray[np.uint8]
Colour = tuple[int, int, int]
Place = tuple[int, int]
"""Across and down, px of the finished picture."""

_COLOURS: Final[tuple[Colour, ...]] = ((196, 78, 32), (40, 110, 220), (60, 150, 60), (150, 60, 150))
"""BGR: blue, orange, green, purple."""
_INK, _GRID = (50, 50, 50), (222, 222, 222)
_SIDE, _GAP, _LEFT, _TOP = 300, 70, 90, 90
_LEGEND = 230
_LEVEL = 15
"""Step between the shades of a drawing: few shades make a file of half the size."""
_FINE = 2
"""Drawn this much larger and averaged down, for smooth lines."""
_ROWS: Final = (("attributes_kept", "attributes kept"), ("identity_distance", "identity moved"))


@dataclass(frozen=True, slots=True)
class Point:
    """One strength of one method, over all faces."""

    strength: float
    target_change: float
    attributes_kept: float
    identity_distance: float
    """From the unedited face, mean."""


def draw_curves(
    curves: Mapping[str, Mapping[str, Sequence[Point]]], path: Path, *, title: str
) -> None:
    """Write a PNG of curves by attribute and method.

    Raises:
        ModelError: the picture cannot be written.
    """
    methods = list(next(iter(curves.values())))
    width = _LEFT + max(len(curves) * (_SIDE + _GAP), len(methods) * _LEGEND)
    height = _TOP + len(_ROWS) * (_SIDE + _GAP) + 10
    canvas: Canvas = np.full((height * _FINE, width * _FINE, 3), 255, np.uint8)
    _write(canvas, title, (_LEFT, 30), 0.6)
    for index, method in enumerate(methods):
        x = _LEFT + _LEGEND * index
        _line(canvas, (x, 55), (x + 30, 55), _COLOURS[index % len(_COLOURS)], 2)
        _write(canvas, method, (x + 38, 60), 0.5)
    for row, (field, label) in enumerate(_ROWS):
        values = [getattr(p, field) for m in curves.values() for c in m.values() for p in c]
        bottom, top = _axis(values)
        for column, (attribute, by_method) in enumerate(curves.items()):
            corner = (_LEFT + column * (_SIDE + _GAP), _TOP + row * (_SIDE + _GAP))
            _frame(canvas, corner, (bottom, top), f"{attribute}: {label}")
            for index, points in enumerate(by_method.values()):
                places = [
                    _place(corner, p.target_change, (getattr(p, field) - bottom) / (top - bottom))
                    for p in points
                ]
                _curve(canvas, places, _COLOURS[index % len(_COLOURS)])
    _write(
        canvas,
        "across: share of faces whose class of the attribute changed",
        (_LEFT, height - 18),
        0.5,
    )
    small = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    small = np.asarray(np.round(small / _LEVEL) * _LEVEL, np.uint8)
    try:
        done, data = cv2.imencode(path.suffix, small, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        if not done:
            raise OSError("it could not be encoded")
        write_whole(path, data.tobytes())
    except (cv2.error, OSError) as e:
        raise ModelError(f"cannot write the picture {path}: {e}; does its folder exist?") from e


def _axis(values: Sequence[float]) -> tuple[float, float]:
    """Return what is written at the bottom and at the top of a chart: less and less is kept going
    down, from the value of an unedited face, which is the first."""
    top = values[0]
    farthest = max(abs(value - top) for value in values)
    reach = max(1.0, np.ceil(10 * farthest)) / 10
    return (top - reach if top else reach), top


def _place(corner: Place, across: float, up: float) -> Place:
    return round(corner[0] + across * _SIDE), round(corner[1] + (1 - up) * _SIDE)


def _frame(canvas: Canvas, corner: Place, axis: tuple[float, float], title: str) -> None:
    """Draw the axes of one chart with five lines each way."""
    for step in range(6):
        share = step / 5
        bottom, top = _place(corner, share, 0), _place(corner, share, 1)
        left, right = _place(corner, 0, share), _place(corner, 1, share)
        _line(canvas, bottom, top, _GRID, 1)
        _line(canvas, left, right, _GRID, 1)
        _write(canvas, f"{share:.0%}", (bottom[0] - 12, bottom[1] + 18), 0.4)
        _write(
            canvas, f"{axis[0] + share * (axis[1] - axis[0]):.2f}", (left[0] - 40, left[1] + 4), 0.4
        )
    _line(canvas, _place(corner, 0, 0), _place(corner, 1, 0), _INK, 1)
    _line(canvas, _place(corner, 0, 0), _place(corner, 0, 1), _INK, 1)
    _write(canvas, title, (corner[0], corner[1] - 8), 0.5)


def _curve(canvas: Canvas, places: Sequence[Place], colour: Colour) -> None:
    for a, b in itertools.pairwise(places):
        _line(canvas, a, b, colour, 2)
    for x, y in places:
        cv2.circle(canvas, (x * _FINE, y * _FINE), 4 * _FINE, colour, -1, cv2.LINE_AA)


def _line(canvas: Canvas, a: Place, b: Place, colour: Colour, width: int) -> None:
    start, end = (a[0] * _FINE, a[1] * _FINE), (b[0] * _FINE, b[1] * _FINE)
    cv2.line(canvas, start, end, colour, width * _FINE, cv2.LINE_AA)


def _write(canvas: Canvas, text: str, place: Place, size: float) -> None:
    where = (place[0] * _FINE, place[1] * _FINE)
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(canvas, text, where, font, size * _FINE, _INK, _FINE, cv2.LINE_AA)
