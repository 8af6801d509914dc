"""Where one shot ends and the next begins.

A cut changes the picture at once and for good. So a frame is compared not only with the one before
it: every frame of the few before must differ from every frame of the few after (a flash comes
back), by colour histogram *and* by the picture itself (a moving camera keeps its colours, a lamp
keeps its picture), and the step must stand out from the steps around it (a fade takes small
ones). Dissolves and fades are not cuts: the tracker loses the face in them by itself.
"""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Small = NDArray[np.uint8] | NDArray[np.float32]
"""(h, w, 3) RGB, uint8 or float32 in [0, 1]; some 96 px wide is plenty."""

WINDOW = 3
"""Frames looked at on either side: a flash of up to two frames is seen through."""
MIN_COLOUR = 0.08
"""Least share of the histogram's mass that must move (0–1)."""
MIN_PICTURE = 0.25
"""Least structural difference, 1 - correlation of the two pictures (0–2)."""
MIN_TOTAL = 0.45
"""Least sum of both: a cut within one room keeps colours or layout, seldom both."""
STANDS_OUT = 4.0
"""How many times the typical step around it the step must be."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What is kept of a frame."""

    histogram: NDArray[np.float32]
    """(B,) shares of luma and chroma bins, sum 1."""
    picture: NDArray[np.float32]
    """(h, w) normalised luma, mean 0, length 1; all 0 for a blank frame."""
    contrast: float
    """0–1: how much of a picture there is, 1 from a standard deviation of luma of 12 levels."""


def _look(image: Small) -> _Look:
    rgb = image if image.dtype == np.uint8 else np.clip(image * 255.0, 0, 255).astype(np.uint8)
    small = cv2.resize(np.ascontiguousarray(rgb), (32, 32), interpolation=cv2.INTER_AREA)
    ycc = cv2.cvtColor(small, cv2.COLOR_RGB2YCrCb)
    bins = [cv2.calcHist([ycc], [0], None, [24], [0, 256]).ravel()]
    bins.append(cv2.calcHist([ycc], [1, 2], None, [24, 24], [0, 256, 0, 256]).ravel())
    # Neighbouring bins share: a small change of light must not look like another picture.
    luma = np.convolve(np.pad(bins[0], 2, "edge"), np.full(5, 0.2), "valid")
    chroma = cv2.GaussianBlur(bins[1].reshape(24, 24), (0, 0), 1.0).ravel()
    shares = 0.5 * np.concatenate([luma / luma.sum(), chroma / chroma.sum()])
    picture = cv2.GaussianBlur(ycc[..., 0].astype(np.float32), (0, 0), 1.0)
    picture -= picture.mean()
    length = float(np.linalg.norm(picture))
    normal = picture / length if length > 32 * 1.5 else picture * 0
    return _Look(shares.astype(np.float32), normal, min(length / (32 * 12), 1.0))


def _difference(a: _Look, b: _Look) -> tuple[float, float]:
    """Colour (0–1) and picture (0–2) difference of two frames."""
    colour = 0.5 * float(np.abs(a.histogram - b.histogram).sum())
    # Out of the dark comes no cut: a nearly black frame has no layout that could have changed.
    return colour, max(a.contrast, b.contrast) * (1.0 - float((a.picture * b.picture).sum()))


class CutDetector:
    """Finds cuts while frames go by; keeps a few thumbnails, whatever the length of the clip."""

    def __init__(self) -> None:
        self._looks: deque[_Look] = deque(maxlen=2 * WINDOW)
        self._count = 0
        self._cuts: list[int] = []

    def update(self, image: Small) -> bool:
        """Take the next frame; True if it looks like a new shot already (a flash looks so too)."""
        look = _look(image)
        self._looks.append(look)
        self._count += 1
        if len(self._looks) < 2:
            return False
        colour, picture = _difference(self._looks[-2], look)
        if self._count == 2 * WINDOW:  # the first frames have fewer before them
            for at in range(1, WINDOW):
                self._decide(at, at)
        if len(self._looks) == 2 * WINDOW:
            self._decide(WINDOW, self._count - WINDOW)
        return _is_cut(colour, picture)

    def finish(self) -> tuple[int, ...]:
        """Indices of the frames that begin a new shot, in order; frame 0 is never listed."""
        looks = len(self._looks)
        # The last frames, and all of a clip shorter than the window, have fewer frames beside them.
        first = WINDOW + 1 if looks == 2 * WINDOW else 1
        for at in range(first, looks):
            self._decide(at, self._count - looks + at)
        return tuple(sorted(set(self._cuts)))

    def _decide(self, at: int, index: int) -> None:
        """Judge the step into the look `at`, which is frame `index` of the clip."""
        looks = list(self._looks)
        before, after = looks[max(at - WINDOW, 0) : at], looks[at : at + WINDOW]
        pairs = [_difference(a, b) for a in before for b in after]
        if not all(_is_cut(*pair) for pair in pairs):
            return
        step = sum(_difference(looks[at - 1], looks[at]))
        others = [sum(_difference(a, b)) for a, b in itertools.pairwise(looks)]
        others.pop(at - 1)
        if others and step < STANDS_OUT * float(np.median(others)):
            return
        self._cuts.append(index)


def _is_cut(colour: float, picture: float) -> bool:
    return colour > MIN_COLOUR and picture > MIN_PICTURE and colour + picture > MIN_TOTAL
