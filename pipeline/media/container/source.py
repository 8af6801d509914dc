"""A video file as a source of frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from ...errors import UsageError
from ..base import Fingerprint, Reading
from .decode import VideoReader
from .file import VideoFile
from .fingerprint import fingerprint
from .inputs import open_input, packets_of
from .ranges import RangeReader


@dataclass(frozen=True, slots=True)
class FileSource(VideoFile):
    """The `Source` of a video file; it is its record, too."""

    def fingerprint(self) -> Fingerprint:
        """Return what the edited video stream is recognised by."""
        return fingerprint(self.path, self.number)

    def check_frame(self, index: int) -> None:
        """Refuse a frame number beyond the packets of the file, never fewer than its frames.

        The container's own count may be wrong. A frame that passes can still be missing, where
        packets are damaged or hold one field.
        """
        with open_input(self.path) as container:
            packets = packets_of(container, [container.streams[self.stream_index]])
            count = sum(1 for _ in islice(packets, max(0, index + 1)))
        if not count > index >= 0:
            last = f"{self.path} has frames 0 to {count - 1}" if count else "frames count from 0"
            raise UsageError(f"frame {index} does not exist; {last}")

    def frames(
        self,
        start: int = 0,
        stop: int | None = None,
        *,
        times: Sequence[int] | None = None,
        content: str = "",
    ) -> Reading:
        """Return the frames of a range; of all, where it is all of them."""
        if start < 0 or (stop is not None and stop < start):
            raise ValueError(f"frames {start} to {stop} are no range; accepted: 0 <= start <= stop")
        if stop is not None and times is not None and stop >= len(times):
            stop = None
        if start == 0 and stop is None:
            return VideoReader(self, content=content)
        return RangeReader(self, start, stop, times, content)
