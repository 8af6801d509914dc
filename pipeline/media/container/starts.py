"""Where decoding may begin in the middle of a file, told from what the packets hold.

Marks of the container are not believed. Codecs of which nothing certain is known, and streams whose
pictures depend on something else than the pictures before, are decoded from the beginning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import av
from av.packet import Packet
from av.video.stream import VideoStream

from .file import VideoFile
from .fingerprint import Units, units_of
from .inputs import decoder_of, find_video, open_input, packets_of

StartKind = Literal["", "closed", "open"]
"""Of a packet: no start; all that follows is independent of what was before; the same, but for
pictures that are shown before it."""

INTRA = {
    *("prores", "dnxhd", "cfhd", "png", "ffvhuff", "huffyuv", "utvideo", "magicyuv", "rawvideo"),
    *("v210", "v410", "r210", "jpeg2000"),
}
"""Codecs whose every packet stands for itself."""

_OLD_X264 = 151
"""FFmpeg decodes some streams of earlier builds otherwise; only their first packet tells."""
_X264 = re.compile(rb"x264 - core (\d+)")

_H264_IDR, _H264_SEI, _H264_SETS = 5, 6, {7, 8, 13, 15}
_HEVC_IDR, _HEVC_OPEN, _HEVC_SETS = {19, 20}, {16, 17, 18, 21}, {32, 33, 34}
_RECOVERY_POINT = 6
"""SEI payload (H.264, D.1.8): count of frames to recovery, whether that is exact, or broken."""
_AV1_SEQUENCE, _AV1_FRAMES = 1, {3, 6}


@dataclass(frozen=True, slots=True)
class Entry:
    """Where decoding begins, by numbers of the packets that hold something."""

    first: int = 0
    """The first packet that is decoded."""
    settled: int = 0
    """From this packet on all is as if everything before had been decoded."""


WHOLE = Entry()


def entry_for(file: VideoFile, pts: int, before: int) -> Entry:
    """Return where to begin for the frame shown at `pts` and all after it.

    A picture that is stored between that frame and the one shown `before` it was lost, and tells
    of it only when it is decoded.

    At the last closed start before; where that is an open one, a start earlier, so that the
    decoder is past complaining of pictures it lacks. The packets are read up to there.
    """
    if not file.clock.has_pts or file.clock.is_untimed or file.info.pix_fmt == "pal8":
        return WHOLE
    with open_input(file.path) as container:
        stream = find_video(container, file.path, file.number)
        if decoder_of(stream) is not stream.codec_context:  # transparency has starts of its own
            return WHOLE
        retime, starts = file.clock.retimer(stream.index), _Starts(stream)
        found: list[tuple[int, StartKind]] = [(0, "open")]
        try:
            for number, packet in enumerate(packets_of(container, [stream])):
                retime(packet)
                kind = starts.kind_of(packet)
                if packet.pts is None or before < packet.pts < pts or starts.is_old:
                    return WHOLE
                if packet.pts > pts and (kind or (packet.dts or 0) > pts):
                    break
                if kind and packet.pts <= pts:
                    found = [found[-1], (number, kind)]
        except av.error.FFmpegError:
            return WHOLE  # the reader meets it again, and says so
    number, kind = found[-1]
    return Entry(number if kind == "closed" else found[0][0], number)


class _Starts:
    """Tells of the packets of a stream, taken in order, which are starts."""

    def __init__(self, stream: VideoStream) -> None:
        context = stream.codec_context
        self.is_old = False
        """The stream is one of those that only their first packet tells how to decode."""
        self._codec = context.codec.canonical_name
        self._units = units_of(self._codec, context.extradata or b"")
        self._sets: set[bytes] = set()
        self._first = True

    def kind_of(self, packet: Packet[VideoStream]) -> StartKind:
        """Return whether decoding may begin at the next packet."""
        data = bytes(packet)
        if self._first and (build := _X264.search(data)):
            self.is_old = int(build[1]) < _OLD_X264
        self._first = False
        if self._units is not None:
            return self._kind_of_units(self._units, data)
        if self._codec in INTRA or (self._codec == "ffv1" and packet.is_keyframe):
            return "closed"
        if self._codec == "mjpeg":  # tables of earlier pictures would hold on
            return "closed" if b"\xff\xc4" in data and b"\xff\xdb" in data else ""
        if self._codec in ("mpeg1video", "mpeg2video"):
            return "open" if _is_mpeg_start(data) else ""
        is_start = _SIGNS.get(self._codec)
        return "closed" if is_start is not None and is_start(data) else ""

    def _kind_of_units(self, units: Units, data: bytes) -> StartKind:
        """Return the same for H.264 and HEVC.

        A start repeats all parameter sets that were stored among the pictures so far, so that those
        hold that held in the whole run.
        """
        listed = [(kind, unit) for kind, unit in units.all(data) if unit]
        set_kinds = _HEVC_SETS if units.is_hevc else _H264_SETS
        sets = {unit for kind, unit in listed if kind in set_kinds}
        self._sets |= sets
        pictures = {kind for kind, _ in listed if kind in units.picture_kinds}
        if sets != self._sets or not pictures:
            return ""
        if units.is_hevc:
            is_closed, is_open = pictures <= _HEVC_IDR, pictures <= _HEVC_OPEN
        else:
            is_closed = pictures == {_H264_IDR}
            is_open = any(_recovers(unit) for kind, unit in listed if kind == _H264_SEI)
        return "closed" if is_closed else "open" if is_open else ""


def _recovers(unit: bytes) -> bool:
    """Return whether an SEI unit says that all is exact from its very picture on."""
    place = 1
    while place + 2 < len(unit):
        kind, size = unit[place], unit[place + 1]
        if kind == _RECOVERY_POINT:
            return unit[place + 2] >> 5 == 0b110
        if 255 in (kind, size):
            return False
        place += 2 + size
    return False


def _is_mpeg_start(data: bytes) -> bool:
    """Return whether a packet holds a sequence header, and an I picture before any other."""
    place = data.find(b"\0\0\1\0")
    is_intra = 0 <= place < len(data) - 5 and data[place + 5] >> 3 & 7 == 1
    return is_intra and 0 <= data.find(b"\0\0\1\xb3") < place


def _is_vp9_start(data: bytes) -> bool:
    """Return whether a packet begins with a key frame that is shown (profiles 0 to 2)."""
    return data[0] & 0b11001110 == 0b10000010 and data[0] >> 4 & 3 != 3


def _is_av1_start(data: bytes) -> bool:
    """Return whether a packet holds a sequence header and first a key frame that is shown."""
    place, has_sequence = 0, False
    while place < len(data):
        kind, has_extension, has_size = data[place] >> 3 & 15, data[place] & 4, data[place] & 2
        place += 2 if has_extension else 1
        size, shift = 0, 0
        while has_size and place < len(data):
            size |= (data[place] & 127) << shift
            shift, place = shift + 7, place + 1
            if data[place - 1] < 128:
                break
        if kind in _AV1_FRAMES or not has_size:
            return has_sequence and place < len(data) and data[place] >> 4 == 1
        has_sequence |= kind == _AV1_SEQUENCE
        place += size
    return False


_SIGNS = {"vp8": lambda data: not data[0] & 1, "vp9": _is_vp9_start, "av1": _is_av1_start}
