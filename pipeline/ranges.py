"""Ranges of frames as people write them: `FIRST-LAST`, by numbers from 0 or by timecodes."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from .errors import UsageError
from .timecode import Timecode

_TIMECODE: Final = r"\d{1,2}:\d{2}:\d{2}[:;]\d{2,3}"
_RANGE: Final = re.compile(rf"\s*({_TIMECODE}|\d+)\s*-\s*({_TIMECODE}|\d+)\s*")
_ACCEPTED: Final = (
    "accepted is FIRST-LAST, both included: numbers from 0, as in 24-119, or timecodes of the "
    "clip, as in 01:00:10:00-01:00:13:23"
)


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
        begin = Timecode.read(timecode)
        if begin is not None:
            there += f" ({begin} to {begin.later(count - 1, rate)})"
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
    begin, wanted = Timecode.read(timecode), Timecode.read(text)
    if wanted is None:
        raise UsageError(f"frames {whole}: {text} is no timecode; {_ACCEPTED}")
    if begin is None:
        raise UsageError(f"frames {whole}: the clip has no timecode; give numbers from 0")
    return wanted.count(rate) - begin.count(rate)
