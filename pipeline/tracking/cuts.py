"""Where one shot ends and the next begins.

A cut changes the picture at once and for good. So a frame is compared not only with the one before
it: every frame of the few before must differ from every frame of the few after (a flash comes
back), by colour histogram *and* by the picture itself (a moving camera keeps its colours, a lamp
keeps its picture), and the step must stand out from the steps around it (a fade takes small steps).
Dissolves and fades are not cuts: the tracker loses the face in them by itself.

Bars beside, above and below a picture are left out: they are the same in every shot, and would
dilute what changes. They are what is flat, of one colour and at the edge in all frames compared.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from ..types import Box

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
FULL_CONTRAST = 12.0
"""Standard deviation of luma [levels] from which on a picture's layout counts in full …"""
FULL_BESIDE_BLANK = 48.0
"""… and against a blank frame: a fade's last step into black is none, a cut to black is one."""
STANDS_OUT = 4.0
"""How many times the typical step around it the step must be."""
BAR_LEVELS = 6
"""A bar's samples lie within this many levels of its colour, because codecs leave a little
noise."""
BAR_SHARE = 0.94
"""Share of a bar's row or column that must do so: a station's logo may stand in it."""
LEAST_CONTENT = 0.15
"""A picture between bars is at least this share of the frame's width and height."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What is compared of a frame."""

    histogram: NDArray[np.float32]
    """(B,) shares of luma and chroma bins, sum 1."""
    picture: NDArray[np.float32]
    """(h, w) normalised luma, mean 0, length 1; all 0 for a blank frame."""
    contrast: float
    """Standard deviation of luma [levels]: how much of a picture there is."""


@dataclass(frozen=True, slots=True)
class _Thumbnail:
    """What is kept of a frame."""

    rgb: NDArray[np.uint8]
    """(h, w, 3)"""
    bars: tuple[_Bar, ...]
    """Left, bottom, right, top."""
    _looks: dict[Box, _Look] = field(default_factory=dict)

    def look(self, box: Box) -> _Look:
        """Return what is compared when only the part inside a box counts."""
        if box not in self._looks:
            self._looks[box] = _look(self.rgb[box[1] : box[3], box[0] : box[2]])
        return self._looks[box]


@dataclass(frozen=True, slots=True)
class _Bar:
    """A flat strip along one edge."""

    depth: int
    """[px] 0: there is none."""
    colour: NDArray[np.float32]
    """(3,) [levels]"""


def _thumbnail(image: Small) -> _Thumbnail:
    levels = image if image.dtype == np.uint8 else np.clip(image * 255.0, 0, 255)
    rgb = levels.astype(np.uint8, copy=False)
    return _Thumbnail(rgb, tuple(_bar(np.rot90(rgb, -turns)) for turns in range(4)))


def _bar(rgb: NDArray[np.uint8]) -> _Bar:
    """Return the bar at the left edge."""
    colour = np.median(rgb[:, 0], axis=0).astype(np.float32)
    if (np.abs(rgb[:, 0] - colour).max(axis=1) <= BAR_LEVELS).mean() < BAR_SHARE:
        return _Bar(0, colour)
    flat = np.abs(rgb - colour).max(axis=2) <= BAR_LEVELS
    uneven = np.flatnonzero(flat.mean(axis=0) < BAR_SHARE)
    return _Bar(int(uneven[0]) if len(uneven) else rgb.shape[1], colour)


def _content(frames: Sequence[_Thumbnail]) -> Box:
    """Return the part of some frames that lies inside the bars they have in common."""
    height, width = frames[0].rgb.shape[:2]
    # A blank frame is all bar and says nothing about where the picture lies.
    shown = [f for f in frames if f.bars[0].depth < width] or list(frames)
    left, bottom, right, top = (_common([f.bars[side] for f in shown]) for side in range(4))
    x0, y0, x1, y1 = left, top, width - right, height - bottom
    if x1 - x0 < LEAST_CONTENT * width or y1 - y0 < LEAST_CONTENT * height:
        return 0, 0, width, height
    return x0, y0, x1, y1


def _common(bars: Sequence[_Bar]) -> int:
    """Return how deep all of some bars at one edge are, with the blurred line beside them; 0 if
    they are of several colours."""
    depth = min(bar.depth for bar in bars)
    apart = max(float(np.abs(bar.colour - bars[0].colour).max()) for bar in bars)
    return depth + 1 if depth and apart <= 2 * BAR_LEVELS else 0


def _look(rgb: NDArray[np.uint8]) -> _Look:
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
    return _Look(shares.astype(np.float32), normal, length / 32)


def _difference(a: _Look, b: _Look) -> tuple[float, float]:
    """Colour (0–1) and picture (0–2) difference of two frames."""
    colour = 0.5 * float(np.abs(a.histogram - b.histogram).sum())
    # A nearly black frame has no layout that could have changed, so it counts less.
    full = FULL_CONTRAST if a.picture.any() and b.picture.any() else FULL_BESIDE_BLANK
    weight = min(max(a.contrast, b.contrast) / full, 1.0)
    return colour, weight * (1.0 - float((a.picture * b.picture).sum()))


class CutDetector:
    """Finds cuts while frames go by; keeps a few thumbnails, whatever the length of the clip."""

    def __init__(self) -> None:
        self._frames: deque[_Thumbnail] = deque(maxlen=2 * WINDOW)
        self._count = 0
        self._cuts: list[int] = []

    def update(self, image: Small) -> bool:
        """Take the next frame; True if it already looks like a new shot (a flash does too)."""
        self._frames.append(_thumbnail(image))
        self._count += 1
        if len(self._frames) < 2:
            return False
        *_, before, last = self._looks()
        colour, picture = _difference(before, last)
        if self._count == 2 * WINDOW:  # the first frames have fewer before them
            for at in range(1, WINDOW):
                self._decide(at, at)
        if len(self._frames) == 2 * WINDOW:
            self._decide(WINDOW, self._count - WINDOW)
        return _is_cut(colour, picture)

    def finish(self) -> tuple[int, ...]:
        """Indices of the frames that begin a new shot, in order; frame 0 is never listed."""
        count = len(self._frames)
        # The last frames, and all of a clip shorter than the window, have fewer frames beside them.
        first = WINDOW + 1 if count == 2 * WINDOW else 1
        for at in range(first, count):
            self._decide(at, self._count - count + at)
        return tuple(sorted(set(self._cuts)))

    def _looks(self) -> list[_Look]:
        """Return what is compared of the frames kept, without the bars they share."""
        box = _content(self._frames)
        return [frame.look(box) for frame in self._frames]

    def _decide(self, at: int, index: int) -> None:
        """Judge the step into the look `at`, which is frame `index` of the clip."""
        looks = self._looks()
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
