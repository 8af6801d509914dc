"""Recognising a video again by its content, whatever its name, container and other streams.

Every pass that opens a file anew makes sure that it is still the video that was looked at.
"""

from __future__ import annotations

import hashlib
import struct
from contextlib import suppress
from pathlib import Path

import av
from av.packet import Packet
from av.video.stream import VideoStream

from ...errors import VideoError, lack_of
from ..base import Fingerprint
from .file import FileState, VideoFile
from .inputs import find_video, open_input, packets_of
from .units import units_of

_NO_TIME = -(1 << 63)

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
