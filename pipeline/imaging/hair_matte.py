"""The matte of hair: how much of every pixel is hair, strand by strand, and the hair alone."""

from __future__ import annotations

import cv2
import numpy as np

from .hair_cells import Cells
from .tones import Floats, smoothstep

_EDGE = 0.04
"""How wide an edge is: beyond that all is hair, or none [outer eye distances]."""
_ALIKE = 0.16
"""Distance of two colours ([-1, 1]) that can hardly be told apart."""
_SURELY, _POSSIBLY = (0.9, 1.0), (0.0, 0.12)
"""Shares around a pixel that make it hair whatever its colour, and without which it is none."""
_LEAST, _MOST = 0.08, 0.92
"""Shares of a pixel that count for nothing, and for all."""


def matted(window: Cells, share: Floats) -> tuple[Floats, Floats]:
    """Return the matte of hair in a window, (h, w) 0–1, and the hair alone, (3, h, w) in [-1, 1].

    A pixel along the edge is a mixture of hair and of what is behind or before it. Its share of
    hair is how far its colour lies on the way from the colours beyond the edge to those within (the
    projection of Bayesian matting, Chuang et al., CVPR 2001, without its spreads); where both look
    alike, the share of its cell. All else in the pixel has to stay as it is when the hair changes:
    so the hair alone has, along the edge, the colours within.

    Args:
        window: of a crop.
        share: (h, w) 0–1 of its cells.
    """
    colours, reach = window.colours().transpose(1, 2, 0), _EDGE * window.eyes / window.cell
    hair = _around(colours, share, reach)
    others = _around(colours, 1 - share, reach)
    way = hair - others
    length = np.einsum("hwc,hwc->hw", way, way)
    way /= (length + np.float32(_ALIKE**2))[..., None]
    told = length / (length + np.float32(_ALIKE**2))
    level = (1 - told) * share - np.einsum("hwc,hwc->hw", way, others)
    size = window.picture.shape[:0:-1]
    red, green, blue, level = (
        cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR)
        for plane in (*way.transpose(2, 0, 1), level)
    )
    pixels = window.picture
    found = red * pixels[0] + green * pixels[1] + blue * pixels[2] + level
    soft = cv2.GaussianBlur(share, (0, 0), max(0.5 * reach, 0.5))
    low, high = (
        cv2.resize(smoothstep(soft, *ends), size, interpolation=cv2.INTER_LINEAR)
        for ends in (_SURELY, _POSSIBLY)
    )
    matte = np.clip(np.clip((found - _LEAST) / (_MOST - _LEAST), low, high), 0, 1)
    within = cv2.resize(hair, size, interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1)
    return matte, pixels + (1 - matte * matte) * (within - pixels)


def _around(colours: Floats, share: Floats, reach: float) -> Floats:
    """Return the mean colour of a part near every cell (h, w, 3), from well within it."""
    side = 2 * max(round(reach), 1) + 1
    deep = cv2.erode(share, np.ones((side, side), np.uint8), borderValue=1)
    weight = np.square(np.square(deep)) + np.float32(1e-2) * np.square(np.square(share))
    both = cv2.merge([*(colours[..., k] * weight for k in range(3)), weight])
    both = cv2.GaussianBlur(both, (0, 0), max(1.5 * reach, 1.0))
    return np.asarray(both[..., :3] / (both[..., 3:] + np.float32(1e-5)))
