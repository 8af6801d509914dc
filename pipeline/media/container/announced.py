"""What a file says of its own length, and whether that much was found."""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import av
from av.container import InputContainer
from av.video.format import VideoFormat
from av.video.stream import VideoStream

from .inputs import announced_duration_s, believable_s, open_input, packets_of

_STREAM_TOLERANCE_S = 0.1
"""A video that ends this much, and two frames, before its own announced end [s] is cut off."""
_FILE_TOLERANCE_S = 0.5
"""The same for the end announced for the whole file, whose other streams may end later [s]."""
_LONGER = 1.5
"""Sound this many times as long as the video, and a second longer, was not meant so."""

_STORES_LENGTH = {"flv", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "avi", "asf"}
"""Demuxers whose length comes from the file's header, not from a guess of FFmpeg's."""

_TS_PACKETS = (188, 192, 204)
"""Sizes of transport stream packets [bytes]: plain, with a time code (Blu-ray), with parity."""
_TS_SYNC = 0x47

_PACK = 2048
"""Size of the packs of program streams on discs [bytes]."""
_START_CODE, _PACK_KIND, _END_KIND = b"\x00\x00\x01", b"\xba", b"\xb9"
"""What the parts of a pack begin with, and the kinds without a length (ISO/IEC 13818-1, 2.5.3)."""


@dataclass(frozen=True, slots=True)
class Announced:
    """The length of a video as its file has it; 0 where it does not say."""

    pictures: int
    """Of the index; a full one lists every picture."""
    header_pictures: int
    """Of the header."""
    video_s: float
    file_s: float
    loose_end: str
    """What the file ends in the middle of; empty where it is whole or cannot be told."""


def announced(container: InputContainer, stream: VideoStream, path: Path) -> Announced:
    """Return what a file says of its length, before anything was read of it."""
    name = container.format.name
    stores = name in _STORES_LENGTH
    loose_end = _loose_end(path, name, stream)
    return Announced(
        pictures=len(stream.index_entries),
        header_pictures=_header_pictures(container, stream, loose_end),
        video_s=announced_duration_s(stream) if stores or name == "gif" else 0.0,
        file_s=believable_s((container.duration or 0) / 1e6) if stores else 0.0,
        loose_end=loose_end,
    )


def _header_pictures(container: InputContainer, stream: VideoStream, loose_end: str) -> int:
    """Return how many pictures the header counts, 0 where that is not to be trusted.

    AVI counts repetitions at its end too, which no packet stands for, so only one that was cut is
    held to its count. MP4 counts what its edit list hides; its index is what to go by. Matroska's
    statistics are of the program that wrote the file only if mkvmerge did; others carry them along.
    """
    if container.format.name == "avi":
        return stream.frames if loose_end else 0
    tags = {**container.metadata, **stream.metadata}
    writer = str(tags.get("encoder", tags.get("ENCODER", "")))
    count = next((v for k, v in tags.items() if k.upper().startswith("NUMBER_OF_FRAMES")), "")
    return int(count) if "ebml" in writer and count.isdecimal() and len(count) < 10 else 0


def _loose_end(path: Path, name: str, stream: VideoStream) -> str:
    """Return what a file ends in the middle of, where its container has parts of known sizes."""
    with path.open("rb") as file:
        if name == "mpegts":
            return _loose_packet(file, path.stat().st_size)
        if name == "yuv4mpegpipe":
            return _loose_picture(file, path.stat().st_size, stream)
        if name == "mpeg":
            return _loose_pack(file, path.stat().st_size)
        if name == "avi":
            return _loose_riff(file, path.stat().st_size)
        return _loose_box(file, path.stat().st_size) if name.startswith("mov,") else ""


def _loose_packet(file: BinaryIO, file_bytes: int) -> str:
    head = file.read(8 * max(_TS_PACKETS))
    for size in _TS_PACKETS:
        first = 4 if size == 192 else 0  # the time code comes before the sync byte
        if len(head) >= 3 * size and {head[first + k * size] for k in range(3)} == {_TS_SYNC}:
            loose = file_bytes % size
            return f"a packet ({loose} of {size} bytes)" if loose else ""
    return ""


