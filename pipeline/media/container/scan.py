"""Reading the packets of a file, without decoding them, for when they are due.

Packets are sorted, in the order they lie in the file, into parts whose time stamps belong together.
Every stream changes to the next part by itself, because around a seam the packets of both parts
are mixed; how far a part is moved is the same for all of them.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
from av.container import InputContainer
from av.format import Flags
from av.packet import Packet
from av.video.stream import VideoStream

from .clock import OVERLAP_S, Clock, measured_rate
from .containers import has_flag
from .inputs import packets_of, videos_of

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
_PAUSE_S = 600.0
"""A picture that stands longer than this [s] is mentioned."""
_PARTS_LOOKED_AT, _MOST_PARTS = 16, 10_000
"""Bounds for files whose stamps are noise."""
_WRAP_S = Fraction(1 << 33, 90_000)
"""After this [s] the stamps of MPEG streams, 33 bits at 90 kHz, begin anew."""


def read_clock(container: InputContainer, video: VideoStream) -> Clock:
    """Return the clock of a file, reading all of its packets if it has no complete index.

    Args:
        container: freshly opened; it is read to its end.
        video: the stream that is edited.
    """
    if 0 < video.frames == len(video.index_entries) and container.format.name.startswith("mov"):
        return _clock_of_index(video)
    is_broadcast = has_flag(container.format, Flags.ts_discont)
    is_bare = has_flag(container.format, Flags.no_timestamps)
    scan = _Scan(video, _AHEAD_S if is_broadcast else _AHEAD_ELSEWHERE_S, is_bare=is_bare)
    others = [s for s in container.streams if s.type in ("audio", "subtitle", "data")]
    streams = [*videos_of(container), *others]
    # A damaged file is read as far as possible; the reader reports the damage.
    with suppress(av.error.FFmpegError):
        for packet in packets_of(container, streams):
            scan.add(packet)
    return scan.finish()


def _clock_of_index(video: VideoStream) -> Clock:
    """Return the clock of an MP4 with an index: its times never go back."""
    base = video.time_base or Fraction(1, 90_000)
    steps = Counter(b.timestamp - a.timestamp for a, b in pairwise(video.index_entries))
    rate, tolerance = measured_rate(steps, base)
    warnings = _pause(max(steps, default=0) * base)
    return Clock(measured_rate=rate, rate_tolerance=tolerance, warnings=warnings)


def _pause(longest_s: Fraction) -> tuple[str, ...]:
    said = f"the picture stands still for {float(longest_s):.0f} s at once, as the time stamps say"
    return (said,) if longest_s > _PAUSE_S else ()


@dataclass(slots=True)
class _Stretch:
    """What one stream has of a part; times in ticks."""

    shown: tuple[int, int]
    """When the first packet is shown and the last is over."""
    decoded: tuple[int, int]
    """The same by decoding times."""
    last_s: float
    """Stamp of the last packet [s]."""
    is_partly_timed: bool = False
    """Only some packets say when they are shown."""


@dataclass(slots=True)
class _Part:
    """A piece of the file whose stamps belong together."""

    before: int
    """Number of the part it follows."""
    earliest_s: float
    latest_s: float
    """First and last stamp of picture or sound [s]."""
    stretches: dict[int, _Stretch] = field(default_factory=dict)


@dataclass(slots=True)
class _Stream:
    """What is known of a stream while the file is read."""

    base: Fraction
    base_s: float
    """[s/tick], exactly and quickly."""
    is_steady: bool
    """Picture or sound: a packet follows the other; a subtitle comes when it likes."""
    count: int = 0
    part: int | None = None
    changes: list[tuple[int, int]] = field(default_factory=list)
    """From which packet on it belongs to which part."""
    is_decoding: bool = False
    """The last packet said when it is decoded."""


class _Scan:
    """Sorts the packets of a file, in the order they lie there, into parts."""

    def __init__(self, video: VideoStream, ahead_s: float, *, is_bare: bool) -> None:
        self._video = video.index
        self._is_bare = is_bare
        self._ahead_s = ahead_s
        self._parts: list[_Part] = []
        self._streams: dict[int, _Stream] = {}
        self._has_pts = False
        self._last: tuple[int, int] | None = None
        self._steps: Counter[int] = Counter()

    def add(self, packet: Packet[Any]) -> None:
        """Take the next packet that holds data."""
        index, pts, dts = packet.stream_index, packet.pts, packet.dts
        stream = self._streams.get(index)
        if stream is None:
            base = packet.time_base or Fraction(1, 90_000)
            is_steady = packet.stream.type in ("audio", "video")
            stream = self._streams[index] = _Stream(base, float(base), is_steady)
        stream.count += 1
        if index == self._video and pts is not None:
            self._has_pts = True
        stamp = dts if dts is not None else pts
        if stamp is None:
            return
        span = packet.duration or 0
        back_s = _BACK_S
        if dts is None or not stream.is_decoding:
            back_s = max(_BACK_SHOWN_S, _BACK_SHOWN_FRAMES * span * stream.base_s)
        stream.is_decoding = dts is not None
        now = self._part_of(index, stream, stamp * stream.base_s, back_s)
        if now != (stream.part or 0):
            stream.changes.append((stream.count - 1, now))
        stream.part = now
        self._note(self._parts[now], index, stream, stamp, pts, span)
        if index == self._video and dts is not None:
            last, self._last = self._last, (now, dts)
            if last is not None and last[0] == now:
                self._steps[dts - last[1]] += 1

    def _part_of(self, index: int, stream: _Stream, time_s: float, back_s: float) -> int:
        """Return the part a packet belongs to, a new one if it fits none."""
        if not self._parts:
            self._parts.append(_Part(0, time_s, time_s))
            return 0
        newest = len(self._parts) - 1
        current = stream.part if stream.part is not None else newest
        part = self._parts[current]
        own = part.stretches.get(index)
        if own is None or (
            own.last_s - back_s <= time_s <= max(part.latest_s, own.last_s) + self._ahead_s
        ):
            return current
        for number in range(newest, max(-1, newest - _PARTS_LOOKED_AT), -1):
            part, own = self._parts[number], self._parts[number].stretches.get(index)
            if own is not None:
                fits = 0 <= time_s - own.last_s <= _LATE_S
            else:
                fits = part.earliest_s - _AHEAD_S <= time_s <= part.latest_s + _AHEAD_S
                fits = fits and number > current
            if fits and number != current:
                return number
        if not stream.is_steady or newest >= _MOST_PARTS:
            return current
        self._parts.append(_Part(current, time_s, time_s))
        return newest + 1

    def _note(
        self, part: _Part, index: int, stream: _Stream, stamp: int, pts: int | None, span: int
    ) -> None:
        shown = stamp if pts is None else pts
        own = part.stretches.get(index)
        if own is None:
            own = _Stretch((shown, shown), (stamp, stamp), 0.0)
            part.stretches[index] = own
        own.shown = min(own.shown[0], shown), max(own.shown[1], shown + span)
        own.decoded = min(own.decoded[0], stamp), max(own.decoded[1], stamp + span)
        own.last_s = stamp * stream.base_s
        own.is_partly_timed |= pts is None
        if stream.is_steady:
            part.latest_s = max(part.latest_s, own.last_s)
            part.earliest_s = min(part.earliest_s, own.last_s)

    def finish(self) -> Clock:
        """Return the clock of what was taken."""
        offsets = self._offsets()
        shifts = {}
        for index, stream in self._streams.items():
            changes = [(0, 0), *stream.changes] if offsets else []
            moved = [(number, offsets[part]) for number, part in changes]
            if any(offset for _, offset in moved):
                shifts[index] = tuple(moved)
        video = self._streams.get(self._video)
        base = video.base if video is not None else Fraction(1)
        rate, tolerance = measured_rate(self._steps, base)
        is_stuck = bool(self._steps) and not any(step > 0 for step in self._steps)
        # The stamps of a bare stream are FFmpeg's, in ticks finer than anything in it.
        is_even = self._is_bare and len(self._steps) <= 1
        return Clock(
            shifts=shifts,
            is_untimed=is_stuck or is_even or video is None or video.part is None,
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
        offsets: list[Fraction] = []
        for part in self._parts:
            if offsets:
                offsets.append(offsets[part.before] + self._step(part))
                continue
            video = part.stretches.get(self._video)
            begin = self._streams[self._video].base * video.shown[0] if video else Fraction(0)
            offsets.append(max(Fraction(0), -begin))
        return offsets

    def _step(self, part: _Part) -> Fraction:
        """Return by how much a part is moved against the one before [s]."""
        before, steps = self._parts[part.before].stretches, {}
        for index in part.stretches.keys() & before.keys():
            own, other, stream = part.stretches[index], before[index], self._streams[index]
            ticks = other.shown[1] - own.shown[0]
            if own.is_partly_timed or other.is_partly_timed:
                ticks = other.decoded[1] - own.decoded[0]
            if stream.is_steady:
                steps[index] = ticks * stream.base
        step = max(steps.values())
        if step - steps.get(self._video, step) <= OVERLAP_S:
            step = steps.get(self._video, step)
        return _WRAP_S if abs(step - _WRAP_S) < _AHEAD_S else step

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
            is_broadcast = self._ahead_s == _AHEAD_S
            if is_broadcast and by_s > _WRAP_S / 2:
                by_s -= float(_WRAP_S)  # FFmpeg takes a jump to before the first stamp for a wrap
            times = "once" if len(jumps) == 1 else f"{len(jumps)} times, first"
            found.append(
                f"the time stamps jump {times} at {at_s:.2f} s, {'ahead' if by_s > 0 else 'back'} "
                f"by {abs(by_s):.2f} s; what follows is moved so that picture and sound go on "
                "without a break, as players do"
            )
        return [*found, *_pause(longest_s)]
