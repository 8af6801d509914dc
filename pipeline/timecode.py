"""Timecodes: what frames are called on a slate."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

_TIMECODE: Final = re.compile(r"(\d{1,2}):([0-5]\d):([0-5]\d)([:;])(\d{1,3})")


@dataclass(frozen=True, slots=True)
class Timecode:
    """Hours, minutes, seconds and frames, as SMPTE ST 12-1 counts them."""

    hours: int
    minutes: int
    seconds: int
    frames: int
    drops: bool = False
    """Written with a semicolon: the first two numbers of a minute (four at 60 Hz) are left out, but
    not in every tenth minute, so that it keeps up with the clock."""

    @classmethod
    def read(cls, text: str) -> Timecode | None:
        """Return the timecode that a text is; None if it is none."""
        match = _TIMECODE.fullmatch(text)
        if match is None:
            return None
        hours, minutes, seconds, mark, frames = match.groups()
        return cls(int(hours), int(minutes), int(seconds), int(frames), mark == ";")

    def count(self, rate: Fraction) -> int:
        """Return how many frames it is after 00:00:00:00, at a clip's rate [frames/s]."""
        per_second = round(rate)
        minutes = 60 * self.hours + self.minutes
        count = (60 * minutes + self.seconds) * per_second + self.frames
        return count - _dropped(per_second) * (minutes - minutes // 10) if self.drops else count

    def later(self, frames: int, rate: Fraction) -> Timecode:
        """Return the timecode some frames later, at a clip's rate [frames/s]; after 24 hours it
        begins anew."""
        per_second, count = round(rate), self.count(rate) + frames
        if self.drops:
            dropped, minute = _dropped(per_second), 60 * per_second
            tens, rest = divmod(count, 10 * minute - 9 * dropped)
            count += 9 * dropped * tens
            count += dropped * max(0, (rest - dropped) // (minute - dropped))
        seconds, number = divmod(count, per_second)
        minutes, seconds = divmod(seconds, 60)
        hours, minutes = divmod(minutes, 60)
        return Timecode(hours % 24, minutes, seconds, number, self.drops)

    def __str__(self) -> str:
        mark = ";" if self.drops else ":"
        return f"{self.hours:02}:{self.minutes:02}:{self.seconds:02}{mark}{self.frames:02}"


def _dropped(per_second: int) -> int:
    return round(per_second / 15)
