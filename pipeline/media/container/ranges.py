"""Frames of a range of a video file, exactly as they come when the whole file is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import TracebackType

from ...types import Frame
from ..base import Fingerprint
from ..damage import Damage
from .decode import VideoReader
from .file import VideoFile
from .same import changed


class RangeReader:
    """Iterates over the frames of a range once; a context manager. See `base.Source.frames`."""

    def __init__(
        self,
        file: VideoFile,
        start: int,
        stop: int | None,
        *,
        times: Sequence[int] | None = None,
        content: str = "",
        threads: int = 0,
    ) -> None:
        self._start = start
        self._stop = stop
        self._times = times
        self._reader = VideoReader(file, threads=threads, content=content)

    def __enter__(self) -> RangeReader:
        self._reader.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._reader.__exit__(kind, error, trace)

    @property
    def warnings(self) -> list[str]:
        """What was read otherwise than stored."""
        return self._reader.warnings

    @property
    def fingerprint(self) -> Fingerprint:
        """None of a range.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError("only a reading of all frames has a fingerprint")

    @property
    def damage(self) -> list[Damage]:
        """What could not be read of the range."""
        last = self._stop - 1 if self._stop is not None else None
        return [
            replace(
                damage,
                first_frame=max(damage.first_frame, self._start),
                last_frame=damage.last_frame if last is None else min(damage.last_frame, last),
            )
            for damage in self._reader.damage
            if damage.last_frame >= self._start and (last is None or damage.first_frame <= last)
        ]

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames of the range.

        Raises:
            VideoError: the file is not the one that `times` are of, or cannot be read.
        """
        if self._start == self._stop:
            return
        for frame in self._reader:
            if frame.index < self._start:
                continue
            if self._times is not None and frame.pts != self._times[frame.index]:
                raise changed(self._reader.source.path)
            yield frame
            if frame.index + 1 == self._stop:
                return
