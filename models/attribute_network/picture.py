"""The one picture of an evaluation: pairs with what both stages made of them, and Figure 6."""

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
Place = tuple[int, int]
_INK, _GRID = (50, 50, 50), (222, 222, 222)
_COLOURS: Final = ((40, 110, 220), (196, 78, 32), (60, 150, 60), (150, 60, 150))
"""BGR."""
_CELL, _GAP, _TITLE = 96, 4, 26
_CHART, _MARGIN = 260, 56
_COLUMNS: Final = "source, target, first stage, second stage"


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A few pairs of one network."""

    title: str
    pictures: NDArray[np.uint8]
    """(N, 4, C, S, S): source, target, first stage, second stage."""


def write_picture(
    path: Path, examples: Sequence[Example], turns: Mapping[str, Mapping[str, float]]
) -> None:
    """Write a PNG of examples, and of R@5 by the size of the turn.

    Raises:
        ModelError: it cannot be written.
    """
    blocks = [_block(example) for example in examples]
    if turns:
        blocks.append(_chart(turns))
    width = max(block.shape[1] for block in blocks)
    sheet = np.concatenate([_widened(block, width) for block in blocks])
    try:
        done, data = cv2.imencode(".png", sheet, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        if not done:
            raise OSError("it could not be encoded")
        write_whole(path, data.tobytes())
    except (cv2.error, OSError) as e:
        raise ModelError(f"cannot write the picture {path}: {e}; does its folder exist?") from e


def _block(example: Example) -> Canvas:
    """Return pairs in two columns of four pictures each, under their title."""
    pairs = [_row(pictures) for pictures in example.pictures]
    if len(pairs) % 2:
        pairs.append(np.full_like(pairs[0], 255))
    rows = [np.concatenate(pairs[k : k + 2], 1) for k in range(0, len(pairs), 2)]
    block = np.concatenate(rows)
    title = np.full((_TITLE, block.shape[1], 3), 255, np.uint8)
    _write(title, f"{example.title}: {_COLUMNS}", (_GAP, _TITLE - 9), 0.45)
    return np.concatenate([title, block])


def _row(pictures: NDArray[np.uint8]) -> Canvas:
    cells = [_cell(picture) for picture in pictures]
    gap = np.full((_CELL + _GAP, 4 * _GAP, 3), 255, np.uint8)
    return np.concatenate([*cells, gap], 1)


def _cell(picture: NDArray[np.uint8]) -> Canvas:
    """Return one picture (C, S, S) on white, BGR."""
    seen = np.moveaxis(picture, 0, -1)[..., ::-1]
    seen = np.repeat(seen, 3, -1) if seen.shape[-1] == 1 else seen
    how = cv2.INTER_AREA if len(seen) > _CELL else cv2.INTER_NEAREST
    cell = np.full((_CELL + _GAP, _CELL + _GAP, 3), 255, np.uint8)
    cell[:_CELL, _GAP:] = cv2.resize(np.ascontiguousarray(seen), (_CELL, _CELL), interpolation=how)
    return cell


def _chart(turns: Mapping[str, Mapping[str, float]]) -> Canvas:
    """Return R@5 [%] against the size of the turn, a line per row of the tables."""
    width = _MARGIN + 2 * _CHART + _MARGIN
    canvas: Canvas = np.full((_CHART + 2 * _MARGIN, width, 3), 255, np.uint8)
    _write(canvas, "Figure 6: R@5 [%] by the size of the turn [degrees]", (_MARGIN, 20), 0.45)
    for percent in range(0, 101, 20):
        left, right = _place(0, percent), _place(6.5, percent)
        cv2.line(canvas, left, right, _GRID, 1)
        _write(canvas, str(percent), (left[0] - 34, left[1] + 4), 0.4)
    for steps in range(1, 7):
        x, y = _place(steps, 0)
        _write(canvas, str(15 * steps), (x - 8, y + 18), 0.4)
    for index, (name, values) in enumerate(turns.items()):
        colour = _COLOURS[index % len(_COLOURS)]
        places = [_place(float(step), value) for step, value in values.items()]
        for a, b in itertools.pairwise(places):
            cv2.line(canvas, a, b, colour, 2, cv2.LINE_AA)
        for place in places:
            cv2.circle(canvas, place, 4, colour, -1, cv2.LINE_AA)
        x = _MARGIN + 200 * index
        cv2.line(canvas, (x, 36), (x + 24, 36), colour, 2, cv2.LINE_AA)
        _write(canvas, name, (x + 30, 41), 0.4)
    return canvas


def _place(steps: float, percent: float) -> Place:
    x = _MARGIN + steps / 6.5 * 2 * _CHART
    return round(x), round(_MARGIN + (1 - percent / 100) * _CHART)


def _widened(block: Canvas, width: int) -> Canvas:
    beside = np.full((len(block), width - block.shape[1], 3), 255, np.uint8)
    return np.concatenate([block, beside], 1)


def _write(canvas: Canvas, text: str, place: Place, size: float) -> None:
    cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, _INK, 1, cv2.LINE_AA)
