"""The matte of hair: how much of every pixel is hair, strand by strand, and the hair alone."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .hair_cells import Cells
from .tones import Floats, smoothstep

_EDGE = 0.04
"""How wide an edge is: beyond that all is hair, or none [outer eye distances]."""
_ALIKE = 0.16
"""Distance of two colours ([-1, 1]) that can hardly be told apart."""
_SURELY, _POSSIBLY = (0.85, 0.97), (0.02, 0.12)
"""Shares around a pixel that make it hair whatever its colour, and without which it is none."""
_LEAST, _MOST = 0.08, 0.92
"""Shares of a pixel that count for nothing, and for all …"""
_LEAST_BEFORE, _MOST_BEFORE = 0.06, 0.85
"""… and before skin, where hair throws its shadow."""
_FRINGE = 0.05
"""Sigma of how far the ends of hair may lie from where its cells end before skin, which is seen
through them [outer eye distances] …"""
_BEFORE_SKIN = (0.03, 0.2)
"""… and shares of skin near by at which there is none behind hair, and is."""


def matted(window: Cells, share: Floats, skin: Floats) -> tuple[Floats, Floats]:
    """Return the matte of hair in a window, (h, w) 0–1, and the hair alone, (3, h, w) in [-1, 1].

    A pixel along the edge is a mixture of hair and of what is behind or before it. Its share of
    hair is how far its colour lies on the way from the colours beyond the edge to those within (the
    projection of Bayesian matting, Chuang et al., CVPR 2001, without its spreads); where both look
    alike, the share of its cell. All else in the pixel has to stay as it is when the hair changes:
    so the hair alone has, along the edge, the colours within.

    Args:
        window: of a crop.
        share: (h, w) 0–1 of its cells.
        skin: (h, w) 0–1 share of skin of its cells.
    """
    colours, reach = window.colours().transpose(1, 2, 0), _EDGE * window.eyes / window.cell
    hair = _around(colours, share, reach)
    others = _around(colours, 1 - share, reach)
    way = hair - others
    length = np.einsum("hwc,hwc->hw", way, way)
    way /= (length + np.float32(_ALIKE**2))[..., None]
    told = length / (length + np.float32(_ALIKE**2))
    level = (1 - told) * share - np.einsum("hwc,hwc->hw", way, others)
    soft, wide, before = (
        cv2.GaussianBlur(values, (0, 0), max(sigma * window.eyes / window.cell, 0.5))
        for values, sigma in ((share, 0.5 * _EDGE), (share, _FRINGE), (skin, _FRINGE))
    )
    before = smoothstep(before, *_BEFORE_SKIN)
    low, high = (
        smoothstep(soft, *ends) * (1 - before) + smoothstep(wide, *ends) * before
        for ends in (_SURELY, _POSSIBLY)
    )
    size = window.picture.shape[:0:-1]
    matte = cv2.resize(low, size, interpolation=cv2.INTER_NEAREST)
    own = window.picture.copy()
    # Most cells, and those round them, are hair or not: only the others are looked into.
    unsure = cv2.dilate(((low < 1) & (high > 0)).astype(np.uint8), np.ones((3, 3), np.uint8))
    at = np.flatnonzero(cv2.resize(unsure, size, interpolation=cv2.INTER_NEAREST))
    if not len(at):
        return matte, own
    pixels = own.reshape(3, -1)[:, at].T
    x, y = at % size[0], at // size[0]
    found = np.einsum("pc,pc->p", pixels, _at(way, x, y, window.cell))
    level, low, high, before = _at(np.dstack([level, low, high, before]), x, y, window.cell).T
    least = _LEAST + before * np.float32(_LEAST_BEFORE - _LEAST)
    most = _MOST + before * np.float32(_MOST_BEFORE - _MOST)
    mixed = np.clip((found + level - least) / (most - least), low, high)
    matte.ravel()[at] = mixed
    within = _at(hair, x, y, window.cell)
    own.reshape(3, -1)[:, at] = (pixels + (1 - mixed * mixed)[:, None] * (within - pixels)).T
    return matte, own


_ROW = 4096
"""Places that are looked up in one row: OpenCV takes no longer ones than 32767."""


def _at(values: Floats, x: NDArray[np.int64], y: NDArray[np.int64], cell: int) -> Floats:
    """Return values (h, w, C) of cells at pixels (P,), linear between the middles: (P, C)."""
    rows = -(-len(x) // _ROW)
    places = np.zeros((2, rows * _ROW), np.float32)
    places[0, : len(x)], places[1, : len(x)] = x, y
    places = (places + np.float32(0.5)) / np.float32(cell) - np.float32(0.5)
    maps = places.reshape(2, rows, _ROW)
    values = np.ascontiguousarray(values)
    found = cv2.remap(values, maps[0], maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found.reshape(-1, values.shape[-1])[: len(x)])


def _around(colours: Floats, share: Floats, reach: float) -> Floats:
    """Return the mean colour of a part near every cell (h, w, 3), from well within it."""
    side = 2 * max(round(reach), 1) + 1
    deep = cv2.erode(share, np.ones((side, side), np.uint8), borderValue=1)
    weight = np.square(np.square(deep)) + np.float32(1e-2) * np.square(np.square(share))
    both = cv2.merge([*(colours[..., k] * weight for k in range(3)), weight])
    both = cv2.GaussianBlur(both, (0, 0), max(reach, 1.0))
    return np.asarray(both[..., :3] / (both[..., 3:] + np.float32(1e-5)))
