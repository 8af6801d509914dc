"""Frames out of a video: every one, in presentation order, with its exact time, upright.

Memory is bounded by the decoder's own buffers. What cannot be decoded is counted in `losses`, never
guessed. Times are those of the file's clock (`clock.py`). A container that stores only decoding
times (AVI) gives the k-th shown frame the k-th of them; if it knows some presentation times, other
frames are shown when the packet that completed them was due, as FFmpeg has it; elsewhere a frame
without a time begins where the frame before ends; a stamp not later than its predecessor's is moved
one tick after it. The last two are counted in `warnings`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

import av
import numpy as np
from av.codec.context import ThreadType
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ..errors import VideoError, lack_of
from ..progress import counted
from ..types import Frame
from .inputs import announced_duration_s, decoder_of, find_video, open_input
from .planes import layout_of, planes_of
from .probe import Source

_END_TOLERANCE_S = 0.5
"""A video that ends this much before its announced end [s] has lost frames; less is rounding."""

_FRAME_THREADS_PIXELS = 1920 * 1088
"""Above this picture size frames are decoded in parallel."""

LossKind = Literal["packet", "concealed", "truncated", "read-error"]


@dataclass(frozen=True, slots=True)
class Loss:
    """Something in the video that could not be decoded as it was meant."""

    kind: LossKind
    """`packet`: undecodable, its frame is missing; `concealed`: decoded with guessed parts."""
    where_s: float
    """Presentation time [s] of the damage, as far as known."""
    message: str


def summarize(losses: Sequence[Loss]) -> list[str]:
    """Return one sentence for each sort of loss: how many, what, and where the first is."""
    first: dict[str, float] = {}
    for loss in losses:
        first.setdefault(loss.message, loss.where_s)
    counts = Counter(loss.message for loss in losses)
    return [
        f"{counts[message]} × at {where_s:.2f} s and later: {message}"
        if counts[message] > 1
        else f"at {where_s:.2f} s: {message}"
        for message, where_s in first.items()
    ]


class VideoReader:
    """Iterates over the frames of a video once; a context manager.

    Args:
        source: what `probe` found.
        threads: decoder threads; 0 lets FFmpeg choose.

    Raises (while iterating):
        VideoError: the file changed or vanished, size or pixel format change mid-stream, or not
            one frame can be decoded.
    """

    def __init__(self, source: Source, *, threads: int = 0) -> None:
        self.source = source
        self.threads = threads
        self.losses: list[Loss] = []
        self.frames_read = 0
        self._untimed = 0
        self._moved = 0
        self._decoding_times: deque[int] = deque()
        self._is_over = False
        self._decoder: VideoCodecContext | None = None
        self._end = source.first_pts
        self._last: int | None = None
        self._opened: AbstractContextManager[InputContainer] | None = None
        self._container: InputContainer | None = None

    def __enter__(self) -> VideoReader:
        self._opened = open_input(self.source.path)
        self._container = self._opened.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._opened is not None:
            self._opened.__exit__(None, None, None)
        self._opened = self._container = None

    @property
    def warnings(self) -> list[str]:
        """Sentences on what was read otherwise than stored, for the report."""
        found = []
        if self._untimed:
            found.append(
                f"{counted(self._untimed, 'frame')} had no time stamp; each is shown when the one "
                "before it ends"
            )
        if self._moved:
            found.append(
                f"{counted(self._moved, 'frame')} had a time stamp not after the frame before; "
                "each was moved one tick after it"
            )
        return found

    def __iter__(self) -> Iterator[Frame]:
        """Yield every frame; `Frame.planes` are read-only."""
        if self._container is None:
            raise RuntimeError("VideoReader must be entered with `with`, and is iterated once")
        container, self._container = self._container, None
        stream = find_video(container, self.source.path, self.source.number)
        if stream.index != self.source.stream_index:
            raise VideoError(f"{self.source.path} changed since it was opened; start again")
        # Frame threads report damage late and PyAV then drops frames at the end of the file, so
        # they are used only where one core would be too slow.
        is_large = self.source.info.width * self.source.info.height > _FRAME_THREADS_PIXELS
        self._decoder = decoder_of(stream)
        self._decoder.thread_type = ThreadType.AUTO if is_large else ThreadType.SLICE
        self._decoder.thread_count = self.threads
        announced = len(stream.index_entries)
        packets = 0
        for packet in self._packets(container, stream):
            packets += 1
            if packet.dts is not None and not self.source.clock.has_pts:
                self._decoding_times.append(packet.dts)
            for decoded in self._decoded(self._decoder, packet):
                yield self._frame(decoded)
        self._is_over = True
        for decoded in self._decoded(self._decoder, None):
            yield self._frame(decoded)
        self._check_end(stream, announced, packets)

    def _packets(
        self, container: InputContainer, stream: VideoStream
    ) -> Iterator[Packet[VideoStream]]:
        retime = self.source.clock.retimer(stream.index)
        try:
            for packet in container.demux(stream):
                # Empty packets stand for a repeated picture in AVI, or for the end (PyAV): to the
                # decoder they would mean the end.
                if packet.size:
                    retime(packet)
                    # Where files were joined FFmpeg misses packets by their count; none is hurt.
                    packet.is_corrupt &= not retime.is_seam
                    yield packet
        except av.error.FFmpegError as e:
            if lack_of(e):
                raise  # the clip is not at fault
            self._lose("read-error", self._end, f"reading stopped: {e.strerror}")

    def _decoded(
        self, decoder: VideoCodecContext, packet: Packet[VideoStream] | None
    ) -> list[VideoFrame]:
        if packet is not None and packet.is_corrupt:
            self._lose("packet", packet.pts, "a packet is cut short or fails its checksum")
        try:
            return decoder.decode(packet)
        except av.error.FFmpegError as e:
            if lack_of(e):
                raise
            stamp = packet.pts if packet is not None else None
            self._lose("packet", stamp, f"a packet could not be decoded: {e.strerror}")
            if self._decoding_times:
                self._decoding_times.popleft()
            return []

    def _frame(self, decoded: VideoFrame) -> Frame:
        source = self.source
        found = (decoded.format.name, (decoded.width, decoded.height))
        if found != (source.info.pix_fmt, source.stored_size):
            raise VideoError(
                f"{source.path}: frame {self.frames_read} is {found[0]} {decoded.width}x"
                f"{decoded.height}, the video began as {source.info.pix_fmt} "
                f"{source.stored_size[0]}x{source.stored_size[1]}; only videos of one format can "
                "be edited. Cut the video there and edit the parts"
            )
        if decoded.is_corrupt:
            self._lose("concealed", decoded.pts, "a frame was decoded with guessed parts")
        layout = layout_of(source.info.pix_fmt)
        if layout is None:
            decoded = decoded.reformat(format=source.encoding.pix_fmt)
            layout = layout_of(source.encoding.pix_fmt)
            assert layout is not None
        planes = planes_of(decoded, layout)
        if source.turn_deg:
            planes = tuple(np.rot90(plane, -source.turn_deg // 90) for plane in planes)
        pts = self._stamp(decoded)
        span = source.nominal_duration if source.clock.is_untimed else decoded.duration or 0
        self.frames_read += 1
        return Frame(
            index=self.frames_read - 1,
            pts=pts,
            duration=max(0, span),
            planes=planes,
            encoding=source.encoding,
        )

    def _stamp(self, decoded: VideoFrame) -> int:
        """Return the time stamp of a frame, later than any before."""
        if self.source.clock.is_untimed:
            self._end = self.frames_read + 1
            return self.frames_read
        pts = decoded.pts
        if pts is None and self.source.clock.has_pts:
            pts = decoded.dts
        if pts is None and self._decoding_times:
            pts = self._decoding_times.popleft()
        if pts is None:
            self._untimed += not self._is_over  # the last frames follow from those before
            pts = self._end
        if self._last is not None and pts <= self._last:
            self._moved += 1
            pts = self._last + 1
        self._last = pts
        self._end = pts + (decoded.duration or self.source.nominal_duration)
        return pts

    def _check_end(self, stream: VideoStream, announced: int, packets: int) -> None:
        if self.frames_read == 0:
            raise VideoError(f"{self.source.path}: not one frame of its video could be decoded")
        missing_s = announced_duration_s(stream) - self._seconds(self._end - self.source.first_pts)
        if announced > packets:
            message = f"the file announces {announced} pictures and holds {packets}; it is cut off"
            self._lose("truncated", self._end, message)
        elif self.source.clock.jumps(stream.index) or self.source.clock.is_untimed:
            return  # what is announced is wrong, or a guess from the size of the file
        elif announced < packets and missing_s > _END_TOLERANCE_S:  # no full index to go by
            message = f"the video ends {missing_s:.2f} s before its announced end; it is cut off"
            self._lose("truncated", self._end, message)

    def _lose(self, kind: LossKind, stamp: int | None, message: str) -> None:
        where = self._seconds(stamp if stamp is not None else self._end)
        self.losses.append(Loss(kind, where, message))

    def _seconds(self, ticks: int) -> float:
        return float(ticks * self.source.info.time_base)
