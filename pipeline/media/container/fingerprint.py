"""Recognising a video again by its content, whatever its name, container and other streams."""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
from av.packet import Packet
from av.video.stream import VideoStream

from ...errors import lack_of
from ..base import Fingerprint
from .inputs import find_video, open_input, packets_of

_NO_TIME = -(1 << 63)

_START_CODE = re.compile(rb"\x00\x00\x01")
"""Between the units of H.264 and HEVC in transport streams and AVI (ITU-T H.264, Annex B)."""

_SHAPELESS = {"rawvideo"}
"""Codecs whose packets do not tell the size of the picture."""


class Fingerprinter:
    """Takes the packets of a video stream in the order they are stored.

    H.264 and HEVC are hashed unit by unit and only those that hold pictures: containers differ in
    how units are parted and in how often parameters are repeated.

    Args:
        stream: before anything of it was decoded.
    """

    def __init__(self, stream: VideoStream) -> None:
        context = stream.codec_context
        name = context.codec.canonical_name
        shape = (context.width, context.height)
        self._units = _units_of(name, context.extradata or b"")
        self._content = hashlib.sha256(name.encode())
        if name in _SHAPELESS:
            self._content.update(f"{shape} {context.pix_fmt}".encode())
        self._former = hashlib.sha256(f"{name}|{shape[0]}|{shape[1]}|{stream.time_base}".encode())
        self._sizes: set[int] = set()

    def add(self, packet: Packet[VideoStream]) -> None:
        """Take the next packet that holds something."""
        pts = packet.pts if packet.pts is not None else packet.dts
        self._former.update(struct.pack("<qq", _NO_TIME if pts is None else pts, packet.size))
        if len(self._sizes) < 2:
            self._sizes.add(packet.size)
        units = list(self._units.split(bytes(packet))) if self._units is not None else []
        for unit in units:
            self._content.update(struct.pack("<I", len(unit)))
            self._content.update(unit)
        if not units:  # of another codec, or damaged so that no picture is found in it
            self._content.update(memoryview(packet))

    def finish(self) -> Fingerprint:
        """Return the fingerprint of all packets taken."""
        former = self._former.hexdigest() if len(self._sizes) > 1 else None
        return Fingerprint(f"sha256:{self._content.hexdigest()}", former)


@dataclass(frozen=True, slots=True)
class _Units:
    """How the units of a packet are told apart, and which hold pictures."""

    length_bytes: int
    """Of the number before each unit; 0: they are parted by start codes."""
    is_hevc: bool

    def split(self, data: bytes) -> Iterator[bytes]:
        """Yield the units that hold pictures."""
        units = self._counted(data) if self.length_bytes else iter(_START_CODE.split(data)[1:])
        # Zeros behind a unit belong to the next start code or fill the packet.
        yield from (unit.rstrip(b"\0") for unit in units if unit and self._is_picture(unit[0]))

    def _counted(self, data: bytes) -> Iterator[bytes]:
        place, width = 0, self.length_bytes
        while place + width < len(data):
            length = int.from_bytes(data[place : place + width], "big")
            yield data[place + width : place + width + length]
            place += width + length

    def _is_picture(self, head: int) -> bool:
        """Return whether a unit is a slice (H.264, table 7-1; H.265, table 7-1)."""
        return (head >> 1) & 63 < 32 if self.is_hevc else 1 <= head & 31 <= 5


def _units_of(codec: str, extradata: bytes) -> _Units | None:
    """Return how to take packets apart; None: as they are.

    Extradata that begins with 1 is the configuration record of MP4 and Matroska (ISO/IEC 14496-15),
    whose byte 4 (H.264) or 21 (HEVC) ends in the width of the lengths, less one.
    """
    if codec not in ("h264", "hevc"):
        return None
    is_hevc = codec == "hevc"
    place = 21 if is_hevc else 4
    is_record = len(extradata) > place and extradata[0] == 1
    return _Units((extradata[place] & 3) + 1 if is_record else 0, is_hevc)


def fingerprint(path: Path, number: int | None = None) -> Fingerprint:
    """Return what the video of a file is recognised by; nothing is decoded.

    Copying the file, renaming it, putting the video into another container, and adding or removing
    other streams keep the content's fingerprint; encoding the video again changes it.

    Args:
        path: the file.
        number: which of its video streams (see `inputs.find_video`).

    Raises:
        VideoError: the file cannot be opened or holds no video.
    """
    with open_input(path) as container:
        stream = find_video(container, path, number)
        found = Fingerprinter(stream)
        try:
            for packet in packets_of(container, [stream]):
                if packet.size:
                    found.add(packet)
        except av.error.FFmpegError as e:
            if lack_of(e):
                raise
            # A damaged file is the same file as far as it can be read.
    return found.finish()
