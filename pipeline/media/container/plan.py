"""What will be written, decided before the first frame: the output plan."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from .file import VideoFile


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
    overwrite: bool
    warnings: tuple[str, ...]
    """What the output cannot keep, in sentences."""
    decodes_again: bool
    """The finished file is decoded and compared, not only counted."""
    is_lossless: bool
    """The encoder keeps every value it is given."""
    container_options: tuple[tuple[str, str], ...] = ()
    is_grid: bool = False
    """Times are slots of a constant rate, because encoder or container know no others."""
    copied: tuple[int, ...] = ()
    """Indices of the input's streams that are copied packet for packet."""
    position: int = 0
    """Of the edited video among the video streams of the output that are no cover art."""
