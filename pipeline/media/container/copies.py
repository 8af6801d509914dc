"""What is not edited: packets and pictures of all other streams, on their way into the output."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from ...errors import words_of
from .clock import OVERLAP_S, move
from .containers import MATROSKA, MOV_FAMILY
from .file import OutputPlan, StreamInfo, VideoFile
from .inputs import is_cover, open_input, packets_of

_IMAGES = {"mjpeg": "jpg", **{codec: codec for codec in ("png", "gif", "tiff", "webp", "bmp")}}
"""Codec of a cover → ending of the attachment it becomes."""

_MOST_WAITING = 32
"""Packets of a video held back for its first decoding time; codecs reorder 16 pictures at most."""


@dataclass(slots=True)
class CopyCount:
    """What was copied of one stream, to be compared with the finished file."""

    packets: int = 0
    payload_bytes: int = 0
    checksum: int = 0
    """CRC-32 over all payloads in order."""
    first_s: Fraction | None = None

    def add(self, packet: Packet[Stream], time_s: Fraction | None) -> None:
        """Count one packet at a presentation time."""
        self.packets += 1
        self.payload_bytes += packet.size
        self.checksum = zlib.crc32(memoryview(packet), self.checksum)
        if self.first_s is None:
            self.first_s = time_s


class Copier:
    """Copies the packets of other streams in step with the edited video.

    Args:
        source: the input, opened for this alone.
        plan: of the output.
        output: the file they go to; its header is written.
        streams: stream of the output by index in the input.
        until_s: copy packets due up to this time only [s]; None: all.
        earlier_s: by how much all packets are moved to earlier times [s].
    """

    def __init__(
        self,
        source: InputContainer,
        plan: OutputPlan,
        output: OutputContainer,
        streams: Mapping[int, Stream],
        until_s: Fraction | None,
        earlier_s: Fraction,
    ) -> None:
        self.counts = {index: CopyCount() for index in streams}
        self.warnings: list[str] = []
        self._plan, self._found = plan, plan.source
        self._output = output
        self._streams = streams
        self._until_s = until_s
        self._earlier_s = earlier_s
        self._repaired = 0
        self._last: dict[int, tuple[int, int]] = {}
        self._packets = self._due(source) if streams else iter(())
        self._waiting = next(self._packets, None)

    def copy_until(self, time_s: Fraction | None) -> None:
        """Copy packets up to a decoding time of the output [s], or all that remain.

        Raises:
            av.error.FFmpegError: writing failed.
        """
        while self._waiting is not None:
            stamp = _stamp(self._waiting)
            if time_s is not None and stamp is not None and stamp > time_s + self._earlier_s:
                return
            self._copy(self._waiting)
            self._waiting = next(self._packets, None)
        if time_s is None and self._repaired:
            self.warnings.append(
                f"{self._repaired} packets of other streams had a decoding time not after the "
                "packet before; each was moved one tick after it"
            )

    def _due(self, source: InputContainer) -> Iterator[Packet[Any]]:
        packets = with_decoding_times(self._read(source))
        if (part := self._plan.part) is not None:
            packets = part.packets(packets, self._plan.container)
        for packet in packets:
            stamp = _stamp(packet)
            if stamp is not None and self._until_s is not None and stamp > self._until_s:
                return
            if not is_filler(packet):
                yield packet

    def _read(self, source: InputContainer) -> Iterator[Packet[Any]]:
        retimers = {index: self._found.clock.retimer(index) for index in self._streams}
        try:
            for packet in packets_of(source, [source.streams[i] for i in self._streams]):
                retimers[packet.stream.index](packet)
                yield packet
        except av.error.FFmpegError as e:
            self.warnings.append(f"other streams could not be read to their end: {words_of(e)}")

    def _copy(self, packet: Packet[Any]) -> None:
        index = packet.stream.index
        time_s = None if packet.pts is None else packet.pts * packet.time_base
        self.counts[index].add(packet, time_s)
        move(packet, -self._earlier_s)
        before, span = self._last.get(index, (-1, 1))
        if packet.dts is None:
            packet.dts = packet.pts if packet.pts is not None else before + span
        if packet.pts is None:
            packet.pts = packet.dts
        if index in self._last and packet.dts <= before and packet.stream.type != "subtitle":
            # Where the file's clock jumps, sound may outlast the picture a little.
            is_seam = self._found.clock.jumps(index) and (
                (before - packet.dts) * packet.time_base <= OVERLAP_S
            )
            self._repaired += not is_seam
            tick_s = self._streams[index].time_base or packet.time_base
            packet.dts = before + max(1, math.ceil(tick_s / packet.time_base))
            packet.pts = max(packet.pts, packet.dts)
        self._last[index] = packet.dts, max(1, packet.duration or 0)
        packet.stream = self._streams[index]
        self._output.mux_one(packet)


def _stamp(packet: Packet[Any]) -> Fraction | None:
    """Return when a packet is decoded [s], as far as known."""
    stamp = packet.dts if packet.dts is not None else packet.pts
    return None if stamp is None else stamp * packet.time_base


def with_decoding_times(packets: Iterable[Packet[Any]]) -> Iterator[Packet[Any]]:
    """Yield packets; the first of a video get decoding times, which Matroska does not store.

    FFmpeg works them out, but not for the first few where pictures are shown in another order than
    they are stored. Those wait here for the first one that has one; packets of others pass by.
    """
    waiting: dict[int, list[Packet[Any]]] = {}
    begun: set[int] = set()
    for packet in packets:
        index = packet.stream.index
        if packet.stream.type != "video" or index in begun:
            yield packet
            continue
        held = waiting.setdefault(index, [])
        held.append(packet)
        if packet.dts is not None or packet.pts is None or len(held) == _MOST_WAITING:
            begun.add(index)
            yield from _decoded_in_order(waiting.pop(index))
    for held in waiting.values():
        yield from _decoded_in_order(held)


def _decoded_in_order(held: list[Packet[Any]]) -> list[Packet[Any]]:
    """Give the packets a stream begins with decoding times: before the last one's, if it has one.

    Else they are the presentation times in order, early enough that none is shown before.
    """
    *first, last = held
    if last.dts is not None:
        due = last.dts
        for packet in reversed(first):
            due -= max(1, packet.duration or 0)
            packet.dts = due
    elif last.pts is not None:
        shown = [packet.pts for packet in held if packet.pts is not None]
        order = sorted(shown)
        ahead = max(due - pts for due, pts in zip(order, shown, strict=True))
        for due, packet in zip(order, held, strict=True):
            packet.dts = due - ahead
    return held


def is_filler(packet: Packet[Any]) -> bool:
    """Return whether a packet is an empty MP4 subtitle, which its muxer puts into every gap."""
    context = getattr(packet.stream, "codec_context", None)
    return packet.size == 2 and context is not None and context.name == "mov_text"


def track_tags(stream: Stream) -> dict[str, str]:
    """Return the tags of a stream as muxers take them: what MP4 reads as `name` is a title."""
    tags = dict(stream.metadata)
    if "title" not in tags and "name" in tags:
        tags["title"] = tags.pop("name")
    return tags


def keeps_covers(container: str, cover: StreamInfo) -> bool:
    """Return whether a container can hold cover art as that: not as a video of one frame."""
    return container in MOV_FAMILY or (container == MATROSKA and cover.codec in _IMAGES)


def is_attached(container: str, stream: Stream) -> bool:
    """Return whether a stream is a cover that a container holds as an attachment."""
    return container == MATROSKA and isinstance(stream, VideoStream) and is_cover(stream)


def attach_cover(output: OutputContainer, source: VideoFile, cover: VideoStream) -> None:
    """Add a cover to a Matroska file as what it is there: an attached file.

    Raises:
        VideoError: the input cannot be opened again.
    """
    ending = _IMAGES[cover.codec_context.codec.canonical_name]
    media_type = "image/jpeg" if ending == "jpg" else f"image/{ending}"
    name = cover.metadata.get("filename", f"cover.{ending}")
    # In a container of its own: reading the picture must not move on the copied streams.
    with open_input(source.path) as container:
        for packet in packets_of(container, [container.streams[cover.index]]):
            output.add_attachment(name, cover.metadata.get("mimetype", media_type), bytes(packet))
            return
