"""The frames of glasses: closed dark lines round the eyes, what joins them, and their temples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .draft import Draft
from .faces import SIDE, Face
from .regions import EYES, Floats, Layout, Mask, grown

_ANGLES: Final = 96
"""Directions from the middle of a lens."""
_SCALES: Final = np.linspace(0.5, 1.3, 48)
"""Sizes tried, of an average lens."""
_LENS: Final = (0.36, 0.30)
"""Half width and half height of an average lens [outer eye distances]."""
_BEND: Final = 1.2
"""What it costs a rim to go one size in or out from one direction to the next."""
_SURE: Final = 0.65
"""Share of both rims that must be seen for the frame to be trusted."""


@dataclass(frozen=True)
class _Lines:
    """What speaks for a frame."""

    dark: Floats
    """How much darker than both sides a thin thing is [L of CIE Lab]."""
    raw: Floats
    """The same or half as much lighter, without eyes."""
    guide: Floats
    """The same, next to nothing where brows are as dark as rims."""


def glasses(draft: Draft, face: Face) -> None:
    """Draw the frame of a face that wears clear glasses."""
    fine = Layout(face.layout.points * 2, 2 * SIDE)
    found, unsure, seen = _frame(face.picture, fine)
    share = found.reshape(SIDE, 2, SIDE, 2).mean((1, 3))
    inner = draft.shows("eyes", "brows")
    draft.put("glasses", share >= 0.5, weight=None)
    draft.doubt(unsure.reshape(SIDE, 2, SIDE, 2).any((1, 3)) & ~inner)
    draft.weights[(share > 0) & (share < 0.5) & ~inner] *= 0.3
    if seen < _SURE:
        draft.weights[draft.shows("glasses")] *= 0.5


def _frame(picture: NDArray[np.uint8], at: Layout) -> tuple[Mask, Mask, float]:
    """Frame, what may be frame or not, and the share of the worse rim that is seen."""
    lines = _lines(picture, at)
    frame = np.zeros((at.side, at.side), bool)
    unsure = np.zeros_like(frame)
    rings, seen = [], []
    for eye in EYES:
        ring = _ring(lines.guide, at, eye)
        strength = _at(lines.raw, ring)
        rings.append(ring)
        seen.append(float(np.mean(strength > 9)))
        rim, faint = _rim(lines.raw, ring, strength, at)
        frame |= rim
        unsure |= faint
    frame |= _joined(lines.dark, frame, rings, at)
    # near brows a dark line may be either; what is dark beside a frame may belong to it
    brows = grown(grown(at.brows, round(0.05 * at.span)), round(0.02 * at.span))
    near = grown(frame, round(0.08 * at.span)) & (at.ys < at.points[195, 1] + 0.1 * at.span)
    unsure = (unsure | (brows & frame) | (near & (lines.raw > 12))) & ~(frame & ~brows)
    return frame, unsure, min(seen)


def _lines(picture: NDArray[np.uint8], at: Layout) -> _Lines:
    lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    light = np.ascontiguousarray(lab[..., 0])
    widest = max(9, round(0.13 * at.span)) | 1
    dark = darkness(light, widest)
    raw = np.maximum(dark, 0.5 * darkness(100 - light, widest))
    raw[grown(at.eyes, round(0.04 * at.span))] = 0
    guide = raw.copy()
    brows = grown(at.brows, round(0.05 * at.span))
    guide[brows] *= 0.05
    raw[grown(brows, -round(0.03 * at.span))] *= 0.5
    return _Lines(dark, raw, guide)


def darkness(light: Floats, widest: int) -> Floats:
    """Return how much darker than what lies on both sides each pixel of a picture (H, W) is, of
    things up to some width [px]: a closing less the picture ("black hat")."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (widest, widest))
    smooth = cv2.GaussianBlur(light, (0, 0), 1.0)
    closing = cv2.morphologyEx(smooth, cv2.MORPH_CLOSE, disc)
    return np.asarray(closing - smooth, np.float32)


def _ring(guide: Floats, at: Layout, eye: tuple[int, ...]) -> NDArray[np.float64]:
    """The closed line (A, 2) round an eye [px] that is darkest along its whole length."""
    middle = at.points[list(eye)].mean(0) + np.array([0.0, 0.06 * at.span])
    turn = np.arctan2(*(at.points[263] - at.points[33])[::-1])
    angles = np.linspace(0, 2 * np.pi, _ANGLES, endpoint=False)
    half_width, half_height = (size * at.span for size in _LENS)
    average = (half_width * half_height) / np.hypot(
        half_height * np.cos(angles), half_width * np.sin(angles)
    )
    radius = average[:, None] * _SCALES
    away = np.stack([np.cos(angles + turn), np.sin(angles + turn)], -1)
    places = middle + radius[..., None] * away[:, None]
    gain = np.minimum(_at(guide, places), 30.0) - 3.0 * np.abs(_SCALES - 0.9)
    start = int(gain.max(1).argmax())
    path = np.roll(closed_path(np.roll(gain, -start, 0)), start)
    return np.asarray(places[np.arange(_ANGLES), path])


