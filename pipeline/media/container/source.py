"""A video file as a source of frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from ..base import Fingerprint, Reading
from .count import check_frame
from .decode import VideoReader
from .file import VideoFile
from .fingerprint import fingerprint
from .ranges import RangeReader


@dataclass(frozen=True, slots=True)
class FileSource(VideoFile):
    """The `Source` of a video file; it is its record, too."""

    @classmethod
    def of(cls, file: VideoFile) -> FileSource:
        """Return the source of a file that was probed."""
        return cls(**{field.name: getattr(file, field.name) for field in fields(file)})

    def fingerprint(self) -> Fingerprint:
        """Return what the edited video stream is recognised by."""
        return fingerprint(self.path, self.number)

    def check_frame(self, index: int) -> None:
        """Refuse a frame number beyond the packets of the file."""
        check_frame(self, index)

    def frames(
        self,
        start: int = 0,
        stop: int | None = None,
        *,
        times: Sequence[int] | None = None,
        content: str = "",
        threads: int = 0,
    ) -> Reading:
        """Return the frames of a range; of all, where it is all of them."""
        if start < 0 or (stop is not None and stop < start):
            raise ValueError(f"frames {start} to {stop} are no range; accepted: 0 <= start <= stop")
        if stop is not None and times is not None and stop >= len(times):
            stop = None
        if start == 0 and stop is None:
            return VideoReader(self, threads=threads, content=content)
        return RangeReader(self, start, stop, times=times, content=content, threads=threads)
