"""A contact sheet of a turntable: some faces from all sides, under some lights, with things on."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ...files import write_whole

_ROWS: Final = 8
_FRONT: Final = 3
_LIT: Final = (0, 2, 4, 10, 12, 18, 19)
"""Ambient light, flashes from the left, half left, half right, right, above and below."""


def write_sheet(folder: Path, path: Path) -> None:
    """Write a PNG: a row per face with its views, its lights and what it wears.

    Args:
        folder: of a turntable that is finished.
        path: the file.
    """
    views = np.load(folder / "views_colour128.npy", mmap_mode="r")
    wearing = np.load(folder / "wearing_colour128.npy", mmap_mode="r")
    rows = np.unique(np.linspace(0, len(views) - 1, _ROWS).astype(int))
    sheet = np.concatenate([_row(views[row], wearing[row]) for row in rows])
    done, coded = cv2.imencode(".png", sheet[..., ::-1])
    assert done
    write_whole(path, coded.tobytes())


def _row(views: NDArray[np.uint8], wearing: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return one face's row (128, 21 · 128, 3)."""
    frontal_flash = 7
    pictures = [*views[:, frontal_flash], *views[_FRONT, list(_LIT)], *wearing[:, 0]]
    return np.concatenate(pictures, 1)
