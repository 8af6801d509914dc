"""Edited frames into a finished file: complete and verified, or not there at all.

The file grows beside its target, is read back and only then put in place (see `files`); a killed
run leaves nothing that looks finished.
"""

from __future__ import annotations

import dataclasses
from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import av

from ...errors import OutputError, VideoError
from ...files import scratch_beside, written_whole
from ...targets import output_errors
from ...types import Frame
from .cells import GridEncoder, segment_format, usual_frames
from .encoding import Encoding
from .file import OutputPlan
from .mux import Muxer
from .part import Part
from .segments import Segment, SegmentWriter, joined
from .verify import checksum, verify, verify_decoded


@contextmanager
def trial_file(plan: OutputPlan) -> Iterator[Path]:
    """Give the path of a file beside the output, there for a trial only.

    Raises:
        OutputError: the folder does not take it.
    """
    path = plan.path
    with output_errors(path, "the output"), scratch_beside(path, path.suffix) as beside:
        yield beside


class VideoWriter:
    """The `Sink` of a video file, which is verified before it is put in place.

    Args:
        plan: from `preflight.preflight_output`.
        threads: encoder threads; 0 lets FFmpeg choose. x264 and x265 give the same file for the
            same number of threads.

    Raises:
        OutputError: the file cannot be written, or does not hold every frame.
    """

    def __init__(self, plan: OutputPlan, *, threads: int = 1) -> None:
        self.plan = plan
        self.threads = threads
        self._grid: GridEncoder | None = None
        self.warnings: list[str] = list(plan.warnings)
        self._file = ExitStack()
        self._pts = array("q")
        self._given = array("L")
        self._muxer: Muxer | None = None

    @property
    def path(self) -> Path:
        """Of the finished file."""
        return self.plan.path

    @property
    def facts(self) -> dict[str, str]:
        """How it is written, by FFmpeg's names."""
        plan = self.plan
        names = {"container": plan.container, "codec": plan.codec, "pix_fmt": plan.pix_fmt}
        return names | dict(plan.codec_options) | {"threads": str(self.threads)}

    @property
    def segment_frames(self) -> int:
        """Frames that a segment usually has."""
        return usual_frames(self.plan)

    @property
    def segment_ending(self) -> str:
        """Of the names of segment files."""
        return f".{segment_format(self.plan)}"

    def take(self, frames: range, times: Sequence[int]) -> None:
        """Have the output hold some frames of the clip only; see `base.JoiningSink.take`."""
        source, encoding = self.plan.source, Encoding(self.plan)
        tick_s, first = source.info.time_base, times[frames.start]
        earlier = encoding.slot(first) - encoding.slot(source.first_pts)
        part = Part(
            first=frames.start,
            begin_s=first * tick_s,
            end_s=times[frames.stop] * tick_s if frames.stop < len(times) else None,
            earlier_s=earlier * self.plan.time_base,
        )
        self.plan = dataclasses.replace(self.plan, part=part)

    def cut(self, size: int, times: Sequence[int]) -> None:
        """Have the video encoded anew every `size` frames, as segments are; before it is entered.

        Args:
            size: frames.
            times: pts of all frames to come [ticks of the input].

        Raises:
            OutputError: the output cannot hold one of them.
        """
        self._grid = GridEncoder(self.plan, times, size, self.threads)

    def segment(self, path: Path) -> SegmentWriter:
        """Return what writes one segment of this output, which needs not be entered for it."""
        return SegmentWriter(self.plan, path, self.threads)

    def __enter__(self) -> VideoWriter:
        path = self.plan.path
        with output_errors(path, "the output"), ExitStack() as file:
            self._temporary = file.enter_context(
                written_whole(path, overwrite=self.plan.overwrite, suffix=path.suffix)
            )
            muxer = Muxer(self.plan, self._temporary, threads=self.threads)
            self._muxer = file.enter_context(closing(muxer))
            if self._grid is not None:
                file.enter_context(closing(self._grid))
            self._file = file.pop_all()
        return self

    def write(self, frame: Frame) -> None:
        """Encode the next frame, in presentation order.

        Raises:
            OutputError: writing failed (for instance a full disk), or the time cannot be stored.
        """
        if self._muxer is None:
            raise RuntimeError("VideoWriter must be entered with `with`")
        with av.logging.Capture(True):  # readers on other threads would take it for their files'
            if self._grid is None:
                self._muxer.encode(frame)
            else:
                for packet in self._grid.encode(frame, self._muxer.extradata):
                    self._muxer.mux_encoded(packet)
        self._pts.append(frame.pts)
        if self.plan.decodes_again and self.plan.is_lossless:
            self._given.append(checksum(frame))

    def join(self, segments: Sequence[Segment]) -> None:
        """Take all frames from segments of this output instead of `write`, packet for packet.

        Raises:
            OutputError: a segment is damaged or was made with other options; writing failed.
        """
        if self._muxer is None:
            raise RuntimeError("VideoWriter must be entered with `with`")
        for packet in joined(self.plan, segments, self.threads, self._muxer.extradata):
            self._muxer.mux_encoded(packet)
        for _, facts in segments:
            self._pts.extend(facts["pts"])
            if self.plan.decodes_again and self.plan.is_lossless:
                self._given.extend(facts["checksums"])

    def __exit__(self, kind: type[BaseException] | None, *raised: Any) -> None:
        muxer, self._muxer = self._muxer, None
        if muxer is None:
            return
        if kind is not None:
            self._file.__exit__(kind, *raised)
            return
        with output_errors(self.plan.path, "the output"), self._file:
            self._finish(muxer)

    def _finish(self, muxer: Muxer) -> None:
        if not self._pts:
            raise OutputError(f"{self.plan.path}: no frame was given, so nothing was written")
        if self._grid is not None:
            for packet in self._grid.finish():
                muxer.mux_encoded(packet)
        muxer.finish()
        self.warnings.extend(muxer.copier.warnings)
        try:
            self.warnings.extend(verify(self._temporary, self.plan, self._pts, muxer.copier.counts))
            if self.plan.decodes_again:
                self.warnings.extend(
                    verify_decoded(self._temporary, self.plan, self._pts, self._given)
                )
        except VideoError as e:
            raise OutputError(f"{self.plan.path}: the written file cannot be read: {e}") from e
