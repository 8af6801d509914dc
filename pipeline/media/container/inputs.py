"""Opening local media files, and only those.

No URL, no playlist, no format that reads other files. Sizes beyond `MAX_SIDE_PX` and `MAX_PIXELS`
are refused before memory for a picture is reserved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar, cast

import av
from av.codec.context import CodecContext
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from ...errors import UsageError, VideoError, cure_of, words_of
from ...files import is_there
from ...thread_limit import video_threads
from ..base import MAX_SIDE_PX

S = TypeVar("S", bound=Stream)

MAX_PIXELS = 1 << 27
"""134 million pixels: more than 16K video (15360 x 8640)."""

_REFUSED_FORMATS = {
    *("hls", "dash", "imf", "concat", "concatf", "sdp", "rtsp", "rtp", "sap", "lavfi"),
    *("webm_dash_manifest", "vapoursynth", "avisynth"),
    *("tty", "bin", "xbin", "adf", "idf", "ffmetadata"),
}
"""Demuxers that reach for other files or addresses, run scripts, or draw text as pictures."""

_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}

_LONGEST_S = 10 * 365 * 86_400.0
"""Longer videos [s] are not believed in."""

_GENERATE_PTS = 0x1
"""AVFMT_FLAG_GENPTS."""


@contextmanager
def open_input(path: Path) -> Iterator[InputContainer]:
    """Open a local media file, closing it afterwards.

    Raises:
        VideoError: missing, a directory, an address, closed to us, or not readable as media.
    """
    try:
        _check_file(path)
    except (OSError, ValueError) as e:  # ValueError: a name that holds a zero byte
        raise VideoError(
            f"{path} cannot be opened: {words_of(e)}; give the path of a video file you may read"
        ) from e
    try:
        container = av.open(
            f"file:{path.resolve()}",
            options={"max_pixels": str(MAX_PIXELS)},
            container_options={
                "protocol_whitelist": "file",
                "format_whitelist": ",".join(sorted(av.formats_available - _REFUSED_FORMATS)),
            },
            metadata_errors="replace",
        )
    except (av.error.FFmpegError, OSError, ValueError) as e:
        if cure := cure_of(e):
            raise VideoError(f"{path} cannot be opened: {words_of(e)}; {cure}") from e
        raise VideoError(
            f"{path} cannot be read as a video: {words_of(e)}. Accepted is any media file FFmpeg "
            "reads, except playlists; a file cut off while it was written may lack its index"
        ) from e
    # PyAV asks FFmpeg to invent missing presentation times; in AVI those come out of order.
    container.flags &= ~_GENERATE_PTS
    with container:
        yield container


def _check_file(path: Path) -> None:
    if not is_there(path):
        raise VideoError(
            f"{path}: no such file; only local video files can be opened, not addresses"
        )
    if not path.is_file():
        raise VideoError(f"{path} is not a file; give the path of one video file")
    if path.stat().st_size == 0:
        raise VideoError(f"{path} is empty (0 bytes); it may be a download that failed")


def packets_of(container: InputContainer, streams: Sequence[S]) -> Iterator[Packet[S]]:
    """Yield the packets of some streams of a file that hold something, in the order stored.

    Empty ones stand for a repeated picture in AVI, or for the end (PyAV): to a decoder they would
    mean the end.

    Raises:
        FFmpegError: reading failed.
    """
    # PyAV fails at the end of a file that gains streams while it is read.
    with suppress(IndexError):
        for packet in container.demux(list(streams)):
            if packet.size:
                yield cast("Packet[S]", packet)


def videos_of(container: InputContainer) -> list[VideoStream]:
    """Return the video streams that are no cover art, in the order that `--video-stream` counts."""
    return [s for s in container.streams.video if not is_cover(s)]


def find_video(container: InputContainer, path: Path, number: int | None = None) -> VideoStream:
    """Return the video stream that is edited: a certain one of `videos_of`, or FFmpeg's best.

    Raises:
        VideoError: there is none, it cannot be decoded, or its pictures are too large.
        UsageError: there is no video stream of that number.
    """
    pictures = videos_of(container)
    if not pictures:
        found = ", ".join(s.type for s in container.streams) or "no streams"
        raise VideoError(f"{path} has no video stream (found: {found})")
    if number is None:
        best = container.streams.best("video")
        stream = best if isinstance(best, VideoStream) and best in pictures else pictures[0]
    elif 0 <= number < len(pictures):
        stream = pictures[number]
    else:
        listed = "; ".join(f"{n}: {video_words(s)}" for n, s in enumerate(pictures))
        raise UsageError(f"{path} has no video stream {number}; there is {listed}")
    if stream.codec_context is None:
        raise VideoError(f"{path}: FFmpeg has no decoder for the video stream {stream.index}")
    width, height = stream.codec_context.width, stream.codec_context.height
    if max(width, height) > MAX_SIDE_PX or width * height > MAX_PIXELS:
        raise VideoError(
            f"{path}: pictures of {width}x{height} px are too large; accepted are up to "
            f"{MAX_SIDE_PX} px a side and {MAX_PIXELS} pixels. Scale the video down first"
        )
    stream.codec_context.thread_count = video_threads()
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    return stream


def video_words(stream: VideoStream) -> str:
    """Return a video stream in words: codec, size, and its name if it has one."""
    context: VideoCodecContext | None = stream.codec_context  # None for a codec without decoder
    if context is None:
        return "of a codec that cannot be read"
    text = f"{context.codec.canonical_name} {context.width}x{context.height}"
    name = stream.metadata.get("title") or stream.metadata.get("name")
    return f"{text} {name!r}" if name else text


def decoder_of(stream: VideoStream) -> VideoCodecContext:
    """Return what decodes a video stream: its own decoder, or one that reads transparency too.

    FFmpeg's own decoders of VP8 and VP9 pass over the transparency of WebM files, libvpx does not.
    """
    own = stream.codec_context
    name = _ALPHA_DECODERS.get(own.codec.canonical_name)
    if stream.metadata.get("alpha_mode") != "1" or name not in av.codecs_available:
        return own
    context = CodecContext.create(name, "r")
    assert isinstance(context, VideoCodecContext)
    context.extradata = own.extradata
    context.thread_count = own.thread_count
    context.options = dict(own.options)
    return context


def announced_duration_s(stream: VideoStream) -> float:
    """Return how long the container says the video lasts [s], 0 if it does not say."""
    if stream.duration and stream.time_base:
        return believable_s(float(stream.duration * stream.time_base))
    hours, _, rest = stream.metadata.get("DURATION", "").partition(":")
    minutes, _, seconds = rest.partition(":")
    try:
        return believable_s(float(hours) * 3600 + float(minutes) * 60 + float(seconds))
    except ValueError:
        container = stream.container
        if not isinstance(container, InputContainer) or len(container.streams) > 1:
            return 0.0
        return believable_s((container.duration or 0) / 1e6)


def believable_s(duration_s: float) -> float:
    """Return a duration a file announces [s], 0 (not known) for one that cannot be."""
    return duration_s if 0.0 <= duration_s <= _LONGEST_S else 0.0


def is_cover(stream: VideoStream) -> bool:
    """Return whether a video stream is cover art or thumbnails, not the video."""
    covers = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    return bool(stream.disposition & covers)


def is_animated_webp(path: Path) -> bool:
    """Return whether a file's header is that of a WebP with the flag ANIM (RFC 9649, 2.7)."""
    with path.open("rb") as file:
        head = file.read(21)
    is_extended = head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and len(head) == 21
    return is_extended and bool(head[20] & 0x02)
