"""The values of curves in the frames of a clip: by time, so that any frame rate is right."""

from __future__ import annotations

import itertools
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .errors import UsageError
from .keyframes import BEZIERS, Curve, Easing, Seconds, Strength, bezier
from .timecode import Timecode

Floats = NDArray[np.float64]

_SAME_TIME_S: Final = 5e-4
"""A key within this time [s] of a frame is the frame's: Matroska stores milliseconds."""
_STEPS: Final = 60
"""Halvings after which a bezier's parameter is exact: more than a double has digits."""


def values(curve: Curve, times: Floats) -> Floats:
    """Return the value (F,) of a curve in each of the frames of a clip.

    Args:
        curve: with frames counted from 0 (`Curve.numbered`).
        times: (F,) of all frames [s], rising; frames before and beyond follow at their mean
            distance.

    Raises:
        UsageError: a key is not after the one before it.
    """
    moments, seconds = _moments(curve, times), times - times[0]
    latest = np.searchsorted(moments, seconds, side="right") - 1
    ends = np.array([key.value for key in curve.keys])
    out = np.where(latest < 0, ends[0], ends[-1])
    slopes = _slopes(moments, ends, [key.easing for key in curve.keys])
    for k, key in enumerate(curve.keys[:-1]):
        rows, span = latest == k, moments[k + 1] - moments[k]
        share = (seconds[rows] - moments[k]) / span
        if key.easing == "smooth":
            out[rows] = _hermite(share, ends[k : k + 2], span * slopes[k : k + 2])
        else:
            out[rows] = ends[k] + (ends[k + 1] - ends[k]) * _way(key.easing, share)
    if curve.response is None:
        return np.asarray(out, np.float64)
    return np.array([curve.response(value) for value in out.tolist()])


def in_frames(strength: Strength, times: Floats) -> float | NDArray[np.float32]:
    """Return a constant as it is, and of a curve its value (F,) in every frame of a clip.

    `times`: (F,) of the frames [s].
    """
    return (
        np.asarray(values(strength, times), np.float32) if isinstance(strength, Curve) else strength
    )


def _moments(curve: Curve, times: Floats) -> Floats:
    """Return when the keys of a curve are (K,) [s after the first frame]."""
    seconds = times - times[0]
    step = float(seconds[-1]) / (len(times) - 1) if len(times) > 1 else 0.04
    moments = np.array([_moment(key.at, seconds, step) for key in curve.keys])
    for k, (before, after) in enumerate(itertools.pairwise(moments)):
        if not before < after:
            raise UsageError(
                f"the key {curve.keys[k + 1]} is not after {curve.keys[k]}; give keys in the order "
                "of time"
            )
    return moments


def _moment(at: float | Seconds | Timecode, seconds: Floats, step: float) -> float:
    """Return when something is, in a clip whose frames are at some seconds (F,)."""
    if isinstance(at, Timecode):
        raise ValueError(f"the timecode {at} has to be turned into a frame before (`numbered`)")
    if isinstance(at, Seconds):
        nearest = float(seconds[np.abs(seconds - at.value).argmin()])
        return nearest if abs(nearest - at.value) <= _SAME_TIME_S else at.value
    last = len(seconds) - 1
    if at <= 0 or at >= last:
        end = min(max(at, 0.0), float(last))
        return float(seconds[round(end)]) + (at - end) * step
    return float(np.interp(at, np.arange(len(seconds)), seconds))


def _slopes(moments: Floats, values: Floats, easings: list[Easing]) -> Floats:
    """Return the slopes (K,) [1/s] at the keys for stretches that are smooth.

    Those of Catmull and Rom, less where a value between two keys would leave what lies between
    theirs: up to three times the straight line's, and none at a peak (Fritsch and Carlson 1980).
    The first and the last key are level, as the value holds before and after them; so is one before
    or after a `hold`.
    """
    slopes = np.zeros(len(moments))
    if len(moments) < 3:
        return slopes
    straight = np.diff(values) / np.diff(moments)
    straight[[easing == "hold" for easing in easings[:-1]]] = 0.0
    before, after = straight[:-1], straight[1:]
    own = (values[2:] - values[:-2]) / (moments[2:] - moments[:-2])
    most = 3 * np.minimum(np.abs(before), np.abs(after))
    slopes[1:-1] = np.where(before * after > 0, np.sign(own) * np.minimum(np.abs(own), most), 0.0)
    return slopes


def _hermite(share: Floats, ends: Floats, slopes: Floats) -> Floats:
    """Return the cubic (F,) with values and slopes (2,) [per stretch] at both of its ends."""
    t = share
    rise = (3 - 2 * t) * t**2
    bend = slopes[0] * t * (1 - t) ** 2 - slopes[1] * t**2 * (1 - t)
    return np.asarray(ends[0] + (ends[1] - ends[0]) * rise + bend)


def _way(easing: Easing, share: Floats) -> Floats:
    """Return how much of the way is gone at shares 0–1 of the time (F,)."""
    if easing == "linear":
        return share
    if easing == "hold":
        return np.zeros_like(share)
    x1, y1, x2, y2 = BEZIERS[easing] if isinstance(easing, str) else easing
    low, high = np.zeros_like(share), np.ones_like(share)
    for _ in range(_STEPS):  # x rises with the parameter, so halving finds it, always
        middle = 0.5 * (low + high)
        is_early = bezier(middle, x1, x2) < share
        low, high = np.where(is_early, middle, low), np.where(is_early, high, middle)
    return bezier(0.5 * (low + high), y1, y2)
