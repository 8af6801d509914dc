"""What a video file holds, learnt by opening it and decoding one frame; nothing is trusted."""

from __future__ import annotations

from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ...errors import VideoError, words_of
from ...types import VideoInfo
from ..base import MAX_SIDE_PX
from .clock import Clock, checked_rate, frame_rate
from .file import StreamInfo
from .fingerprint import state_of
from .inputs import (
    MAX_PIXELS,
    announced_duration_s,
    believable_s,
    decoder_of,
    find_video,
    is_animated_webp,
    is_cover,
    open_input,
    packets_of,
    video_words,
    videos_of,
)
from .pictures import display_matrix_of, encoding_of, hdr_of, not_kept, turn_of
from .scan import read_clock
from .source import FileSource


def probe(path: Path, number: int | None = None) -> FileSource:
    """Return what is known of a video after reading its packets and decoding its first frame.

    See `opening.open_source`; covers do not count among the video streams.
    """
    file = state_of(path)
    with open_input(path) as container:
        stream = find_video(container, path, number)
        stream.thread_type = "SLICE"  # one frame is wanted soon, not many frames fast
        frame = _first_frame(container, stream, path)
        with open_input(path) as again:
            clock = read_clock(again, find_video(again, path, number))
        warnings = [] if number is not None else _other_videos(container, stream)
        encoding, conversion = encoding_of(frame)
        display_matrix = display_matrix_of(frame)
        turn, oddity = turn_of(display_matrix, frame, encoding)
        info = _info(container, stream, frame, turn, clock)
        warnings += [conversion, oddity, *not_kept(stream, frame, encoding), *clock.warnings]
        return FileSource(
            path=path,
            info=info,
            stream_index=stream.index,
            others=tuple(_stream_info(s) for s in container.streams if s.index != stream.index),
            encoding=encoding,
            stored_size=(frame.width, frame.height),
            sample_aspect=stream.sample_aspect_ratio or None,
            display_matrix=display_matrix,
            turn_deg=turn,
            hdr=hdr_of(frame),
            first_pts=_first_pts(stream, frame, clock),
            nominal_duration=max(1, round(1 / (info.rate * info.time_base))),
            profile=stream.profile or "",
            number=videos_of(container).index(stream),
            clock=clock,
            timecode=_timecode(container, stream),
            warnings=tuple(w for w in warnings if w),
            file=file,
        )


def _first_frame(container: InputContainer, stream: VideoStream, path: Path) -> VideoFrame:
    last_error: Exception | None = None
    decoder = decoder_of(stream)
    try:
        for packet in chain(packets_of(container, [stream]), [None]):
            try:
                frames = decoder.decode(packet)
            except av.error.FFmpegError as e:
                last_error = e
                continue
            if frames:
                return frames[0]
    except av.error.FFmpegError as e:
        last_error = e
    if is_animated_webp(path):
        raise VideoError(
            f"{path} is an animated WebP, which FFmpeg does not read; convert it to .gif, .apng or "
            ".mp4 first"
        ) from last_error
    why = f" ({words_of(last_error)})" if last_error else ""
    raise VideoError(
        f"{path}: not one frame of its video could be decoded{why}. It may be damaged, without "
        f"frames, or larger than what is accepted ({MAX_SIDE_PX} px a side, {MAX_PIXELS} pixels)"
    ) from last_error


def _other_videos(container: InputContainer, stream: VideoStream) -> list[str]:
    """Return a sentence on the video streams that are not edited, or nothing if there are none."""
    videos = videos_of(container)
    if len(videos) == 1:
        return []
    own = videos.index(stream)
    rest = ", ".join(f"{n} ({video_words(s)})" for n, s in enumerate(videos) if n != own)
    are = "are" if len(videos) > 2 else "is"
    said = (
        f"the file has {len(videos)} video streams: {own} ({video_words(stream)}) is edited, "
        f"{rest} {are} copied; --video-stream N edits another one"
    )
    return [said]


def _first_pts(stream: VideoStream, frame: VideoFrame, clock: Clock) -> int:
    """Return the time [ticks] of the first frame, as the reader will give it."""
    if clock.is_untimed:
        return 0
    stamp = frame.pts
    if stamp is None and clock.has_pts:
        stamp = frame.dts
    if stamp is None:
        stamp = stream.start_time or 0
    first = clock.shifts.get(stream.index, ())[:1]
    return stamp + sum(round(shift / (stream.time_base or 1)) for _, shift in first)


def _timecode(container: InputContainer, stream: VideoStream) -> str:
    """Return the timecode of the first frame, or ''."""
    data = [s.metadata for s in container.streams if s.type == "data"]
    for known in (stream.metadata, container.metadata, *data):
        for name, value in known.items():
            if name.lower() == "timecode":
                return value
    return ""


def _info(
    container: InputContainer, stream: VideoStream, frame: VideoFrame, turn_deg: int, clock: Clock
) -> VideoInfo:
    width, height = frame.width, frame.height
    aspect = stream.sample_aspect_ratio or Fraction(1)
    if turn_deg in (90, 270):
        width, height, aspect = height, width, 1 / aspect
    rate = checked_rate(frame_rate(stream, clock, is_interlaced=frame.interlaced_frame))
    return VideoInfo(
        width=width,
        height=height,
        time_base=1 / rate if clock.is_untimed else stream.time_base or Fraction(1, 90_000),
        rate=rate,
        rotation_deg=turn_deg,
        pixel_aspect=aspect,
        pix_fmt=frame.format.name,
        codec=stream.codec_context.codec.canonical_name,
        container=container.format.name,
        color_range=int(frame.color_range),
        color_primaries=int(frame.color_primaries),
        color_transfer=int(frame.color_trc),
        color_matrix=int(frame.colorspace),
        frame_count_hint=stream.frames,
        duration_s=announced_duration_s(stream) or believable_s((container.duration or 0) / 1e6),
    )


def _stream_info(stream: av.stream.Stream) -> StreamInfo:
    context = getattr(stream, "codec_context", None)
    name = context.codec.canonical_name if context is not None else getattr(stream, "name", None)
    return StreamInfo(
        index=stream.index,
        kind=stream.type,
        codec=name or "unknown",
        language=stream.metadata.get("language", ""),
        title=stream.metadata.get("title", ""),
        is_cover=isinstance(stream, VideoStream) and is_cover(stream),
    )
