"""Strengths that change over a shot: keys with values and easings, evaluated on time.

A key stands at a frame, so many seconds after the first frame, or at a timecode. Its easing governs
the stretch after it, as in CSS and in compositors; before the first key and after the last one the
value holds. `curve_text` reads curves; nothing here knows of any clip but the times of its frames.
"""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from .errors import UsageError

Named = Literal["linear", "hold", "smooth", "in", "out", "in-out"]
Bezier = tuple[float, float, float, float]
"""x1, y1, x2, y2 of CSS's `cubic-bezier`: x is time, 0–1; y is the way, and may leave 0–1."""
Easing = Named | Bezier
Floats = NDArray[np.float64]

BEZIERS: Final[dict[Easing, Bezier]] = {
    "in": (0.42, 0.0, 1.0, 1.0),
    "out": (0.0, 0.0, 0.58, 1.0),
    "in-out": (0.42, 0.0, 0.58, 1.0),
}
"""What CSS calls ease-in, ease-out and ease-in-out (CSS Easing Functions Level 1)."""

_SAME_TIME_S: Final = 5e-4
"""A key within this time [s] of a frame is the frame's: Matroska stores milliseconds."""
_STEPS: Final = 60
"""Halvings after which a bezier's parameter is exact: more than a double has digits."""


