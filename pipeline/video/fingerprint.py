"""Recognising a video again, whatever its file is called and whatever other streams it has."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import av

from ..errors import lack_of
from .inputs import find_video, open_input

_NO_TIME = -(1 << 63)


def fingerprint(path: Path, number: int | None = None) -> str:
    """Return a SHA-256 (hex) over the video stream's parameters, packet times and packet sizes.

    Nothing is decoded. Copying the file, renaming it, or adding and removing other streams keeps
    the fingerprint; encoding the video again changes it.

    Args:
        path: the file.
        number: which of its video streams (see `inputs.find_video`).

    Raises:
        VideoError: the file cannot be opened or holds no video.
    """
    digest = hashlib.sha256()
    with open_input(path) as container:
        stream = find_video(container, path, number)
        context = stream.codec_context
        parameters = (context.codec.canonical_name, context.width, context.height, stream.time_base)
        digest.update("|".join(str(p) for p in parameters).encode())
        try:
            for packet in container.demux(stream):
                if packet.size:
                    pts = packet.pts if packet.pts is not None else packet.dts
                    digest.update(struct.pack("<qq", _NO_TIME if pts is None else pts, packet.size))
        except av.error.FFmpegError as e:
            if lack_of(e):
                raise
            # A damaged file is the same file as far as it can be read.
    return digest.hexdigest()
