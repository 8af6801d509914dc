"""A video file as a source of frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...types import PixelEncoding, VideoInfo
from ..base import Reading
from .count import check_frame
from .decode import VideoReader
from .file import VideoFile
from .fingerprint import Fingerprint, fingerprint
from .ranges import RangeReader


@dataclass(frozen=True, slots=True)
class FileSource:
    """The `Source` over a video file that was probed."""

    file: VideoFile

    @property
    def path(self) -> Path:
        """See `Source`; so with the others."""
        return self.file.path

    @property
    def info(self) -> VideoInfo:
        """Size, times and colours."""
        return self.file.info

    @property
    def encoding(self) -> PixelEncoding:
        """Of every frame."""
        return self.file.encoding

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd about the file."""
        return self.file.warnings

    def fingerprint(self) -> Fingerprint:
        """Return what the edited video stream is recognised by."""
        return fingerprint(self.file.path, self.file.number)

    def check_frame(self, index: int) -> None:
        """Refuse a frame number beyond the packets of the file."""
        check_frame(self.file, index)

    def frames(
        self,
        start: int = 0,
        stop: int | None = None,
        *,
        times: Sequence[int] | None = None,
        content: str = "",
        threads: int = 0,
    ) -> Reading:
        """Return the frames of a range."""
        if start < 0 or (stop is not None and stop < start):
            raise ValueError(f"frames {start} to {stop} are no range; accepted: 0 <= start <= stop")
        if start == 0 and (stop is None or (times is not None and stop >= len(times))):
            return VideoReader(self.file, threads=threads, content=content)
        return RangeReader(self.file, start, stop, times=times, content=content, threads=threads)
