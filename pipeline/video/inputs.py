"""Opening local media files, and only those.

No URL, no playlist, no format that reads other files. Sizes beyond `MAX_SIDE_PX` and `MAX_PIXELS`
are refused before memory for a picture is reserved.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from ..errors import VideoError

MAX_SIDE_PX = 16_384
MAX_PIXELS = 1 << 27
"""134 million pixels: more than 16K video (15360 x 8640)."""

_REFUSED_FORMATS = {
    *("hls", "dash", "imf", "concat", "concatf", "sdp", "rtsp", "rtp", "sap", "lavfi"),
    *("webm_dash_manifest", "vapoursynth", "avisynth"),
    *("tty", "bin", "xbin", "adf", "idf", "ffmetadata"),
}
"""Demuxers that reach for other files or addresses, run scripts, or draw text as pictures."""

_GENERATE_PTS = 0x1
"""AVFMT_FLAG_GENPTS."""


@contextmanager
def open_input(path: Path) -> Iterator[InputContainer]:
    """Open a local media file, closing it afterwards.

    Raises:
        VideoError: missing, a directory, an address, or not readable as media.
    """
    if not path.exists():
        raise VideoError(
            f"{path}: no such file; only local video files can be opened, not addresses"
        )
    if not path.is_file():
        raise VideoError(f"{path} is not a file; give the path of one video file")
    if path.stat().st_size == 0:
        raise VideoError(f"{path} is empty (0 bytes); it may be a download that failed")
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
        raise VideoError(
            f"{path} cannot be read as a video: {words(e)}. Accepted is any media file FFmpeg "
            "reads, except playlists; a file cut off while it was written may lack its index"
        ) from e
    # PyAV asks FFmpeg to invent missing presentation times; in AVI those come out of order.
    container.flags &= ~_GENERATE_PTS
    with container:
        yield container


def find_video(container: InputContainer, path: Path) -> VideoStream:
    """Return the video stream that is edited: FFmpeg's best one that is not cover art.

    Raises:
        VideoError: there is none, it cannot be decoded, or its pictures are too large.
    """
    pictures = [s for s in container.streams.video if not is_cover(s)]
    if not pictures:
        found = ", ".join(s.type for s in container.streams) or "no streams"
        raise VideoError(f"{path} has no video stream (found: {found})")
    best = container.streams.best("video")
    stream = best if isinstance(best, VideoStream) and best in pictures else pictures[0]
    if stream.codec_context is None:
        raise VideoError(f"{path}: FFmpeg has no decoder for the video stream {stream.index}")
    width, height = stream.codec_context.width, stream.codec_context.height
    if max(width, height) > MAX_SIDE_PX or width * height > MAX_PIXELS:
        raise VideoError(
            f"{path}: pictures of {width}x{height} px are too large; accepted are up to "
            f"{MAX_SIDE_PX} px a side and {MAX_PIXELS} pixels. Scale the video down first"
        )
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    return stream


def announced_duration_s(stream: VideoStream) -> float:
    """Return how long the container says the video lasts [s], 0 if it does not say."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    hours, _, rest = stream.metadata.get("DURATION", "").partition(":")
    minutes, _, seconds = rest.partition(":")
    try:
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        container = stream.container
        if not isinstance(container, InputContainer) or len(container.streams) > 1:
            return 0.0
        return (container.duration or 0) / 1e6


def is_cover(stream: VideoStream) -> bool:
    """Return whether a video stream is cover art or thumbnails, not the video."""
    covers = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    return bool(stream.disposition & covers)


def words(error: BaseException | None) -> str:
    """Return what FFmpeg said, without the path (the caller names it)."""
    return getattr(error, "strerror", None) or str(error)
