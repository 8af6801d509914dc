"""One line of time for all streams of a file, whatever its time stamps do.

Files that were joined, cut out of a broadcast or recorded with breaks begin their time stamps anew,
or leap. As players do, time then simply goes on: every packet after a jump is moved, picture and
sound by the same amount. What is moved by how much is learnt once, by reading the packets without
decoding them, and is known from then on by a packet's number in its stream.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
from av.container import InputContainer
from av.format import Flags
from av.packet import Packet
from av.video.stream import VideoStream

from .inputs import is_cover

_BACK_S = 0.1
"""Decoding times that go back by more than this [s] begin anew; FFmpeg's limit too."""
_BACK_SHOWN_S = 1.0
_BACK_SHOWN_FRAMES = 16
"""The same, whichever is more, where a packet has a presentation time only: B-frames put those out
of order, by as many frames as a decoder holds."""
_AHEAD_S = 10.0
"""In transport and program streams a leap beyond this [s] is a break in the stamps, not a pause."""
_AHEAD_ELSEWHERE_S = 30 * 3600.0
"""Elsewhere pauses may last this long [s]; FFmpeg takes more for an error too."""
_LATE_S = 1.0
"""Packets from before a jump can come after it, up to so much later than those before [s]."""
OVERLAP_S = Fraction(1, 10)
"""Sound may outlast the picture before a jump by this [s] without holding the picture up."""
_PAUSE_S = 600.0
"""A picture that stands longer than this [s] is mentioned."""
_USUAL_STEPS = 4
"""Steps between frames beyond so many usual ones are pauses."""
_WRAP_S = Fraction(1 << 33, 90_000)
"""After this [s] the stamps of MPEG streams, 33 bits at 90 kHz, begin anew."""
_SANE_RATE = 1000
"""Frames per second beyond which a rate is an oddity of a header, unless the stamps agree."""


@dataclass(frozen=True, slots=True)
class Clock:
    """When the packets of a file are due."""

    shifts: Mapping[int, tuple[tuple[int, Fraction], ...]] = field(default_factory=dict)
    """Per stream: from which packet on (counted from 0) times move, and by how much [s]."""
    is_untimed: bool = False
    """The edited video has no time stamps, or one for all: its frames follow each other evenly."""
    has_pts: bool = True
    """At least some packets of the edited video say when they are shown."""
    measured_rate: Fraction | None = None
    """Packets per second of the edited video by its stamps, without pauses; None if unknown."""
    rate_tolerance: float = 0.0
    """By what part of itself the measured rate may be off."""
    warnings: tuple[str, ...] = ()

    def jumps(self, stream_index: int) -> bool:
        """Return whether the time stamps of a stream jump, so that lengths announced are wrong."""
        return len(self.shifts.get(stream_index, ())) > 1

    def retimer(self, stream_index: int) -> Retimer:
        """Return what moves the packets of a stream; every one must pass through it in order."""
        return Retimer(self.shifts.get(stream_index, ()))


class Retimer:
    """Moves the packets of one stream to when they are due."""

    def __init__(self, shifts: Iterable[tuple[int, Fraction]]) -> None:
        self._ahead = list(shifts)[::-1]
        self._count = 0
        self._shift = Fraction(0)

    def __call__(self, packet: Packet[Any]) -> None:
        """Change the times of the next packet of the stream that holds data."""
        if self._ahead and self._ahead[-1][0] <= self._count:
            self._shift = self._ahead.pop()[1]
        self._count += 1
        if self._shift:
            move(packet, self._shift)


def move(packet: Packet[Any], shift_s: Fraction) -> None:
    """Move the times of a packet by some seconds, to the nearest tick."""
    ticks = round(shift_s / packet.time_base)
    if packet.pts is not None:
        packet.pts += ticks
    if packet.dts is not None:
        packet.dts += ticks


def read_clock(container: InputContainer, video: VideoStream) -> Clock:
    """Return the clock of a file, reading all of its packets if it has no complete index.

    Args:
        container: freshly opened; it is read to its end.
        video: the stream that is edited.
    """
    if 0 < video.frames == len(video.index_entries) and container.format.name.startswith("mov"):
        return _clock_of_index(video)
    is_broadcast = Flags.ts_discont in Flags(container.format.flags)
    is_bare = Flags.no_timestamps in Flags(container.format.flags)
    scan = _Scan(video, _AHEAD_S if is_broadcast else _AHEAD_ELSEWHERE_S, is_bare=is_bare)
    streams = [
        s
        for s in container.streams
        if s.type in ("audio", "video", "subtitle", "data")
        and not (isinstance(s, VideoStream) and is_cover(s))
    ]
    try:
        for packet in container.demux(streams):
            if packet.size:
                scan.add(packet)
    except av.error.FFmpegError:
        pass  # a damaged file is read as far as possible; the reader reports the damage
    return scan.finish()


