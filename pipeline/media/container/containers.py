"""What containers can and cannot do, where FFmpeg's own tables do not tell."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import cast

from av.format import ContainerFormat, Flags

MOV_FAMILY = frozenset({"mp4", "mov", "ipod", "3gp", "3g2", "psp"})
MATROSKA = "matroska"
WITH_ALPHA = frozenset({"matroska", "webm"})
"""Containers that hold the transparency of VP8 and VP9, which is a stream beside the picture."""

ONE_TIME = frozenset({"avi", "asf", "asf_stream", "rm"})
"""Containers that store one time of a packet, not when it is decoded and when it is shown."""

HELD = {"ogg": ("libtheora", "libvpx"), "ogv": ("libtheora", "libvpx")}
"""Encoders whose codec a container holds, where FFmpeg finds out only while writing."""

_COUNTING = frozenset({"avi", "ogg", "ogv", "yuv4mpegpipe", "swf", "amv", "gxf"})
"""Containers that store frame numbers at best, though FFmpeg does not mark them so."""


def safer_name(path: Path) -> str:
    """Return the name of an output in a container that takes nearly every codec."""
    return path.with_suffix(".mov" if path.suffix.lower() == ".mkv" else ".mkv").name


@lru_cache(maxsize=64)
def stores_times(container: str) -> bool:
    """Return whether a muxer stores when a frame is shown: not only that there is one more."""
    muxer = ContainerFormat(container, "w")
    return container not in _COUNTING and not has_flag(muxer, Flags.no_timestamps)


def has_flag(form: ContainerFormat, flag: Flags) -> bool:
    """Return whether FFmpeg marks a muxer or demuxer so; some have marks PyAV has no name for."""
    return bool(form.flags & cast("int", flag.value))