def _at(values: Floats, places: NDArray[np.floating]) -> Floats:
    """Values (...) of a picture at places (..., 2) [px]."""
    flat = (places.reshape(1, -1, 2) - 0.5).astype(np.float32)
    found = cv2.remap(values, flat[..., 0], flat[..., 1], cv2.INTER_LINEAR)
    return np.asarray(found.reshape(places.shape[:-1]), np.float32)


def closed_path(gain: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return one column for every row of gain (A, R), of a path that gains much, goes by one column
    a row at most, and ends beside where it began.

    Dynamic programming is exact for an open path; of a closed one, the places where the open one
    passes its seam are tried as ends.
    """
    free = _path(gain, None)
    ends = {int(free[0]), int(free[-1]), int(free[len(free) // 2])}
    rows = np.arange(len(gain))
    return max((_path(gain, end) for end in ends), key=lambda path: gain[rows, path].sum())


def _path(gain: NDArray[np.floating], end: int | None) -> NDArray[np.int64]:
    rows, columns = gain.shape
    best = gain[0].astype(np.float64)
    if end is not None:
        best = np.full(columns, -np.inf)
        best[end] = gain[0, end]
    back = np.zeros((rows, columns), np.int64)
    for k in range(1, rows):
        padded = np.pad(best, 1, constant_values=-np.inf)
        came = np.stack([padded[2:] - _BEND, padded[1:-1], padded[:-2] - _BEND])
        back[k] = 1 - came.argmax(0)
        best = gain[k] + came.max(0)
    path = np.zeros(rows, np.int64)
    first = 0 if end is None else max(0, end - 1)
    last = columns if end is None else end + 2
    path[-1] = first + int(best[first:last].argmax())
    for k in range(rows - 1, 0, -1):
        path[k - 1] = path[k] + back[k, path[k]]
    return path


def _rim(raw: Floats, ring: NDArray[np.float64], strength: Floats, at: Layout) -> tuple[Mask, Mask]:
    """The pixels of a rim, and where the ring goes on unseen."""
    smooth = cv2.blur(np.concatenate([strength[-4:], strength, strength[:4]])[None], (5, 1))
    seen = smooth[0, 4:-4] > 7
    drawn = np.zeros((2, at.side, at.side), np.uint8)
    spots = np.round(ring - 0.5).astype(int)
    for k, spot in enumerate(spots):
        cv2.line(drawn[0 if seen[k] else 1], spot.tolist(), spots[(k + 1) % _ANGLES].tolist(), (1,))
    line, unseen = drawn.astype(bool)
    near = grown(line, round(0.035 * at.span))
    local = cv2.dilate(np.where(near, raw, 0).astype(np.float32), np.ones((9, 9)))
    rim = (near & (raw > 0.6 * local) & (raw > 6)) | line
    return rim, grown(unseen, round(0.02 * at.span)) & ~rim


def _joined(dark: Floats, frame: Mask, rings: list[NDArray[np.float64]], at: Layout) -> Mask:
    """Bridge and temples: dark things between and beside the lenses that touch the rims."""
    top = min(ring[:, 1].min() for ring in rings)
    left, right = rings[0][:, 0].max(), rings[1][:, 0].min()
    places = (at.xs > left - 2) & (at.xs < right + 2) & (at.ys > top - 2)
    places &= at.ys < at.points[195, 1]
    for ring, edge, sign in ((rings[0], 127, -1), (rings[1], 356, 1)):
        outer = ring[:, 0].min() if sign < 0 else ring[:, 0].max()
        first, last = sorted((outer, float(at.points[edge, 0])))
        high = ring[:, 1].min() - 0.03 * at.span
        low = ring[:, 1].min() + 0.55 * np.ptp(ring[:, 1])
        beside = (at.xs > first - 2) & (at.xs < last + 2) & ((at.xs - outer) * sign > -3)
        places |= beside & (at.ys > high) & (at.ys < low)
    weak = places & (dark > 8)
    blobs = cv2.connectedComponents((weak | frame).astype(np.uint8))[1]
    touching = np.unique(blobs[frame])
    return np.asarray(weak & np.isin(blobs, touching[touching > 0]))
