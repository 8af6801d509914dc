"""The records every pass works from: what is known of a video file, and what will be written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from ...types import PixelEncoding, VideoInfo
from .clock import Clock
from .part import Part


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """A stream that is not edited but copied packet for packet."""

    index: int
    kind: str
    """`audio`, `video`, `subtitle`, `data`, `attachment` or `unknown`."""
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


FileState = tuple[int, int, int]
"""What tells at no cost that a file was not touched: its size [bytes], the time of its last change
[ns], and its number in the file system, which another file under the same name has not."""


@dataclass(frozen=True, slots=True)
class VideoFile:
    """A video file that can be edited, as `probe.probe` found it."""

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
    timecode: str
    """Of the first frame, as the file says it; empty if it does not."""
    warnings: tuple[str, ...]
    file: FileState | None
    """The file as it was when it was looked at."""

    def resized(self, size: tuple[int, int]) -> VideoFile:
        """Return the same with upright pictures of another width and height [px]."""
        info = replace(self.info, width=size[0], height=size[1], rotation_deg=0)
        aspect = self.info.pixel_aspect if self.sample_aspect is not None else None
        upright = replace(self, info=info, stored_size=size, sample_aspect=aspect)
        return replace(upright, display_matrix=(), turn_deg=0)


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """An output that was tried out and will work; made by `preflight.preflight_output`."""

    path: Path
    source: VideoFile
    """What it is like; upright, if the container cannot store the rotation."""
    container: str
    """FFmpeg muxer name."""
    codec: str
    """FFmpeg encoder name."""
    pix_fmt: str
    codec_options: tuple[tuple[str, str], ...]
    time_base: Fraction
    """[s/tick] of the encoder."""
    warnings: tuple[str, ...]
    """What the output cannot keep, in sentences."""
    decodes_again: bool
    """The finished file is decoded and compared, not only counted."""
    is_lossless: bool
    """The encoder keeps every value it is given."""
    container_options: tuple[tuple[str, str], ...] = ()
    is_grid: bool = False
    """Times are slots of a constant rate, because encoder or container know no others."""
    overwrite: bool = False
    copied: tuple[int, ...] = ()
    """Indices of the input's streams that are copied packet for packet."""
    position: int = 0
    """Of the edited video among the video streams of the output that are no cover art."""
    part: Part | None = None
    """Which part of the input the output holds; None: all."""
