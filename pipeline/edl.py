"""Reading an edit decision list in the form CMX 3600, as editing programs write it.

Only what says which frames of which source are seen is taken. Whatever is not understood, and what
a list of frames cannot hold (speed changes, dissolves), is told with its line and never dropped in
silence.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from .errors import InputError
from .side_files import read_text
from .timecode import Timecode

_TIME: Final = r"\d{1,2}:\d{2}:\d{2}[:;.]\d{2,3}"
_EVENT: Final = re.compile(
    rf"\s*(\d+)\s+(\S+)\s+(\S+)\s+(C|D|W\d*|KB?|KO)\s+(?:(\d+)\s+)?"
    rf"({_TIME})\s+({_TIME})\s+({_TIME})\s+({_TIME})\s*"
)
_NAME: Final = re.compile(
    r"\*?\s*(FROM CLIP NAME|TO CLIP NAME|SOURCE FILE)\s*:\s*(.+)", re.IGNORECASE
)
_SPEED: Final = re.compile(r"M2\s+(\S+)\s+([-+]?\d+(?:\.\d+)?)\s+(\S+)\s*", re.IGNORECASE)
_BLACK: Final = frozenset({"BL", "BLACK"})
_MOST_BYTES: Final = 1 << 26


@dataclass(frozen=True, slots=True)
class Event:
    """One stretch of one source, as the list has it."""

    number: str
    reel: str
    begin: str
    """Timecode of its first frame …"""
    end: str
    """… and of the frame after its last."""
    line: int = 0
    """0: the form has no lines that a reader would count."""
    clip: str = ""
    """Name of the clip, where the list says it."""
    others: tuple[str, ...] = ()
    """Names that its plate may have, too."""
    rate: Fraction | None = None
    """Frames a second that its timecodes count; None: those of its plate."""
    start: str = ""
    """Timecode of the first frame of its file, where the list says it."""
    fps: float | None = None
    """Of a speed change: frames of the source in a second, below 0 backwards; None: as it is."""
    whole: bool = False
    """All of its plate is taken, since which frames are seen is not known."""
    longer: int = 0
    """Frames beyond `end` that are seen below the dissolve to the next event."""
    joins: bool = False
    """Whether it begins with a dissolve, a wipe or a key."""

    @property
    def where(self) -> str:
        """Where a reader finds it in the list."""
        return f"line {self.line}: event {self.number}" if self.line else f"event {self.number}"


def counted_event(
    number: str, first: int, end: int, rate: Fraction, *, reel: str = "", clip: str = ""
) -> Event:
    """Return an event of the frames from `first` to before `end`, counted from 00:00:00:00 at a
    rate [frames/s]; its timecodes drop no numbers."""
    begin, behind = (str(Timecode(0, 0, 0, 0).later(count, rate)) for count in (first, end))
    return Event(number, reel, begin, behind, clip=clip, rate=rate)


def file_of(address: str) -> str:
    """Return the name of the file that an address (URL) or a path names."""
    return Path(unquote(address).replace("\\", "/")).name


def read_edl(path: Path, warn: Callable[[str], None]) -> list[Event]:
    """Return the picture events of a list, in order; `warn` hears of lines that need a look.

    Raises:
        InputError: it cannot be read, or has no event.
    """
    text = read_text(path, "cannot read the edit list", most=_MOST_BYTES, error=InputError)
    events: list[Event] = []
    ours = True  # whether comments belong to a picture event
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _EVENT.fullmatch(line):
            ours = _is_picture(match[3])
            if ours:
                _take(match, number, events, warn)
        elif match := _NAME.fullmatch(line.strip()):
            if ours and events:
                _name(events, match[1].upper(), match[2].strip())
        elif match := _SPEED.fullmatch(line.strip()):
            if ours and events:
                events[-1] = dataclasses.replace(events[-1], fps=float(match[2]))
                warn(
                    f"line {number}: {line.strip()}: event {events[-1].number} is retimed; its "
                    "frames are those of the source that are seen, to be retimed after the edit"
                )
        elif _is_unknown(line):
            warn(f"line {number}: not understood, and left out: {line.strip()}")
    events = [event for event in events if event.begin != event.end or event.longer]
    if not events:
        raise InputError(
            f"{path} has no picture event of an edit list in the form CMX 3600, as in "
            "`001  A001  V  C  01:00:10:00 01:00:12:00 10:00:00:00 10:00:02:00`"
        )
    return events


def _is_picture(channel: str) -> bool:
    return any(part.startswith(("V", "B")) for part in channel.upper().split("/"))


def _take(
    match: re.Match[str], line: int, events: list[Event], warn: Callable[[str], None]
) -> None:
    """Add an event; of a dissolve, what is seen of the event before it is longer."""
    number, reel, _, how, frames, begin, end = match.groups()[:7]
    joins = how != "C"
    if joins:
        kind = "dissolve" if how == "D" else "wipe" if how.startswith("W") else "key"
        warn(
            f"line {line}: event {number} begins with a {kind} of {int(frames or 0)} frames; both "
            "of its sides are edited whole, and it is to be made after the edit"
        )
        if how[0] in "DW":
            _lengthen(events, int(frames or 0))
    if reel.upper() not in _BLACK:
        begin, end = begin.replace(".", ":"), end.replace(".", ":")
        events.append(Event(number, reel, begin, end, line, joins=joins))


def _lengthen(events: list[Event], frames: int) -> None:
    """Have the source that goes be seen longer. Lists mostly repeat it before a dissolve, with no
    frame of its own."""
    if len(events) > 1:
        before, last = events[-2:]
        if last.begin == last.end == before.end and last.reel == before.reel:
            del events[-1]
    if events:
        events[-1] = dataclasses.replace(events[-1], longer=frames)


def _name(events: list[Event], which: str, name: str) -> None:
    """Note the name of a clip; before a dissolve, `FROM` is that of the event that goes."""
    at = -2 if which == "FROM CLIP NAME" and events[-1].joins else -1
    if len(events) >= -at and (which != "SOURCE FILE" or not events[at].clip):
        events[at] = dataclasses.replace(events[at], clip=name)


def _is_unknown(line: str) -> bool:
    words = line.strip()
    return bool(words) and not words.upper().startswith(("TITLE:", "FCM:", "*", ">>>"))
