"""One line of time for all streams of a file, whatever its time stamps do; and its frame rate.

Files that were joined, cut out of a broadcast or recorded with breaks begin their time stamps anew,
or leap. As players do, time then simply goes on: every packet after a jump is moved, picture and
sound by the same amount. What is moved by how much is learnt once (`scan.py`), and is known from
then on by a packet's number in its stream.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from av.packet import Packet
from av.video.stream import VideoStream

from ...errors import VideoError

OVERLAP_S = Fraction(1, 10)
"""Sound may outlast the picture before a jump by this [s] without holding the picture up."""
_USUAL_STEPS = 4
"""Steps between frames beyond so many usual ones are pauses."""
MAX_RATE = 10_000
"""Highest frame rate that is accepted [1/s]; high-speed cameras write files that play slower."""
_MIN_RATE = Fraction(1, 100_000)
"""Lowest rate that is accepted [1/s]: a frame a day."""
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
        self._jumped: int | None = None

    def __call__(self, packet: Packet[Any]) -> None:
        """Change the times of the next packet of the stream that holds data."""
        if self._ahead and self._ahead[-1][0] <= self._count:
            self._shift = self._ahead.pop()[1]
            self._jumped = self._count or None
        self._count += 1
        if self._shift:
            move(packet, self._shift)

    @property
    def is_seam(self) -> bool:
        """Whether the last packet was one of the two before a jump, or the first after it.

        FFmpeg reads a packet or two ahead, so what it says of a seam it says of these.
        """
        is_before = bool(self._ahead) and 0 < self._ahead[-1][0] - self._count + 1 <= 2
        return is_before or self._jumped == self._count - 1


def move(packet: Packet[Any], shift_s: Fraction) -> None:
    """Move the times of a packet by some seconds, to the nearest tick."""
    ticks = round(shift_s / packet.time_base)
    packet.pts = _bounded(packet.pts, ticks)
    packet.dts = _bounded(packet.dts, ticks)


def _bounded(stamp: int | None, ticks: int) -> int | None:
    """Return a moved stamp; None, as for one that is missing, if FFmpeg could not hold it."""
    moved = None if stamp is None else stamp + ticks
    return moved if moved is not None and abs(moved) < 1 << 62 else None


def checked_rate(rate: Fraction) -> Fraction:
    """Return a frame rate that can be worked with.

    Raises:
        VideoError: it is out of range. Whatever lasts some seconds is held as so many frames, so
            memory and time would go into frames that are not there.
    """
    if not _MIN_RATE <= rate <= MAX_RATE:
        raise VideoError(
            f"the video says that it has {float(rate):.6g} frames a second; accepted are up to "
            f"{MAX_RATE}. If that is wrong, copy it with its right rate first"
        )
    return rate


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


def measured_rate(steps: Counter[int], base: Fraction) -> tuple[Fraction | None, float]:
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
