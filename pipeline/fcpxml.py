"""Reading FCPXML, as Final Cut Pro and DaVinci Resolve write it.

Times there are fractions of seconds, and are kept as such until they are frames of a file. Own
code: OpenTimelineIO's reader (otio-fcpx-xml-adapter 1.0) takes 23.976 frames a second for 23, and
drops retimes, transitions and the file names of versions above 1.8 without a word.
"""

from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from pathlib import Path
from typing import Final

from .edl import Event, counted_event, file_of
from .errors import InputError
from .side_files import DAMAGE, read_text

_MOST_BYTES: Final = 1 << 28
_FASTEST: Final = 10_000
"""Frames a second that a camera may have."""
_COMPLAINT: Final = "cannot read the FCPXML"
_CLIPS: Final = ("asset-clip", "clip", "sync-clip", "video")
_BOXES: Final = ("clip", "sync-clip")
"""Clips whose file is named by what they hold."""
_NESTED: Final = {"ref-clip": "a compound clip", "mc-clip": "a multicam clip"}


def read_fcpxml(path: Path, warn: Callable[[str], None]) -> list[Event]:
    """Return the picture events of all projects; `warn` hears of what needs a look.

    A folder `.fcpxmld`, as newer versions write, is read by the file in it.

    Raises:
        InputError: it cannot be read, or has no event.
    """
    file = path / "Info.fcpxml" if path.is_dir() else path
    root = read_xml(file)
    sequences = root.findall(".//project/sequence")
    events: list[Event] = []
    for sequence in sequences:
        try:
            events += _Reader(root, sequence, warn, taken=len(events)).events()
        except RecursionError as e:
            raise InputError(f"{_COMPLAINT} {file}: it is nested without end") from e
    if not events:
        raise InputError(
            f"{path} has no clip in {len(sequences)} projects; accepted is FCPXML with a project"
        )
    return events


def read_xml(path: Path) -> ET.Element:
    """Return the root of a file of XML; one that declares entities is refused.

    Raises:
        InputError: it cannot be read.
    """
    text = read_text(path, _COMPLAINT, most=_MOST_BYTES, error=InputError)
    if "<!ENTITY" in text:  # a few lines of them can stand for gigabytes
        raise InputError(f"{_COMPLAINT} {path}: it declares entities, which no edit list needs")
    try:
        return ET.fromstring(text)  # noqa: S314  # without entities
    except DAMAGE as e:
        raise InputError(f"{_COMPLAINT} {path}: it is no XML ({e})") from e


class _Reader:
    """Goes through one sequence."""

    def __init__(
        self, root: ET.Element, sequence: ET.Element, warn: Callable[[str], None], *, taken: int
    ) -> None:
        resources = root.find("resources")
        self._resources = {thing.get("id"): thing for thing in resources or ()}
        self._sequence, self._warn, self._taken = sequence, warn, taken

    def events(self) -> list[Event]:
        return [event for spine in self._sequence.findall("spine") for event in self._in(spine)]

    def _in(self, parent: ET.Element) -> Iterator[Event]:
        """Yield the events of what lies in, or hangs on, an element."""
        items = list(parent)
        for number, item in enumerate(items):
            if parent.tag in (*_CLIPS, *_NESTED) and not item.get("lane"):
                continue  # what a clip consists of
            if item.tag in _NESTED:
                self._warn(
                    f"{item.get('name')} is {_NESTED[item.tag]}, and left out; break it apart in "
                    "the editing program"
                )
            elif item.tag == "audition":
                yield from self._in_audition(item)
            elif item.tag in _CLIPS:
                yield from self._of(item, items[:number][-1:], items[number + 1 : number + 3])
            if item.tag != "audition":
                yield from self._in(item)

    def _in_audition(self, audition: ET.Element) -> Iterator[Event]:
        """Yield what is chosen of several takes: the first."""
        chosen = ET.Element("gap")
        chosen.extend(list(audition)[:1])
        return self._in(chosen)

    def _of(
        self, clip: ET.Element, before: Sequence[ET.Element], after: Sequence[ET.Element]
    ) -> Iterator[Event]:
        media = _picture_in(clip) if clip.tag in _BOXES else clip
        if media is None or clip.get("srcEnable") == "audio":
            return  # sound
        self._taken += 1
        where = f"event {self._taken} ({clip.get('name')})"
        asset = self._resources.get(media.get("ref"))
        if clip.get("enabled") == "0":
            self._warn(f"{where} is switched off, and left out")
        elif asset is None or asset.tag != "asset":
            self._warn(f"{where} is no file but made by the editing program; left out")
        elif asset.get("hasVideo", "0") == "1" or asset.get("hasAudio") is None:
            yield self._event(clip, media, asset, _Joins(clip, before, after))

    def _event(
        self, clip: ET.Element, media: ET.Element, asset: ET.Element, joins: _Joins
    ) -> Event:
        where = f"event {self._taken} ({clip.get('name')})"
        start, rate = _time(asset, "start"), self._rate(asset)
        begin = _time(clip, "start", start if clip is media else Fraction(0)) - joins.sooner
        end = begin + joins.sooner + _time(clip, "duration") + joins.later
        shift = Fraction(0)
        if clip is not media:  # the time of the clip is not that of its file
            shift = _time(media, "start", start) - _time(media, "offset")
        for place, seconds in (("begins", joins.opening), ("ends", joins.closing)):
            if seconds:
                self._warn(
                    f"{where} {place} with a transition of {round(seconds * rate)} frames; both of "
                    "its sides are edited whole, and it is to be made after the edit"
                )
        points = _points(clip)
        seen = _seen(points, begin, end, start) if points else (begin, end)
        if points:
            self._warn(
                f"{where} is retimed; its frames are those of the file that are seen, to be "
                "retimed after the edit"
            )
        conform = clip.find("conform-rate")
        if conform is not None and conform.get("scaleEnabled") != "0":
            self._warn(f"{where} is conformed from another rate; look at its frames")
        name = file_of(_source(asset)) or asset.get("name", "")
        if seen is None:
            self._warn(f"{where}: its curve of time does not cover it; the whole file is taken")
            seen = (start, start + _time(asset, "duration"))
        first, last = (floor((seconds + shift) * rate + _CLOSE) for seconds in seen)
        if not points:
            last = ceil((seen[1] + shift) * rate - _CLOSE) - 1
        zero = floor(start * rate + _CLOSE)
        first = max(first, zero)  # a transition has no more than the file
        event = counted_event(str(self._taken), first, last + 1, rate, clip=name)
        others = (asset.get("name", ""), clip.get("name", ""))
        said = counted_event("", zero, zero, rate).begin
        return dataclasses.replace(event, start=said, others=others)

    def _rate(self, asset: ET.Element) -> Fraction:
        """Return the frames a second of a file, or of the sequence where it has none."""
        for user in (asset, self._sequence):
            form = self._resources.get(user.get("format"))
            duration = Fraction(0) if form is None else _time(form, "frameDuration")
            if duration and 1 <= 1 / duration <= _FASTEST:
                return 1 / duration
        raise InputError(
            f"the FCPXML does not say how many frames a second {asset.get('name')} has; accepted "
            'is a format with frameDuration="1001/24000s" or the like'
        )


