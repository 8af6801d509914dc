"""Strengths that change over a shot: keys with values and easings.

A key stands at a frame, so many seconds after the first frame, or at a timecode. Its easing governs
the stretch after it, as in CSS and in compositors; before the first key and after the last one the
value holds. Here is what a curve is, as data; `curve_text` reads one, `curves` says its values.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from .errors import UsageError
from .timecode import Timecode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Numbers = TypeVar("Numbers", float, "NDArray[np.float64]")

Named = Literal["linear", "hold", "smooth", "in", "out", "in-out"]
Bezier = tuple[float, float, float, float]
"""x1, y1, x2, y2 of CSS's `cubic-bezier`: x is time, 0–1; y is the way, and may leave 0–1."""
Easing = Named | Bezier

BEZIERS: Final[dict[Easing, Bezier]] = {
    "in": (0.42, 0.0, 1.0, 1.0),
    "out": (0.0, 0.0, 0.58, 1.0),
    "in-out": (0.42, 0.0, 0.58, 1.0),
}
"""What CSS calls ease-in, ease-out and ease-in-out (CSS Easing Functions Level 1)."""


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
    """What a part of a sum makes of the sum's strength: straight lines from a start to an end."""

    below: float
    """Its own strength per unit where the sum's is negative …"""
    above: float
    """… and where it is positive."""
    start: float = 0.0
    """Size of the sum's strength from which it begins."""
    most_below: float = math.inf
    """Size of its own strength where it stops growing, where the sum's is negative …"""
    most_above: float = math.inf
    """… and where it is positive."""

    def __call__(self, total: float) -> float:
        """Return the part's strength for that of the sum."""
        beyond = max(abs(total) - self.start, 0.0)
        share, most = (-self.below, self.most_below) if total < 0 else (self.above, self.most_above)
        return min(max(share * beyond, -most), most)


@dataclass(frozen=True, slots=True)
class Curve:
    """A strength over time; false where it is 0 all the time."""

    keys: tuple[Key, ...]
    """At least one, in the order of time."""
    response: Response | None = None
    """Of a part of a sum: what it makes of the curve of the sum."""

    def __bool__(self) -> bool:
        return any(v if self.response is None else self.response(v) for v in self.bounds())

    def __str__(self) -> str:
        return " ".join(map(str, self.keys))

    def scaled(self, factor: float) -> Curve:
        """Return the curve with all values multiplied."""
        keys = (dataclasses.replace(key, value=key.value * factor + 0.0) for key in self.keys)
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


Strength = float | Curve


def shown(strength: Strength) -> str:
    """Return a strength in a few words: of a curve, between which values it goes."""
    if not isinstance(strength, Curve):
        return f"{strength:+g}"
    low, high = strength.bounds()
    return f"{low:+g}" if low == high else f"{low:+g} to {high:+g}"


def bezier(t: Numbers, first: float, second: float) -> Numbers:
    """Return one coordinate of a cubic Bézier from 0 to 1 with two handles, at parameters t."""
    return 3 * t * (1 - t) ** 2 * first + 3 * t**2 * (1 - t) * second + t**3


def _extremes(easing: Bezier) -> list[float]:
    """Return how far an easing goes where it turns back: where its slope, a t² + b t + c, is 0."""
    _, y1, _, y2 = easing
    a, b, c = 1 + 3 * y1 - 3 * y2, 2 * (y2 - 2 * y1), y1
    under = b * b - 4 * a * c
    if a == 0:
        roots = [-c / b] if b else []
    else:
        roots = [(-b + sign * math.sqrt(under)) / (2 * a) for sign in (-1, 1) if under >= 0]
    return [bezier(t, y1, y2) for t in roots if 0 < t < 1]


def _of_bezier(easing: Bezier) -> str:
    return f"({','.join(map(_plain, easing))})"


def _plain(value: float) -> str:
    """Return a number as short as it can be read back."""
    return repr(float(value)).removesuffix(".0")