def frame_rate(video: VideoStream, clock: Clock, *, is_interlaced: bool) -> Fraction:
    """Return the frames per second of a video: what FFmpeg guesses and the stamps agree with.

    No field is believed alone: DV files announce the ticks of their clock, bare streams a rate that
    FFmpeg made up. Where the stamps agree with nothing, as with variable rates, they are right.
    """
    guesses = [video.guessed_rate, video.average_rate, video.base_rate]
    known = [rate for rate in guesses if rate is not None and rate > 0]
    measured = clock.measured_rate
    if measured is None:
        return next((rate for rate in known if rate <= _SANE_RATE), Fraction(25))
    agreeing = [r for r in known if abs(r / measured - 1) <= clock.rate_tolerance]
    if agreeing:
        return min(agreeing, key=lambda r: (abs(r / measured - 1) > 1e-6, r != video.average_rate))
    guess = video.guessed_rate
    if is_interlaced and guess and abs(2 * guess / measured - 1) <= clock.rate_tolerance:
        return guess  # every packet holds one field
    return measured.limit_denominator(100_000)


def _clock_of_index(video: VideoStream) -> Clock:
    """Return the clock of an MP4 with an index: its times never go back."""
    base = video.time_base or Fraction(1, 90_000)
    steps = Counter(b.timestamp - a.timestamp for a, b in pairwise(video.index_entries))
    rate, tolerance = _measured(steps, base)
    pause_s = max(steps, default=0) * base
    warnings = (_pause(float(pause_s)),) if pause_s > _PAUSE_S else ()
    return Clock(measured_rate=rate, rate_tolerance=tolerance, warnings=warnings)


def _measured(steps: Counter[int], base: Fraction) -> tuple[Fraction | None, float]:
    """Return frames per second by the steps between stamps [ticks], and its relative uncertainty.

    Pauses do not count: steps of more than some frames.
    """
    steps = Counter({step: count for step, count in steps.items() if step > 0})
    if not steps:
        return None, 0.0
    half, median = steps.total() / 2, 0
    for step in sorted(steps):
        half -= steps[step]
        if half <= 0:
            median = step
            break
    usual = {step: count for step, count in steps.items() if step <= _USUAL_STEPS * median}
    span = sum(step * count for step, count in usual.items()) * base
    return sum(usual.values()) / span, max(0.005, float(1.5 * base / span))


def _pause(longest_s: float) -> str:
    return f"the picture stands still for {longest_s:.0f} s at once, as the time stamps say"


@dataclass(slots=True)
class _Part:
    """A stretch of the file whose stamps belong together."""

    before: int
    """Number of the part it follows."""
    latest_s: float
    """Latest stamp of picture or sound [s]."""
    earliest_s: float
    last_s: dict[int, float] = field(default_factory=dict)
    """Stamp of the last packet by stream [s]."""
    shown: dict[int, tuple[Fraction, Fraction]] = field(default_factory=dict)
    """When the first packet is shown and the last is over, by stream [s]."""
    decoded: dict[int, tuple[Fraction, Fraction]] = field(default_factory=dict)
    """The same by decoding times."""
    partly: set[int] = field(default_factory=set)
    """Streams that have presentation times for some packets only."""

    def step_from(self, before: _Part, index: int) -> Fraction | None:
        """Return how far a stream is moved to go on from a part [s]; None if one lacks it."""
        if index not in self.decoded or index not in before.decoded:
            return None
        if index in self.partly or index in before.partly:
            return before.decoded[index][1] - self.decoded[index][0]
        return before.shown[index][1] - self.shown[index][0]


