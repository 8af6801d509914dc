"""An output that holds a part of its input only: which packets go with it, and when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from av.packet import Packet

from ...timecode import Timecode
from .clock import move
from .containers import MOV_FAMILY

_LOOK_PAST_S = 10
"""Streams of a file are stored side by side; none lags behind the others by more than this [s]."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a clip; times in seconds of the input."""

    first: int
    """Number of its first frame."""
    begin_s: Fraction
    """When that is shown."""
    end_s: Fraction | None
    """When the frame after the part is shown; None: the part goes to the end."""
    earlier_s: Fraction
    """By how much all is moved, so that the part begins when the clip did."""

    def packets(self, packets: Iterable[Packet[Any]], container: str) -> Iterator[Packet[Any]]:
        """Yield the packets of other streams that go with the part, moved.

        Sound begins with the packet that is heard when the first frame is shown. Containers that
        hide the beginning of a stream (MP4) get that whole, and one before it, which its decoder
        needs; others get it if most of it belongs to the part.
        """
        hides = container in MOV_FAMILY
        before: dict[int, Packet[Any]] = {}
        for packet in packets:
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is None:
                yield packet
                continue
            base, span = packet.time_base, packet.duration or 0
            begin, end = stamp * base, (stamp + span) * base
            if self.end_s is not None and begin >= self.end_s:
                if begin > self.end_s + _LOOK_PAST_S:
                    return
                continue
            index = packet.stream.index
            if packet.stream.type != "audio":
                if end > self.begin_s or begin >= self.begin_s:
                    yield self._moved(self._cut(packet) if span else packet)
            elif (end if hides else (begin + end) / 2) > self.begin_s or begin >= self.begin_s:
                if (held := before.pop(index, None)) is not None:
                    yield self._moved(held)
                yield self._moved(packet)
            elif hides:
                before[index] = packet

    def chapters(self, chapters: Iterable[Any]) -> list[Any]:
        """Return the chapters that lie in the part, moved and cut to it."""
        kept = []
        for chapter in chapters:
            base = chapter["time_base"]
            begin, end = self.begin_s / base, chapter["end"]
            if self.end_s is not None:
                end = min(end, round(self.end_s / base))
            start, moved = max(chapter["start"], round(begin)), round(self.earlier_s / base)
            if start < end:
                kept.append({**chapter, "start": start - moved, "end": end - moved})
        return kept

    def tags(self, tags: Mapping[str, str], rate: Fraction) -> dict[str, str]:
        """Return tags with the timecode of the part's first frame, if they have one."""
        found = dict(tags)
        for name, value in tags.items():
            begin = Timecode.read(value) if name.lower() == "timecode" else None
            if begin is not None:
                found[name] = str(begin.later(self.first, rate))
        return found

    def _cut(self, packet: Packet[Any]) -> Packet[Any]:
        """Begin a title that is shown already no earlier than the part."""
        early = round(self.begin_s / packet.time_base) - (packet.pts or 0)
        if packet.stream.type == "subtitle" and packet.pts is not None and early > 0:
            packet.pts += early
            packet.dts = packet.pts
            packet.duration = max(1, (packet.duration or 0) - early)
        return packet

    def _moved(self, packet: Packet[Any]) -> Packet[Any]:
        move(packet, -self.earlier_s)
        return packet
