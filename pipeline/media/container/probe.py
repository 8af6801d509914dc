"""What a video file holds, learnt by opening it and decoding one frame; nothing is trusted."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal, cast

import av
from av.container import InputContainer
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ...errors import VideoError, words_of
from ...types import Matrix, PixelEncoding, VideoInfo
from .clock import Clock, checked_rate, frame_rate
from .inputs import (
    MAX_PIXELS,
    MAX_SIDE_PX,
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
from .planes import Layout, layout_of, nearest_planar
from .same import FileState, state_of
from .scan import read_clock

StreamKind = Literal["audio", "video", "subtitle", "data", "attachment", "unknown"]

_MATRICES: dict[int, Matrix] = {
    0: "rgb",
    1: "bt709",
    4: "fcc",
    5: "bt601",
    6: "bt601",
    7: "smpte240m",
    9: "bt2020",
    10: "bt2020",
}
"""AVCOL_SPC_* (ITU-T H.273 MatrixCoefficients) by number."""

_TURNS = {
    (1, 0, 0, 1): 0,
    (0, 1, -1, 0): 90,
    (-1, 0, 0, -1): 180,
    (0, -1, 1, 0): 270,
}
"""Rotation part (a, b, c, d) of a display matrix → clockwise turn [deg] that players apply."""


_NOT_CARRIED = {
    "DYNAMIC_HDR_PLUS": "HDR10+ dynamic metadata",
    "DYNAMIC_HDR_VIVID": "HDR Vivid dynamic metadata",
    "DOVI_METADATA": "Dolby Vision metadata",
    "A53_CC": "closed captioning inside the pictures",
    "STEREO3D": "the mark of a stereoscopic picture",
    "SPHERICAL": "the mark of a spherical (360 degree) picture",
    "ICC_PROFILE": "the ICC colour profile",
    "AMBIENT_VIEWING_ENVIRONMENT": "the ambient viewing environment",
}
"""Side data of frames that PyAV can read but not write → what it is."""


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """A stream that is not edited but copied packet for packet."""

    index: int
    kind: StreamKind
    codec: str
    language: str
    title: str
    is_cover: bool = False
    """A video stream that is cover art or thumbnails."""


@dataclass(frozen=True, slots=True)
class HdrMetadata:
    """Static HDR metadata (SMPTE ST 2086 and CTA-861.3) of the video stream."""

    primaries: tuple[Fraction, ...]
    """Chromaticities: red x, y, green x, y, blue x, y, white x, y; empty if unknown."""
    luminance: tuple[Fraction, ...]
    """Lowest and highest of the mastering display [cd/m²]; empty if unknown."""
    light_level: tuple[int, ...]
    """MaxCLL and MaxFALL [cd/m²]; empty if unknown."""


@dataclass(frozen=True, slots=True)
class Source:
    """A video file that can be edited."""

    path: Path
    info: VideoInfo
    stream_index: int
    """Index of the edited video stream in the container."""
    others: tuple[StreamInfo, ...]
    """All other streams, in container order."""
    encoding: PixelEncoding
    """Of every frame the reader gives."""
    stored_size: tuple[int, int]
    """Width and height [px] as coded, before rotation."""
    sample_aspect: Fraction | None
    """Stored pixel aspect ratio; None if the file does not say."""
    display_matrix: tuple[int, ...]
    """The nine numbers of the display matrix, or empty."""
    turn_deg: int
    """Clockwise turn (0, 90, 180, 270) the reader applies to the planes."""
    hdr: HdrMetadata | None
    first_pts: int
    """[ticks] of the first frame."""
    nominal_duration: int
    """[ticks] of a frame at the average rate, at least 1."""
    profile: str
    """Codec profile as FFmpeg names it, or empty."""
    number: int
    """Of the edited one among the video streams that are no cover art, counted from 0."""
    clock: Clock
    """When frames and packets are due."""
    warnings: tuple[str, ...]
    file: FileState | None = None
    """The file as it was when it was looked at."""


def probe(path: Path, number: int | None = None) -> Source:
    """Return what is known of a video after reading its packets and decoding its first frame.

    Args:
        path: a local file.
        number: which video stream is edited, counted from 0, covers not counted; None: FFmpeg's
            best one.

    Raises:
        VideoError: the file cannot be opened, holds no video, or not one frame can be decoded.
        UsageError: there is no video stream of that number.
    """
    file = state_of(path)
    with open_input(path) as container:
        stream = find_video(container, path, number)
        stream.thread_type = "SLICE"  # one frame is wanted soon, not many frames fast
        frame = _first_frame(container, stream, path)
        with open_input(path) as again:
            clock = read_clock(again, find_video(again, path, number))
        found = _describe(path, container, stream, frame, clock, is_chosen=number is not None)
        return replace(found, file=file)


def encoding_of(frame: VideoFrame, height: int) -> tuple[PixelEncoding, Layout, str]:
    """Return the encoding of a decoded frame, its layout, and a warning if it must be converted.

    An unspecified matrix is taken as players take it (mpv, libplacebo): BT.709 from 720 lines or
    1280 columns on, BT.601 below.
    """
    pix_fmt = frame.format.name
    layout, warning = layout_of(pix_fmt), ""
    if layout is None:
        planar = nearest_planar(pix_fmt)
        layout = layout_of(planar)
        assert layout is not None
        warning = f"pictures are converted from {pix_fmt} to {planar}, which edits are made in"
    matrix: Matrix
    if layout.planar.startswith("gb"):
        matrix = "rgb"
    elif layout.planar.startswith(("gray", "ya")):
        matrix = "gray"
    else:
        guess: Matrix = "bt709" if frame.width >= 1280 or height > 576 else "bt601"
        matrix = _MATRICES.get(int(frame.colorspace), guess)
        if matrix == "rgb":  # a YUV picture that calls itself RGB: the tag is wrong
            matrix = guess
    is_full = int(frame.color_range) == 2 or pix_fmt.startswith("yuvj")
    if int(frame.color_range) == 0 and matrix in ("rgb", "gray"):
        is_full = True  # as swscale and players read RGB and gray that say nothing
    return PixelEncoding(layout.planar, layout.bits, matrix, is_full), layout, warning


def _first_frame(container: InputContainer, stream: VideoStream, path: Path) -> VideoFrame:
    last_error: Exception | None = None
    decoder = decoder_of(stream)
    try:
        for packet in packets_of(container, [stream]):
            try:
                frames = decoder.decode(packet if packet.size else None)
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


def _describe(
    path: Path,
    container: InputContainer,
    stream: VideoStream,
    frame: VideoFrame,
    clock: Clock,
    *,
    is_chosen: bool,
) -> Source:
    encoding, _, conversion = encoding_of(frame, frame.height)
    display_matrix = _display_matrix(frame)
    turn, oddity = _turn(display_matrix, frame, encoding)
    info = _info(container, stream, frame, turn, clock)
    other_videos = "" if is_chosen else _other_videos(container, stream)
    warnings = (
        *(other_videos, conversion, oddity, *_not_kept(stream, frame, encoding)),
        *clock.warnings,
    )
    return Source(
        path=path,
        info=info,
        stream_index=stream.index,
        others=tuple(_stream_info(s) for s in container.streams if s.index != stream.index),
        encoding=encoding,
        stored_size=(frame.width, frame.height),
        sample_aspect=stream.sample_aspect_ratio or None,
        display_matrix=display_matrix,
        turn_deg=turn,
        hdr=_hdr(frame),
        first_pts=_first_pts(stream, frame, clock),
        nominal_duration=max(1, round(1 / (info.rate * info.time_base))),
        profile=stream.profile or "",
        number=videos_of(container).index(stream),
        clock=clock,
        warnings=tuple(w for w in warnings if w),
    )


def _other_videos(container: InputContainer, stream: VideoStream) -> str:
    """Return a sentence on the video streams that are not edited, or nothing if there are none."""
    videos = videos_of(container)
    if len(videos) == 1:
        return ""
    own = videos.index(stream)
    rest = ", ".join(f"{n} ({video_words(s)})" for n, s in enumerate(videos) if n != own)
    are = "are" if len(videos) > 2 else "is"
    return (
        f"the file has {len(videos)} video streams: {own} ({video_words(stream)}) is edited, "
        f"{rest} {are} copied; --video-stream N edits another one"
    )


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


def _info(
    container: InputContainer,
    stream: VideoStream,
    frame: VideoFrame,
    turn_deg: int,
    clock: Clock,
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


def _not_kept(stream: VideoStream, frame: VideoFrame, encoding: PixelEncoding) -> list[str]:
    """Return sentences on what the pictures carry and the output will not."""
    side_data = _side_data(frame)
    found = [
        f"{what} is not carried over" for key, what in _NOT_CARRIED.items() if key in side_data
    ]
    if frame.interlaced_frame:
        found.append(
            "the video is interlaced: frames are edited whole and encoded as progressive pictures"
        )
    if stream.metadata.get("alpha_mode") == "1" and not encoding.pix_fmt.startswith("yuva"):
        found.append("the transparency of this WebM video cannot be read and is lost")
    if int(frame.colorspace) in (8, 14):
        found.append(
            f"colour matrix {int(frame.colorspace)} (YCgCo or ICtCp) is treated as YCbCr; colours "
            "inside an edit may be off, outside they are untouched"
        )
    return found


def _turn(
    display_matrix: tuple[int, ...], frame: VideoFrame, encoding: PixelEncoding
) -> tuple[int, str]:
    """Return the turn [deg] a display matrix asks for, and a warning if it is no plain turn."""
    if not display_matrix:
        return 0, ""
    a, b, _, c, d = (round(v / 65536, 3) for v in display_matrix[:5])
    turn = _TURNS.get((int(a), int(b), int(c), int(d))) if {a, b, c, d} <= {-1, 0, 1} else None
    if turn is None:
        return 0, (
            "the display matrix mirrors or turns by no multiple of 90 degrees: it is kept, but "
            "faces are looked for in the picture as stored"
        )
    is_subsampled = encoding.pix_fmt.startswith("yuv") and "444" not in encoding.pix_fmt
    if turn and is_subsampled and (frame.width % 2 or frame.height % 2):
        return 0, (
            f"a turned picture of odd size {frame.width}x{frame.height} is edited as stored; the "
            "turn is kept for players"
        )
    return turn, ""


def _hdr(frame: VideoFrame) -> HdrMetadata | None:
    """Read AVMasteringDisplayMetadata and AVContentLightMetadata (libavutil headers)."""
    mastering = _side_data(frame).get("MASTERING_DISPLAY_METADATA", b"")
    light = _side_data(frame).get("CONTENT_LIGHT_LEVEL", b"")
    primaries: tuple[Fraction, ...] = ()
    luminance: tuple[Fraction, ...] = ()
    if len(mastering) >= 88:
        numbers = struct.unpack("<22i", mastering[:88])
        pairs = zip(numbers[0:20:2], numbers[1:20:2], strict=True)
        values = [Fraction(n, d) if d else Fraction(0) for n, d in pairs]
        primaries = tuple(values[:8]) if numbers[20] else ()
        luminance = tuple(values[8:10]) if numbers[21] else ()
    level = tuple(struct.unpack("<2I", light[:8])) if len(light) >= 8 else ()
    return HdrMetadata(primaries, luminance, level) if primaries or luminance or level else None


def _display_matrix(frame: VideoFrame) -> tuple[int, ...]:
    """Return the nine numbers of the display matrix, or nothing."""
    stored = _side_data(frame).get("DISPLAYMATRIX", b"")
    if len(stored) >= 36:
        return struct.unpack("<9i", stored[:36])
    # Where side data cannot be listed, FFmpeg still tells the (counter-clockwise) angle.
    for (a, b, c, d), turn in _TURNS.items():
        if turn and turn == -frame.rotation % 360:
            return (a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    return ()


def _side_data(frame: VideoFrame) -> dict[str, bytes]:
    """Return the frame's side data by FFmpeg's name; nothing if one of them has no name in PyAV."""
    try:
        # PyAV's container iterates over its items, not over keys as its Mapping annotation says.
        items = cast("list[SideData]", list(frame.side_data))
    except ValueError:
        return {}
    return {item.type.name: bytes(item) for item in items}


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
