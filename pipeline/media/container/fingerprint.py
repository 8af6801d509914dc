"""Recognising a video again by its content, whatever its name, container and other streams.

Every pass that opens a file anew makes sure that it is still the video that was looked at.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import av
from av.packet import Packet
from av.video.stream import VideoStream

from ...errors import VideoError, lack_of
from ..base import Fingerprint
from .file import FileState, VideoFile
from .inputs import find_video, open_input, packets_of

_NO_TIME = -(1 << 63)

_SHAPELESS = {"rawvideo"}
"""Codecs whose packets do not tell the size of the picture."""

_START_CODE = re.compile(rb"\x00\x00\x01")
"""Between the units of H.264 and HEVC in transport streams and AVI (ITU-T H.264, Annex B)."""


@dataclass(frozen=True, slots=True)
class Units:
    """How the units (NAL) that packets of H.264 and HEVC are made of are told apart."""

    length_bytes: int
    """Of the number before each unit; 0: they are parted by start codes."""
    is_hevc: bool

    def all(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield type (H.264, table 7-1; H.265, table 7-1) and bytes of every unit of a packet."""
        units = self._counted(data) if self.length_bytes else iter(_START_CODE.split(data)[1:])
        for unit in units:
            if unit:  # zeros behind it belong to the next start code or fill the packet
                yield (unit[0] >> 1) & 63 if self.is_hevc else unit[0] & 31, unit.rstrip(b"\0")

    @property
    def picture_kinds(self) -> range:
        """Types of the units that hold pictures."""
        return range(32) if self.is_hevc else range(1, 6)

    def _counted(self, data: bytes) -> Iterator[bytes]:
        place, width = 0, self.length_bytes
        while place + width < len(data):
            length = int.from_bytes(data[place : place + width], "big")
            yield data[place + width : place + width + length]
            place += width + length


def units_of(codec: str, extradata: bytes) -> Units | None:
    """Return how to take packets apart; None: as they are.

    Extradata that begins with 1 is the configuration record of MP4 and Matroska (ISO/IEC 14496-15),
    whose byte 4 (H.264) or 21 (HEVC) ends in the width of the lengths, less one.
    """
    if codec not in ("h264", "hevc"):
        return None
    is_hevc = codec == "hevc"
    place = 21 if is_hevc else 4
    is_record = len(extradata) > place and extradata[0] == 1
    return Units((extradata[place] & 3) + 1 if is_record else 0, is_hevc)


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
        self._units = units_of(name, context.extradata or b"")
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
        units = []
        if (own := self._units) is not None:
            units = [unit for kind, unit in own.all(bytes(packet)) if kind in own.picture_kinds]
        for unit in units:
            self._content.update(struct.pack("<I", len(unit)))
            self._content.update(unit)
        if not units:  # of another codec, or damaged so that no picture is found in it
            self._content.update(memoryview(packet))

    def finish(self) -> Fingerprint:
        """Return the fingerprint of all packets taken."""
        former = self._former.hexdigest() if len(self._sizes) > 1 else None
        return Fingerprint(f"sha256:{self._content.hexdigest()}", former)


def fingerprint(path: Path, number: int | None = None) -> Fingerprint:
    """Return what the video of a file is recognised by; nothing is decoded.

    Copying the file, renaming it, putting the video into another container, and adding or removing
    other streams keep the content's fingerprint; encoding the video again changes it.

    Raises:
        VideoError: the file cannot be opened or holds no video.
    """
    with open_input(path) as container:
        stream = find_video(container, path, number)
        found = Fingerprinter(stream)
        try:
            for packet in packets_of(container, [stream]):
                found.add(packet)
        except av.error.FFmpegError as e:
            if lack_of(e):
                raise
            # A damaged file is the same file as far as it can be read.
    return found.finish()


def state_of(path: Path) -> FileState | None:
    """Return the present state of a file; None if it cannot be told (opening it says why)."""
    with suppress(OSError):
        found = path.stat()
        return found.st_size, found.st_mtime_ns, found.st_ino
    return None


def check_unchanged(source: VideoFile, content: str) -> None:
    """Refuse a file that is not what was probed, before a pass begins.

    A file that was touched, or replaced by its copy, is let through if its content is `content`.

    Raises:
        VideoError: it holds something else.
    """
    now = state_of(source.path)
    if now is None or source.file is None or now == source.file:
        return
    if not content or fingerprint(source.path, source.number).content != content:
        raise changed(source.path)


def changed(path: Path) -> VideoError:
    """Return the error of a file that is not what it was."""
    return VideoError(
        f"{path} changed since it was opened: other content took its place while it was being "
        "worked on. No output was written; start again, and leave the file alone meanwhile"
    )
