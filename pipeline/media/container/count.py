"""Whether a clip has a frame of some number, told without decoding it."""

from __future__ import annotations

from ...errors import UsageError
from .file import VideoFile
from .inputs import open_input, packets_of


def check_frame(source: VideoFile, index: int) -> None:
    """Refuse a frame number that the clip cannot have; a few milliseconds, nothing is decoded.

    Counts packets, of which there are never fewer than frames; the container's own count may be
    wrong. A frame that passes can still be missing, where packets are damaged or hold one field.

    Raises:
        UsageError: the number is negative, or the file has no so many packets.
    """
    count = _packets(source, index + 1) if index >= 0 else 0
    if count > index >= 0:
        return
    known = f"{source.path} has frames 0 to {count - 1}" if count else "frames count from 0"
    raise UsageError(f"frame {index} does not exist; {known}")


def _packets(source: VideoFile, most: int) -> int:
    """Return how many packets of the video stream the file holds, counted up to `most`."""
    count = 0
    with open_input(source.path) as container:
        for packet in packets_of(container, [container.streams[source.stream_index]]):
            count += packet.size > 0
            if count >= most:
                break
    return count