class _Scan:
    """Sorts the packets of a file, in the order they lie there, into parts."""

    def __init__(self, video: VideoStream, ahead_s: float, *, is_bare: bool) -> None:
        self._video = video
        self._is_bare = is_bare
        self._ahead_s = ahead_s
        self._parts: list[_Part] = []
        self._current: dict[int, int] = {}
        self._counts: dict[int, int] = {}
        self._changes: dict[int, list[tuple[int, int]]] = {}
        self._bases: dict[int, Fraction] = {}
        self._decoding: dict[int, bool] = {}
        self._has_pts = False
        self._video_last: tuple[int, int] | None = None
        self._steps: Counter[int] = Counter()

    def add(self, packet: Packet[Any]) -> None:
        """Take the next packet that holds data."""
        index = packet.stream.index
        number = self._counts.get(index, 0)
        self._counts[index] = number + 1
        is_video = index == self._video.index
        if is_video and packet.pts is not None:
            self._has_pts = True
        stamp = packet.dts if packet.dts is not None else packet.pts
        base = self._bases.setdefault(index, packet.time_base)
        if stamp is None or not base:
            return
        is_steady = packet.stream.type in ("audio", "video")
        back_s = self._back_s(index, packet)
        now = self._part_of(index, float(stamp * base), back_s, is_steady=is_steady)
        if now != self._current.get(index, 0):
            self._changes.setdefault(index, []).append((number, now))
        self._current[index] = now
        self._note(self._parts[now], packet, stamp * base, is_steady=is_steady)
        if is_video and packet.dts is not None:
            self._measure(now, stamp)

    def _back_s(self, index: int, packet: Packet[Any]) -> float:
        """Return by how much a packet's time may lie before the last packet's of its stream [s]."""
        was_decoding = self._decoding.get(index, False)
        self._decoding[index] = packet.dts is not None
        if was_decoding and packet.dts is not None:
            return _BACK_S
        frame_s = float((packet.duration or 0) * packet.time_base)
        return max(_BACK_SHOWN_S, _BACK_SHOWN_FRAMES * frame_s)

    def _part_of(self, index: int, time_s: float, back_s: float, *, is_steady: bool) -> int:
        """Return the part a packet belongs to, a new one if it fits none."""
        if not self._parts:
            self._parts.append(_Part(0, time_s, time_s))
            return 0
        current = self._current.get(index, len(self._parts) - 1)
        part = self._parts[current]
        last_s = part.last_s.get(index, time_s)
        limit_s = max(part.latest_s, last_s) + self._ahead_s
        if last_s - back_s <= time_s <= limit_s:
            return current
        for number in range(len(self._parts) - 1, -1, -1):
            part = self._parts[number]
            if index in part.last_s:
                fits = 0 <= time_s - part.last_s[index] <= _LATE_S
            else:
                fits = part.earliest_s - _AHEAD_S <= time_s <= part.latest_s + _AHEAD_S
            if number != current and fits and (number > current or index in part.last_s):
                return number
        if not is_steady:  # a subtitle may come when it likes
            return current
        self._parts.append(_Part(current, time_s, time_s))
        return len(self._parts) - 1

    def _note(self, part: _Part, packet: Packet[Any], time: Fraction, *, is_steady: bool) -> None:
        index, span = packet.stream.index, (packet.duration or 0) * packet.time_base
        part.last_s[index] = float(time)
        if packet.pts is None:
            part.partly.add(index)
        shown = time if packet.pts is None else packet.pts * packet.time_base
        for spans, at in ((part.shown, shown), (part.decoded, time)):
            begin, end = spans.get(index, (at, at))
            spans[index] = min(begin, at), max(end, at + span)
        if is_steady:
            part.latest_s = max(part.latest_s, float(time))
            part.earliest_s = min(part.earliest_s, float(time))

    def _measure(self, part: int, stamp: int) -> None:
        last, self._video_last = self._video_last, (part, stamp)
        if last is not None and last[0] == part:
            self._steps[stamp - last[1]] += 1

    def finish(self) -> Clock:
        """Return the clock of what was taken."""
        offsets = self._offsets()
        shifts = {}
        for index in self._counts:
            changes = [(0, 0), *self._changes.get(index, ())]
            moved = [(number, offsets[part]) for number, part in changes] if offsets else []
            if any(offset for _, offset in moved):
                shifts[index] = tuple(moved)
        base = self._bases.get(self._video.index, Fraction(1))
        rate, tolerance = _measured(self._steps, base)
        is_stuck = bool(self._steps) and not any(step > 0 for step in self._steps)
        # The stamps of a bare stream are FFmpeg's, in ticks finer than anything in it.
        is_even = self._is_bare and len(self._steps) <= 1
        return Clock(
            shifts=shifts,
            is_untimed=is_stuck or is_even or self._video.index not in self._current,
            has_pts=self._has_pts,
            measured_rate=rate,
            rate_tolerance=tolerance,
            warnings=(
                *self._sentences(offsets, max(self._steps, default=0) * base),
                *(["all frames have one time stamp; they are shown evenly"] * is_stuck),
            ),
        )

    def _offsets(self) -> list[Fraction]:
        """Return by how much each part is moved [s]."""
        video = self._video.index
        offsets: list[Fraction] = []
        for part in self._parts:
            if not offsets:
                begin, _ = part.shown.get(video, (Fraction(0), None))
                offsets.append(max(Fraction(0), -begin))
                continue
            before = self._parts[part.before]
            steps = [s for i in part.decoded if (s := part.step_from(before, i)) is not None]
            step, own = max(steps), part.step_from(before, video)
            if own is not None and step - own <= OVERLAP_S:
                step = own
            if abs(step - _WRAP_S) < _AHEAD_S:
                step = _WRAP_S
            offsets.append(offsets[part.before] + step)
        return offsets

    def _sentences(self, offsets: list[Fraction], longest_s: Fraction) -> list[str]:
        found = []
        if offsets and offsets[0]:
            found.append(
                f"the time stamps begin {float(offsets[0]):.3f} s before zero; all streams are "
                "moved to begin at zero"
            )
        jumps = [
            (part.earliest_s + float(offset), float(offsets[part.before] - offset))
            for part, offset in zip(self._parts[1:], offsets[1:], strict=True)
            if abs(offset - offsets[part.before] - _WRAP_S) > _AHEAD_S
        ]
        if jumps:
            at_s, by_s = jumps[0]
            times = "once" if len(jumps) == 1 else f"{len(jumps)} times, first"
            found.append(
                f"the time stamps jump {times} at {at_s:.2f} s, {'ahead' if by_s > 0 else 'back'} "
                f"by {abs(by_s):.2f} s; what follows is moved so that picture and sound go on "
                "without a break, as players do"
            )
        if longest_s > _PAUSE_S:
            found.append(_pause(float(longest_s)))
        return found
