"""The output file while it is written: the edited video encoded, every other stream copied.

The input is demuxed a second time for the copied packets, in step with the encoded ones, so memory
does not grow with the clip.
"""

from __future__ import annotations

import math
import os
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Discard, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ...errors import OutputError, cure_of, words_of
from ...types import Frame
from .containers import ONE_TIME, safer_name
from .copies import Copier, attach_cover, is_attached, track_tags
from .encoders import ENCODERS, Encoder
from .file import OutputPlan
from .inputs import open_input
from .planes import frame_of, planar_of
from .scheduling import usual_scheduling

STALE_KEYS = {"encoder", "major_brand", "minor_version", "compatible_brands", "duration"}
"""Container tags the muxer writes itself."""

_STALE_PREFIXES = ("BPS", "NUMBER_OF_", "_STATISTICS_", "DURATION", "ALPHA_MODE")
"""Matroska statistics of the video as it was before."""

_RGB, _BT709, _UNSPECIFIED = 0, 1, 2


def let_go(output: OutputContainer) -> None:
    """Close a file that is finished, or thrown away, whatever its muxer thinks of it."""
    with suppress(av.error.FFmpegError, OSError, ValueError):
        output.close()


class Muxer:
    """Writes one output file at `path`, which is incomplete unless `finish` came before `close`.

    Args:
        plan: what to write.
        path: the file, which must not exist.
        threads: encoder threads; 0 lets FFmpeg choose.
        until_s: other streams are copied up to this time only [s]; None: whole.

    Raises:
        OutputError: the file cannot be created, or the encoder or container refuse.
    """

    def __init__(
        self, plan: OutputPlan, path: Path, *, threads: int = 0, until_s: Fraction | None = None
    ) -> None:
        self.plan = plan
        base = plan.source.info.time_base
        first_s = plan.source.first_pts * base
        # What the encoder counts from, where the file begins, and what that time is in the input.
        self._start_s = self._begin_s = first_s if plan.is_grid else Fraction(0)
        self._zero_s, self._empty_slots = Fraction(0), 0
        # The encoder counts from zero on a grid; the file counts in ticks that hit both exactly.
        self._ticks = plan.time_base
        if plan.is_grid:
            self._ticks = Fraction(1, math.lcm(plan.time_base.denominator, base.denominator))
        self._is_mov = "movflags" in dict(plan.container_options)
        self._held: Packet[VideoStream] | None = None
        self._first_dts: int | None = None
        self._shown: tuple[int, ...] = ()
        self._pending: dict[int, int] = {}
        self._last_slot: int | None = None
        self._stack = ExitStack()
        os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 writes to stderr past FFmpeg's log
        try:
            source = self._stack.enter_context(open_input(plan.source.path))
            self._output = av.open(
                f"file:{path.absolute()}",  # a path, whatever protocol its name looks like
                "w",
                format=plan.container,
                container_options=dict(plan.container_options),
            )
            self._stack.callback(let_go, self._output)
            self._streams: dict[int, Stream] = {}
            if plan.container == "avi":
                self._begin_at_zero(source, first_s)
            self._add_streams(source, threads)
            self.copier = Copier(
                source, plan.source, self._output, self._streams, until_s, self._zero_s
            )
            """Of the other streams, with what it counted and what is odd about them."""
        except (av.error.FFmpegError, OSError, ValueError) as e:
            self.close()
            raise self._refusal(e) from e

    def encode(self, frame: Frame) -> None:
        """Encode the next frame.

        Raises:
            OutputError: writing failed, or the frame's time cannot be stored.
        """
        slot = self._slot(frame.pts)
        picture = self._picture(frame)
        picture.colorspace, picture.color_range = self._tags()
        picture.color_primaries = self.plan.source.info.color_primaries
        picture.color_trc = self.plan.source.info.color_transfer
        picture.time_base = self.plan.time_base
        picture.pts = slot
        ticks = frame.duration or self.plan.source.nominal_duration
        span = ticks * self.plan.source.info.time_base / self.plan.time_base
        self._pending[slot] = max(1, round(span))
        begin = self._shown[0] if self._shown else slot
        self._shown = (begin, slot + self._pending[slot])
        try:
            self._mux_video(self._video.encode(picture))
        except (av.error.FFmpegError, OSError, ValueError) as e:
            raise self._refusal(e) from e

    def finish(self) -> None:
        """Write what encoder and input still hold, and the file's index.

        Raises:
            OutputError: writing failed.
        """
        try:
            self._mux_video(self._video.encode(None))
            self._write_last()
            self.copier.copy_until(None)
            self._output.close()
        except (av.error.FFmpegError, OSError, ValueError) as e:
            raise self._refusal(e) from e

    def close(self) -> None:
        """Let go of everything; the file at `path` is the caller's to remove."""
        self._stack.close()

    def _add_streams(self, source: InputContainer, threads: int) -> None:
        output, keep = self._output, set(self.plan.copied)
        for stream in source.streams:
            if stream.index == self.plan.source.stream_index:
                self._video = self._add_video(stream, threads)
                stream.discard = Discard.all
            elif stream.index in keep and is_attached(self.plan.container, stream):
                assert isinstance(stream, VideoStream)
                attach_cover(output, self.plan.source, stream)
                stream.discard = Discard.all
            elif stream.index in keep:
                copy = output.add_stream_from_template(stream, opaque=True)
                copy.disposition = stream.disposition
                copy.metadata.update(track_tags(stream))
                self._streams[stream.index] = copy
            else:
                stream.discard = Discard.all
        output.metadata.update(
            {k: v for k, v in source.metadata.items() if k.lower() not in STALE_KEYS}
        )
        if chapters := source.chapters():
            output.set_chapters(chapters)
        with usual_scheduling():
            output.start_encoding()

    def _add_video(self, template: Stream, threads: int) -> VideoStream:
        plan, source = self.plan, self.plan.source
        video = self._output.add_stream(
            plan.codec,
            rate=source.info.rate,
            options=dict(plan.codec_options),
            width=source.stored_size[0],
            height=source.stored_size[1],
            time_base=plan.time_base,
        )
        assert isinstance(video, VideoStream)
        video.pix_fmt = plan.pix_fmt
        if source.sample_aspect is not None:
            video.sample_aspect_ratio = source.sample_aspect
        if source.display_matrix:
            video.set_display_matrix(source.display_matrix)
        video.colorspace, video.color_range = self._tags()
        video.color_primaries = source.info.color_primaries
        video.color_trc = source.info.color_transfer
        video.codec_context.thread_count = threads
        if self._is_mov and plan.codec == "libx265":
            video.codec_tag = "hvc1"  # the tag Apple players insist on
        if plan.container in ONE_TIME:
            video.max_b_frames = 0
        video.disposition = template.disposition
        tags = track_tags(template)
        kept = (k for k in tags if not k.upper().startswith(_STALE_PREFIXES))
        video.metadata.update({k: tags[k] for k in kept if k != "encoder"})
        return video

    def _tags(self) -> tuple[int, int]:
        """Return colour matrix and range tags of the encoded pixels."""
        info, encoding = self.plan.source.info, self.plan.source.encoding
        is_rgb = planar_of(self.plan.pix_fmt).startswith("gb")
        color_range = 2 if encoding.full_range else info.color_range
        if is_rgb == (encoding.matrix == "rgb"):
            matrix = info.color_matrix
            if not is_rgb and matrix == _RGB:
                matrix = _UNSPECIFIED
            return matrix, color_range
        return (_RGB, 2) if is_rgb else (_BT709, 1)

    def _slot(self, pts: int) -> int:
        """Return a frame's time in ticks of the encoder.

        On a grid it is the nearest slot after the first frame; elsewhere it must be exact.
        """
        plan = self.plan
        tick_s = plan.source.info.time_base
        exact = (pts * tick_s - self._start_s) / plan.time_base
        slot = round(exact)
        is_taken = self._last_slot is not None and slot <= self._last_slot
        if is_taken or (exact != slot and not plan.is_grid):
            raise OutputError(
                f"the frame at {float(pts * tick_s):.4f} s cannot be stored: "
                f"{plan.codec} in {plan.container} takes a constant rate of "
                f"{float(plan.source.info.rate):.3f} frames/s. Use libx264 in .mp4 or .mkv"
            )
        self._last_slot = slot
        return slot

    def _picture(self, frame: Frame) -> VideoFrame:
        plan, source = self.plan, self.plan.source
        planes, size = frame.planes, source.stored_size
        if source.turn_deg:
            planes = tuple(np.rot90(plane, source.turn_deg // 90) for plane in planes)
        if planar_of(plan.pix_fmt) == frame.encoding.pix_fmt:
            return frame_of(planes, plan.pix_fmt, size)
        matrix, color_range = self._tags()
        before_range = 2 if frame.encoding.full_range else 1
        stays_yuv = frame.encoding.matrix != "rgb" and matrix != _RGB
        spaces = {"bt709": 1, "fcc": 4, "bt601": 5, "smpte240m": 7, "bt2020": 9}
        space = spaces.get(frame.encoding.matrix, 1)
        return frame_of(planes, frame.encoding.pix_fmt, size).reformat(
            format=plan.pix_fmt,
            src_colorspace=space,
            dst_colorspace=space if stays_yuv else 1,
            src_color_range=before_range,
            dst_color_range=before_range if stays_yuv else color_range,
        )

    def _mux_video(self, packets: list[Packet[VideoStream]]) -> None:
        for packet in packets:
            if packet.pts is not None:
                packet.duration = self._pending.pop(packet.pts, packet.duration or 0)
            self._write_held()
            self._held = packet

    def _write_held(self) -> None:
        """Write the encoded packet held back, which shows it was not the last."""
        packet, self._held = self._held, None
        if packet is None:
            return
        if packet.dts is not None and self._first_dts is None:
            self._first_dts = packet.dts
            for slot in range(self._empty_slots):
                empty: Packet[Any] = Packet(0)
                empty.stream, empty.time_base = self._video, self.plan.time_base
                empty.pts = empty.dts = slot
                self._output.mux_one(empty)
        # From the encoder's count to the file's.
        scale, start = self.plan.time_base / self._ticks, self._begin_s / self._ticks
        if packet.pts is not None:
            packet.pts = int(packet.pts * scale + start)
        if packet.dts is not None:
            packet.dts = int(packet.dts * scale + start)
        packet.duration = int((packet.duration or 0) * scale)
        packet.time_base = self._ticks
        if packet.dts is not None:
            self.copier.copy_until(packet.dts * self._ticks)
        self._output.mux_one(packet)

    def _begin_at_zero(self, source: InputContainer, first_s: Fraction) -> None:
        """Begin an AVI, whose streams all begin at zero, when the first of them does.

        A picture that comes later waits for some frames, which AVI stores as empty packets.
        """
        clock = self.plan.source.clock
        starts = [first_s]
        for stream in (source.streams[i] for i in self.plan.copied):
            if stream.type == "audio" and stream.start_time is not None and stream.time_base:
                moved = sum(shift for _, shift in clock.shifts.get(stream.index, ())[:1])
                starts.append(stream.start_time * stream.time_base + moved)
        self._zero_s = min(starts)
        # Half a frame and less, as the lead-in of many a sound codec, is no reason to wait.
        self._empty_slots = int((first_s - self._zero_s) / self.plan.time_base + Fraction(2, 5))
        self._begin_s = self._empty_slots * self.plan.time_base

    def _write_last(self) -> None:
        """Write the last packet, which in MP4 decides how long the video is said to be.

        MP4 sums up decoding intervals, so the last is made what is missing to the time shown.
        """
        packet = self._held
        if packet is not None and packet.dts is not None and self._is_mov:
            first = self._first_dts if self._first_dts is not None else packet.dts
            packet.duration = max(1, first + self._shown[1] - self._shown[0] - packet.dts)
        self._write_held()

    def _refusal(self, error: BaseException) -> OutputError:
        plan = self.plan
        if cure := cure_of(error):  # no matter what is written, and how
            return OutputError(f"{plan.path} cannot be written: {words_of(error)}; {cure}")
        options = ", ".join([plan.pix_fmt, *map(" ".join, plan.codec_options)])
        limits = ENCODERS.get(plan.codec, Encoder()).limits
        takes = f"{plan.codec} takes {limits}; " if limits else ""
        return OutputError(
            f"{plan.path} cannot be written as {plan.container} with {plan.codec} ({options}): "
            f"{words_of(error)}; {takes}write {safer_name(plan.path)}; or choose another --codec"
        )