_CLOSE: Final = Fraction(1, 1000)
"""Of a frame: times that were rounded are meant to lie on its edge."""


class _Joins:
    """How a clip goes over into what lies before and after it [s]."""

    def __init__(
        self, clip: ET.Element, before: Sequence[ET.Element], after: Sequence[ET.Element]
    ) -> None:
        begin = _time(clip, "offset")
        end = begin + _time(clip, "duration")
        self.opening = self.closing = self.sooner = self.later = Fraction(0)
        for item in before:
            if item.tag == "transition":
                self.opening = _time(item, "duration")
                middle = begin - self.opening / 2
                self.sooner = max(begin - _time(item, "offset", middle), Fraction(0))
        for item in after[:1]:
            if item.tag == "transition":
                length = _time(item, "duration")
                offset = _time(item, "offset", end - length / 2)
                self.later = max(offset + length - end, Fraction(0))
                self.closing = length if len(after) == 1 else Fraction(0)  # else the next tells it


def _picture_in(clip: ET.Element) -> ET.Element | None:
    """Return what of a clip that holds others is its picture."""
    inside = (*clip, *clip.findall("spine/*"))
    return next(
        (item for item in inside if item.tag in ("video", "asset-clip") and not item.get("lane")),
        None,
    )


def _points(clip: ET.Element) -> list[tuple[Fraction, Fraction]]:
    """Return the curve of a retimed clip: when, and which time of the file is seen then [s]."""
    points = clip.findall("timeMap/timept")
    return sorted((_time(point, "time"), _time(point, "value")) for point in points)


def _seen(
    points: Sequence[tuple[Fraction, Fraction]], begin: Fraction, end: Fraction, start: Fraction
) -> tuple[Fraction, Fraction] | None:
    """Return the first and last time of a file that is seen in a stretch of a retimed clip [s].

    Some programs count both from the first frame of the file, `start`. None: neither fits.
    """
    for shift in (Fraction(0), start):
        low, high = begin - shift, end - shift
        if points[0][0] <= low and low <= points[-1][0]:
            inner = [value for time, value in points if low < time < high]
            values = [_at(points, low), *inner, _at(points, high)]
            return min(values) + shift, max(values) + shift
    return None


def _at(points: Sequence[tuple[Fraction, Fraction]], time: Fraction) -> Fraction:
    for (t0, v0), (t1, v1) in pairwise(points):
        if t0 <= time <= t1 and t1 > t0:
            return v0 + (v1 - v0) * (time - t0) / (t1 - t0)
    return points[-1][1]


def _source(asset: ET.Element) -> str:
    representation = asset.find("media-rep")
    there = asset.get("src") or (representation.get("src") if representation is not None else "")
    return there or ""


def _time(element: ET.Element, name: str, otherwise: Fraction = Fraction(0)) -> Fraction:
    """Return a time of an element, as in `1001/24000s` or `5s` [s].

    Raises:
        InputError: it is none.
    """
    text = element.get(name)
    if text is None:
        return otherwise
    if (match := _TIME.fullmatch(text.strip())) is None:
        raise InputError(
            f'the FCPXML says {name}="{text}" in {element.tag}; accepted are times like '
            '"1001/24000s" and "5s"'
        )
    return Fraction(match[1]) / int(match[2] or 1)


_TIME: Final = re.compile(r"([-+]?\d{1,18}(?:\.\d{1,9})?)(?:/0*([1-9]\d{0,17}))?s?")