@dataclass(frozen=True, slots=True)
class Timecode:
    """Hours, minutes, seconds and frames, as SMPTE ST 12-1 counts them."""

    hours: int
    minutes: int
    seconds: int
    frames: int
    drops: bool = False
    """Written with a semicolon: two numbers in sixty seconds (four at 60 Hz) are left out, but not
    in every tenth minute."""

    def count(self, rate: Fraction) -> int:
        """Return how many frames it is after 00:00:00:00, at a clip's rate [frames/s]."""
        per_second = round(rate)
        minutes = 60 * self.hours + self.minutes
        count = (60 * minutes + self.seconds) * per_second + self.frames
        left_out = round(per_second / 15) * (minutes - minutes // 10)
        return count - left_out if self.drops else count

    def __str__(self) -> str:
        mark = ";" if self.drops else ":"
        return f"{self.hours:02}:{self.minutes:02}:{self.seconds:02}{mark}{self.frames:02}"


@dataclass(frozen=True, slots=True)
class Seconds:
    """A time after the first frame of a clip [s]."""

    value: float

    def __str__(self) -> str:
        return f"{_plain(self.value)}s"


@dataclass(frozen=True, slots=True)
class Key:
    """A value at a moment, and how it goes on to that of the next key."""

    at: float | Seconds | Timecode
    """A number: a frame of the clip."""
    value: float
    easing: Easing = "linear"

    def __str__(self) -> str:
        moment = _plain(self.at) if isinstance(self.at, float | int) else str(self.at)
        text = f"{moment}:{_plain(self.value)}"
        if self.easing == "linear":
            return text
        named = self.easing if isinstance(self.easing, str) else _of_bezier(self.easing)
        return f"{text}@{named}"


@dataclass(frozen=True, slots=True)
class Response:
    """What a part of a sum makes of the sum's strength: two straight lines from a start."""

    below: float
    """Its own strength per unit where the sum's is negative …"""
    above: float
    """… and where it is positive."""
    start: float = 0.0
    """Size of the sum's strength from which it begins."""

    def __call__(self, total: Floats) -> Floats:
        """Return the part's strengths for those of the sum."""
        beyond = np.maximum(np.abs(total) - self.start, 0.0)
        return np.where(total < 0, -self.below * beyond, self.above * beyond)


@dataclass(frozen=True, slots=True)
class Curve:
    """A strength over time; false where it is 0 all the time."""

    keys: tuple[Key, ...]
    """At least one, in the order of time."""
    response: Response | None = None
    """Of a part of a sum: what it makes of the curve of the sum."""

    def __bool__(self) -> bool:
        return any(self._answered(np.array(self.bounds())).tolist())

    def __str__(self) -> str:
        return " ".join(map(str, self.keys))

    def scaled(self, factor: float) -> Curve:
        """Return the curve with all values multiplied."""
        keys = (dataclasses.replace(key, value=key.value * factor) for key in self.keys)
        return dataclasses.replace(self, keys=tuple(keys))

    def answered(self, response: Response) -> Curve:
        """Return what a part of a sum makes of the sum's curve."""
        return dataclasses.replace(self, response=response)

    def bounds(self) -> tuple[float, float]:
        """Return the lowest and highest value that the keys and their easings reach."""
        values = [key.value for key in self.keys]
        for before, after in itertools.pairwise(self.keys):
            if isinstance(before.easing, tuple):
                ways = _extremes(before.easing)
                values += [before.value + (after.value - before.value) * way for way in ways]
        return min(values), max(values)

    def numbered(self, first_frame: int, start: Timecode | None, rate: Fraction) -> Curve:
        """Return the curve with frames counted from 0.

        Args:
            first_frame: the number that the clip's first frame has in keys.
            start: the clip's first timecode; None if it has none.
            rate: of the clip [frames/s].

        Raises:
            UsageError: a key is at a timecode, and the clip has none.
        """
        keys = []
        for key in self.keys:
            at = key.at
            if isinstance(at, Timecode):
                if start is None:
                    raise UsageError(
                        f"the key {key} is at a timecode, and the clip has none; give a frame, or "
                        "seconds from its beginning as in 1.5s"
                    )
                at = float(at.count(rate) - start.count(rate))
            elif not isinstance(at, Seconds):
                at = at - first_frame
            keys.append(dataclasses.replace(key, at=at))
        return dataclasses.replace(self, keys=tuple(keys))

    def at(self, times: Floats) -> Floats:
        """Return the value (F,) in each of the frames of a clip.

        Args:
            times: (F,) of all frames [s], rising; frames before and beyond follow at their mean
                distance.

        Raises:
            UsageError: a key is not after the one before it.
        """
        moments, seconds = self._moments(times), times - times[0]
        latest = np.searchsorted(moments, seconds, side="right") - 1
        values = np.array([key.value for key in self.keys])
        out = np.where(latest < 0, values[0], values[-1])
        slopes = _slopes(moments, values, [key.easing for key in self.keys])
        for k, key in enumerate(self.keys[:-1]):
            rows = latest == k
            span = moments[k + 1] - moments[k]
            share = (seconds[rows] - moments[k]) / span
            if key.easing == "smooth":
                out[rows] = _hermite(share, values[k : k + 2], span * slopes[k : k + 2])
            else:
                out[rows] = values[k] + (values[k + 1] - values[k]) * _way(key.easing, share)
        return self._answered(out)

    def _answered(self, values: Floats) -> Floats:
        return values if self.response is None else self.response(values)

    def _moments(self, times: Floats) -> Floats:
        """Return when the keys are (K,) [s after the first frame]."""
        seconds = times - times[0]
        step = float(seconds[-1]) / (len(times) - 1) if len(times) > 1 else 0.04
        moments = np.array([_moment(key.at, seconds, step) for key in self.keys])
        for k, (before, after) in enumerate(itertools.pairwise(moments)):
            if not before < after:
                raise UsageError(
                    f"the key {self.keys[k + 1]} is not after {self.keys[k]}; give keys in the "
                    "order of time"
                )
        return moments


Strength = float | Curve


def in_frames(strength: Strength, times: Floats) -> float | NDArray[np.float32]:
    """Return a constant as it is, and of a curve its value (F,) in every frame of a clip.

    `times`: (F,) of the frames [s].
    """
    return np.asarray(strength.at(times), np.float32) if isinstance(strength, Curve) else strength


def shown(strength: Strength) -> str:
    """Return a strength in a few words: of a curve, between which values it goes."""
    if not isinstance(strength, Curve):
        return f"{strength:+g}"
    low, high = strength.bounds()
    return f"{low:+g}" if low == high else f"{low:+g} to {high:+g}"


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
        is_early = _bezier(middle, x1, x2) < share
        low, high = np.where(is_early, middle, low), np.where(is_early, high, middle)
    return _bezier(0.5 * (low + high), y1, y2)


def _bezier(t: Floats, first: float, second: float) -> Floats:
    """Return one coordinate of a cubic Bézier from 0 to 1 with two handles, at parameters t."""
    return 3 * t * (1 - t) ** 2 * first + 3 * t**2 * (1 - t) * second + t**3


def _extremes(easing: Bezier) -> list[float]:
    """Return how far an easing goes where it turns back."""
    _, y1, _, y2 = easing
    roots = np.roots([3 * (1 + 3 * y1 - 3 * y2), 6 * (y2 - 2 * y1), 3 * y1])
    inside = [float(r.real) for r in roots if abs(r.imag) < 1e-12 and 0 < r.real < 1]
    return [float(_bezier(np.array(t), y1, y2)) for t in inside]


def _of_bezier(easing: Bezier) -> str:
    return f"({','.join(map(_plain, easing))})"


def _plain(value: float) -> str:
    """Return a number as short as it can be read back."""
    return repr(float(value)).removesuffix(".0")
