"""Ranges of frames as people write them: `FIRST-LAST`, by numbers from 0 or by timecodes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from .errors import UsageError

_TIMECODE: Final = r"\d{1,2}:\d{2}:\d{2}[:;]\d{2,3}"
_RANGE: Final = re.compile(rf"\s*({_TIMECODE}|\d+)\s*-\s*({_TIMECODE}|\d+)\s*")
_ACCEPTED: Final = (
    "accepted is FIRST-LAST, both included: numbers from 0, as in 24-119, or timecodes of the "
    "clip, as in 01:00:10:00-01:00:13:23"
)


@dataclass(frozen=True, slots=True)
class Timecode:
    """Hours, minutes, seconds and frames (SMPTE ST 12-1)."""

    frames: int
    """Since 00:00:00:00."""
    rate: int
    """Frames that a second counts: 30 for 29.97 as for 30."""
    drops: bool
    """Written with a semicolon: the first two numbers of a minute (four at 60) are left out, but
    not in every tenth minute, so that it keeps up with the clock."""

    @classmethod
    def read(cls, text: str, rate: Fraction) -> Timecode | None:
        """Return the timecode that a text is, at a rate [frames/s]; None if it is none."""
        if not re.fullmatch(_TIMECODE, text):
            return None
        hours, minutes, seconds, frames = map(int, re.split("[:;]", text))
        whole, drops = round(rate), ";" in text
        minutes += 60 * hours
        count = (60 * minutes + seconds) * whole + frames
        if drops:
            count -= _dropped(whole) * (minutes - minutes // 10)
        return cls(count, whole, drops)

    def later(self, frames: int) -> Timecode:
        """Return the timecode some frames later."""
        return Timecode(self.frames + frames, self.rate, self.drops)

    def __str__(self) -> str:
        count = self.frames
        if self.drops:
            dropped, minute = _dropped(self.rate), 60 * self.rate
            tens, rest = divmod(count, 10 * minute - 9 * dropped)
            count += 9 * dropped * tens
            count += dropped * max(0, (rest - dropped) // (minute - dropped))
        seconds, frames = divmod(count, self.rate)
        minutes, seconds = divmod(seconds, 60)
        hours, minutes = divmod(minutes, 60)
        mark = ";" if self.drops else ":"
        return f"{hours % 24:02}:{minutes:02}:{seconds:02}{mark}{frames:02}"


def _dropped(rate: int) -> int:
    return round(rate / 15)


def frame_range(text: str | None, count: int, *, timecode: str, rate: Fraction) -> range:
    """Return the frames of a clip that a text means; None: all.

    Args:
        text: see `check_range`.
        count: frames of the clip.
        timecode: of its first frame; empty if it has none.
        rate: of the clip [frames/s].

    Raises:
        UsageError: the clip has no timecode, or not these frames.
    """
    if text is None:
        return range(count)
    first, last = (_number(part, timecode, rate, text) for part in check_range(text))
    if not 0 <= first <= last < count:
        there = f"0 to {count - 1}"
        begin = Timecode.read(timecode, rate)
        if begin is not None:
            there += f" ({begin} to {begin.later(count - 1)})"
        raise UsageError(f"the clip has not all of the frames {text}; there are {there}")
    return range(first, last + 1)


def check_range(text: str) -> tuple[str, str]:
    """Return first and last frame as they are written in `FIRST-LAST`.

    Raises:
        UsageError: it is not of that form, or the last one comes first.
    """
    match = _RANGE.fullmatch(text)
    if match is None or (":" in match[1]) != (":" in match[2]):
        raise UsageError(f"frames {text!r} cannot be read; {_ACCEPTED}")
    if ":" not in text and int(match[1]) > int(match[2]):
        raise UsageError(f"frames {text}: the last comes before the first; {_ACCEPTED}")
    return match[1], match[2]


def _number(text: str, timecode: str, rate: Fraction, whole: str) -> int:
    if ":" not in text:
        return int(text)
    begin, wanted = Timecode.read(timecode, rate), Timecode.read(text, rate)
    if begin is None or wanted is None:
        raise UsageError(f"frames {whole}: the clip has no timecode; give numbers from 0")
    return wanted.frames - begin.frames