def _loose_picture(file: BinaryIO, file_bytes: int, stream: VideoStream) -> str:
    """Return the last picture of a YUV4MPEG file, which FFmpeg drops, if it is not all there."""
    header_bytes = len(file.readline(_PACK))
    context = stream.codec_context
    # Chroma of odd sizes is rounded up, in the file as in FFmpeg's description of the planes.
    parts = VideoFormat(context.pix_fmt or "gray", context.width, context.height).components
    picture_bytes = sum(part.width * part.height * ((part.bits + 7) // 8) for part in parts)
    size = len(b"FRAME\n") + picture_bytes
    loose = (file_bytes - header_bytes) % size
    return f"a picture ({loose} of {size} bytes)" if loose else ""


def _loose_pack(file: BinaryIO, file_bytes: int) -> str:
    """Return the last pack of a program stream if it is not all there, where all have one size."""
    for k in range(3):
        file.seek(k * _PACK)
        if file.read(3) != _START_CODE:
            return ""
    loose = file_bytes % _PACK
    file.seek(file_bytes - loose)
    return "" if _is_whole(file.read()) else f"a pack ({loose} of {_PACK} bytes)"


def _is_whole(pack: bytes) -> bool:
    """Return whether a pack without the stuffing at its end stops where one of its parts does."""
    place = 0
    while place < len(pack):
        kind, fields = pack[place + 3 : place + 4], pack[place + 4 : place + 14]
        if kind == _END_KIND:
            place += 4
        elif kind == _PACK_KIND:
            is_mpeg2 = fields[:1] >= b"\x40"
            place += 14 + (fields[9:] or b"\0")[0] % 8 if is_mpeg2 else 12
        else:
            place += 6 + int.from_bytes(fields[:2], "big")
    return place == len(pack)


def _loose_riff(file: BinaryIO, file_bytes: int) -> str:
    """Return the last RIFF part of an AVI if it is not all there; large files have several."""
    place = 0
    while place + 8 <= file_bytes:
        file.seek(place)
        kind, size = struct.unpack("<4sI", file.read(8))
        if kind != b"RIFF" or size == 0:
            return ""
        place += 8 + size + size % 2
    missing = place - file_bytes
    return f"its part 'RIFF', {missing} bytes early" if missing > 1 else ""


def _loose_box(file: BinaryIO, file_bytes: int) -> str:
    """Return the last box of a fragmented MP4 (ISO/IEC 14496-12, 4.2) if it is not all there.

    Other MP4 files list every picture in one place, and those are counted.
    """
    place, is_fragmented = 0, False
    while place + 8 <= file_bytes:
        file.seek(place)
        size, kind = struct.unpack(">I4s", file.read(8))
        if size == 1:
            size = int.from_bytes(file.read(8), "big")
        is_fragmented |= kind == b"moof"
        if size < 8 or not kind.isalnum():  # to the end of the file, or no box
            return ""
        place += size
        if place > file_bytes and is_fragmented:
            return f"its part {kind.decode('ascii', 'replace')!r}, {place - file_bytes} bytes early"
    return ""


def shortfall(
    path: Path,
    said: Announced,
    *,
    packets: int,
    length_s: float,
    end_s: float,
    frame_s: float,
    is_timed: bool,
) -> str:
    """Return a sentence on what the file announces and does not hold, or nothing.

    Args:
        path: of the file.
        said: what it announces.
        packets: pictures found, repeated ones too.
        length_s: of the video found [s].
        end_s: presentation time of its end [s], which Matroska calls its duration.
        frame_s: usual duration of a frame [s].
        is_timed: times of the video and those announced can be compared.
    """
    is_full_index = said.pictures == packets > 0
    is_counted = 0 < said.header_pictures <= packets
    count = max(said.pictures, said.header_pictures)
    if count > packets:
        return f"the file announces {count} pictures and holds {packets}; it is cut off"
    missing_s = said.video_s - max(length_s, end_s) if is_timed else 0.0
    if not is_full_index and missing_s > _STREAM_TOLERANCE_S + 2 * frame_s:
        return f"the video ends {missing_s:.2f} s before its announced end; it is cut off"
    if said.loose_end and not is_counted:
        return (
            f"the file ends inside {said.loose_end}, after {length_s:.2f} s of video; it "
            "is cut off, and does not say how much is missing"
        )
    is_known = is_full_index or is_counted or said.video_s > 0 or not is_timed
    return "" if is_known else _ends_early(path, said, length_s)


def _ends_early(path: Path, said: Announced, video_s: float) -> str:
    """Return what the other streams tell of the end, where the video's own is not announced."""
    length = _length(path)
    if said.file_s - length > _FILE_TOLERANCE_S:
        ends = f"ends after {length:.2f} s; it is cut off"
        return f"the file announces {said.file_s:.2f} s and {ends}"
    if length > _LONGER * video_s + 1.0:
        return (
            f"the video ends after {video_s:.2f} s, the other streams after {length:.2f} s; "
            "part of it may be missing"
        )
    return ""


def _length(path: Path) -> float:
    """Return how long it is from the first packet of sound and pictures to the last one's end."""
    begin, end = float("inf"), float("-inf")  # stamps may all lie before zero
    with open_input(path) as container:
        streams = [s for s in container.streams if s.type in ("audio", "video")]
        with suppress(av.error.FFmpegError):  # as far as it can be read
            for packet in packets_of(container, streams):
                stamp = packet.pts if packet.pts is not None else packet.dts
                if stamp is not None:
                    begin = min(begin, float(stamp * packet.time_base))
                    end = max(end, float((stamp + (packet.duration or 0)) * packet.time_base))
    return max(0.0, end - begin)
