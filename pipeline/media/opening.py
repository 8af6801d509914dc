"""Opening what frames come from and go to: the one place that knows which kinds there are."""

from __future__ import annotations

from pathlib import Path

from ..config import EncodeOptions
from .base import JoiningSink, Source
from .container.encode import VideoWriter
from .container.encoders import is_encoder
from .container.planes import plane_shapes
from .container.preflight import default_ending, file_of, preflight_output
from .container.probe import probe

__all__ = ["default_ending", "is_encoder", "open_sink", "open_source", "plane_shapes"]


def open_source(path: Path, number: int | None = None) -> Source:
    """Return the clip at a path.

    Args:
        path: a local video file.
        number: which of its video streams, counted from 0; None: FFmpeg's best one.

    Raises:
        VideoError: it cannot be opened, holds no video, or not one frame can be decoded.
        UsageError: there is no video stream of that number.
    """
    return probe(path, number)


def open_sink(
    path: Path,
    source: Source,
    options: EncodeOptions,
    *,
    size: tuple[int, int] | None = None,
    overwrite: bool = False,
) -> JoiningSink:
    """Return an output, tried out and not yet begun, for frames like those of a clip.

    Args:
        path: the target; its ending chooses the container.
        source: whose times, colours and other streams the output has.
        options: how it is encoded; what is not said is as in the source.
        size: upright width and height [px] of the frames to come; None: the source's.
        overwrite: replace what is there (never the source itself).

    Raises:
        OutputError: whatever would make writing fail later, naming what is accepted.
    """
    file = file_of(source)
    like = file if size is None else file.resized(size)
    plan = preflight_output(path, like, options, overwrite=overwrite)
    return VideoWriter(plan, threads=options.encoder_threads)
