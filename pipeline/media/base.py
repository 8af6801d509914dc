"""What frames come from and go to, whatever they are kept in: two protocols and what they share.

`open_source` and `open_sink` (`opening.py`) choose what fits a path. Video files are the first of
each (`container/`); whatever comes next is one more folder here, and no caller changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..errors import AnalysisError
from ..types import Frame, PixelEncoding, VideoInfo
from .damage import Damage

MAX_SIDE_PX = 16_384
"""Pictures with longer sides are refused."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a clip is recognised by."""

    content: str
    """`sha256:` and 64 hex digits over what is stored of its pictures."""
    former: str | None
    """As this program made it before: over times and sizes of the packets. None where all are of
    one size, so that another clip would have the same."""

    def checked(self, path: Path, stored: object) -> str:
        """Return the fingerprint an analysis file of this clip is to have from now on.

        Args:
            path: of the analysis file.
            stored: the fingerprint in it; one of the former kind is taken where it proves the clip.

        Raises:
            AnalysisError: it is of another clip, or cannot be told to be of this one.
        """
        if isinstance(stored, str) and stored in (self.content, self.former):
            return self.content
        why = f"fingerprint {str(stored)[:19]}…, this video has {self.content[:19]}…"
        if ":" not in str(stored) and self.former is None:
            why = (
                "its fingerprint is of the former kind, over the sizes of packets, and all of this "
                "video have one size; make it again with `analyze`"
            )
        raise AnalysisError(
            f"the analysis file {path} belongs to another video or stream of it ({why})"
        )


class Reading(AbstractContextManager["Reading", None], Protocol):
    """Frames while they are read: a context manager that is iterated once, on one thread."""

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in presentation order; `Frame.planes` are read-only.

        Raises:
            VideoError: the clip changed or vanished, changes its format, or gives no frame.
        """

    @property
    def damage(self) -> list[Damage]:
        """What could not be read as it was meant; complete once all frames were read."""

    @property
    def warnings(self) -> list[str]:
        """Sentences on what was read otherwise than stored; complete with the last frame."""

    @property
    def fingerprint(self) -> Fingerprint:
        """Of the whole clip, once all of its frames were read.

        Raises:
            RuntimeError: frames of a range are read, or none yet.
        """


class Source(Protocol):
    """A clip that can be read as often as one likes, from any thread; holds data only."""

    @property
    def path(self) -> Path:
        """Where it lies."""

    @property
    def info(self) -> VideoInfo:
        """Size, times and colours."""

    @property
    def encoding(self) -> PixelEncoding:
        """Of every frame."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on what is odd about it, known before the first frame is read."""

    @property
    def timecode(self) -> str:
        """Of its first frame, as in 01:00:10:00; empty if it has none."""

    def fingerprint(self) -> Fingerprint:
        """Return what the clip is recognised by; all of it is read, nothing decoded.

        Raises:
            VideoError: it cannot be opened any more.
        """

    def check_frame(self, index: int) -> None:
        """Refuse a frame number that the clip cannot have; nothing is decoded.

        Raises:
            UsageError: the number is negative or too high.
        """

    def frames(
        self,
        start: int = 0,
        stop: int | None = None,
        *,
        times: Sequence[int] | None = None,
        content: str = "",
    ) -> Reading:
        """Return the frames of a range, exactly as they are among all frames of the clip.

        Planes, index, time and duration are those of the whole run, and so is the damage that
        concerns the range. How quickly a range is reached depends on the clip; at worst everything
        before it is decoded too.

        Args:
            start: first frame.
            stop: frame after the last; None, or beyond the end: to the end.
            times: pts of all frames of the clip, as an analysis has them. Without them a range is
                found by counting from the first frame on; with them it is checked.
            content: fingerprint that is expected (`Fingerprint.content`); empty: any.

        Raises:
            ValueError: not 0 <= start <= stop.
        """


class FrameWriter(AbstractContextManager[object, None], Protocol):
    """Takes frames; a context manager."""

    def write(self, frame: Frame) -> None:
        """Take the next frame, in presentation order.

        Raises:
            OutputError: it cannot be written.
        """


class Sink(FrameWriter, Protocol):
    """Takes the frames of one clip.

    Leaving the `with` block normally completes the output; leaving it by any exception leaves
    nothing of it, and what was there before as it was.
    """

    @property
    def path(self) -> Path:
        """Of the output."""

    @property
    def warnings(self) -> list[str]:
        """What the output cannot keep; more may come until it is complete."""

    @property
    def facts(self) -> Mapping[str, str]:
        """How it is written, for the report: container, codec, pixel format, options."""


class SegmentSink(FrameWriter, Protocol):
    """Takes the frames of one segment; a context manager, as `Sink` is."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What `JoiningSink.join` must know of the segment, as plain data for JSON.

        There once the block was left normally: `segment_version`; `pts` and `durations` of the
        frames [ticks of the input]; `packets` in decoding order, each with the number of its frame
        in the segment, whether it is a keyframe (0, 1) and its bytes; `checksums` of the frames if
        the encoder is lossless; `delay`, by how many frames decoding runs ahead; `bytes` of the
        file; `encoder`, what it was made with; `extradata`, SHA-256 of the encoder's parameters.
        """


class JoiningSink(Sink, Protocol):
    """An output that can be made of segments, each encoded for itself, wherever that was."""

    @property
    def segment_frames(self) -> int:
        """Frames that a segment usually has, for its encoder."""

    @property
    def segment_ending(self) -> str:
        """Of the names of segment files, with the dot."""

    def take(self, frames: range, times: Sequence[int]) -> None:
        """Have the output hold some frames of the clip only, with the sound that goes with them.

        Said before the output is entered, and before `cut`. It begins when the clip began.

        Args:
            frames: numbers of the frames to come, consecutive.
            times: pts of all frames of the clip [ticks].
        """

    def cut(self, size: int, times: Sequence[int]) -> None:
        """Have what `write` takes encoded anew every `size` frames, as segments are.

        Said before the output is entered. `times`: pts of all frames to come [ticks].

        Raises:
            OutputError: the output cannot hold one of them.
        """

    def segment(self, path: Path) -> SegmentSink:
        """Return what writes a segment of this output; the output itself need not be entered.

        What stands at `path` is replaced, once the segment is complete.
        """

    def join(self, segments: Sequence[tuple[Path, Mapping[str, Any]]]) -> None:
        """Take all frames from segments, with their facts, in order; in place of `write`.

        Raises:
            OutputError: a segment is damaged, or was made with other options or another version.
        """
