"""A video file as a source of frames: all of them, or a range exactly as it is among all.

Decoding of a range begins at a start shortly before it (`starts.py`). Every frame must then have
the time it has in the whole run, and nothing may be odd: no damage, no time that had to be made up,
no half pictures. At the first doubt everything is decoded from the beginning. The packets before
are read in any case, so that all that depends on their count and order stays as it is.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from ...errors import UsageError, VideoError
from ...types import Frame
from ..base import Fingerprint, Reading
from ..damage import Damage
from .decode import VideoReader
from .file import VideoFile
from .fingerprint import changed, fingerprint
from .inputs import open_input, packets_of
from .starts import WHOLE, Entry, entry_for


class RangeReader:
    """Iterates over the frames of a range once; a context manager. See `base.Source.frames`."""

    def __init__(
        self,
        file: VideoFile,
        start: int,
        stop: int | None,
        times: Sequence[int] | None,
        content: str,
    ) -> None:
        self._file = file
        self._range = (start, stop)
        self._times = None if times is None else np.asarray(times, np.int64)
        self._content = content
        self._stack = ExitStack()
        self._reader = VideoReader(file)
        self._ahead = 0
        """Number, in the clip, of the first frame the reader gave."""

    def __enter__(self) -> RangeReader:
        self._open(self._entry())
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _open(self, entry: Entry) -> None:
        self._stack.close()
        self._ahead = 0
        self._reader = self._stack.enter_context(
            VideoReader(self._file, content=self._content, entry=entry)
        )

    def _entry(self) -> Entry:
        """Return where to begin: late only if times tell the number of a frame.

        A time that was moved, because it was not later than the one before, is one tick after that;
        where no two times are that close, none was.
        """
        start, times = self._range[0], self._times
        if times is None or not 0 < start < len(times) or np.diff(times).min() <= 1:
            return WHOLE
        return entry_for(self._file, int(times[start]), int(times[start - 1]))

    @property
    def warnings(self) -> list[str]:
        """What was read otherwise than stored."""
        return self._reader.warnings

    @property
    def fingerprint(self) -> Fingerprint:
        """None of a range: always raises a `RuntimeError`."""
        raise RuntimeError("only a reading of all frames has a fingerprint")

    @property
    def damage(self) -> list[Damage]:
        """What could not be read of the range."""
        return self._reader.damage_log.damages(*self._range, ahead=self._ahead)

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; a `VideoError` if the file is not the one that `times` are of."""
        begin: int | None = self._range[0]
        if begin != self._range[1] and self._reader.entry != WHOLE:
            begin = yield from self._begun_late()
            if begin is not None:
                self._open(WHOLE)
        if begin is not None and begin != self._range[1]:
            yield from self._from_the_first(begin)

    def _begun_late(self) -> Generator[Frame, None, int | None]:
        """Yield frames of the range as long as there is no doubt.

        Returns:
            The number of the frame to go on with; None if nothing is left to do.
        """
        (index, stop), reader, times = self._range, self._reader, self._times
        assert times is not None
        try:
            for frame in reader:
                if frame.pts < times[self._range[0]]:
                    continue
                if not reader.is_plain or index == len(times) or frame.pts != times[index]:
                    return index
                self._ahead = index - frame.index
                yield replace(frame, index=index)
                index += 1
                if index == stop:
                    reader.check_missing(frame.pts)
                    return None
        except VideoError:
            return index  # if it is true, reading from the beginning says so again
        return None if index == len(times) else index

    def _from_the_first(self, begin: int) -> Iterator[Frame]:
        """Yield the frames of the range from `begin` on, counting all."""
        times, stop, count = self._times, self._range[1], 0
        for frame in self._reader:
            count += 1
            if times is not None and not (count <= len(times) and frame.pts == times[count - 1]):
                raise changed(self._file.path)
            if frame.index >= begin:
                yield frame
            if count == stop:
                self._reader.check_missing(frame.pts)
                return
        if times is not None and count != len(times):
            raise changed(self._file.path)


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
