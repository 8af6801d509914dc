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
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Discard, Stream
from av.video.stream import VideoStream

from ...errors import OutputError, cure_of, words_of
from ...types import Frame
from .containers import safer_name
from .copies import Copier, attach_cover, is_attached, track_tags
from .encoders import ENCODERS, Encoder
from .encoding import Encoded, Encoding
from .file import OutputPlan
from .inputs import open_input
from .scheduling import usual_scheduling

STALE_KEYS = {"encoder", "major_brand", "minor_version", "compatible_brands", "duration"}
"""Container tags the muxer writes itself."""

_STALE_PREFIXES = ("BPS", "NUMBER_OF_", "_STATISTICS_", "DURATION", "ALPHA_MODE")
"""Matroska statistics of the video as it was before."""


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
        self._encoding = Encoding(plan)
        self._begin_s = self._encoding.start_s - (plan.part.earlier_s if plan.part else 0)
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
            self.copier = Copier(source, plan, self._output, self._streams, until_s, self._zero_s)
            """Of the other streams, with what it counted and what is odd about them."""
        except (av.error.FFmpegError, OSError, ValueError) as e:
            self.close()
            raise self._refusal(e) from e

    def encode(self, frame: Frame) -> None:
        """Encode the next frame.

        Raises:
            OutputError: writing failed, or the frame's time cannot be stored.
        """
        picture = self._encoding.picture(frame)
        assert picture.pts is not None
        self._expect(picture.pts, frame.pts, frame.duration)
        try:
            self._mux_video(self._video.encode(picture))
        except (av.error.FFmpegError, OSError, ValueError) as e:
            raise self._refusal(e) from e

    def mux_encoded(self, packet: Encoded) -> None:
        """Write a packet that was encoded elsewhere as `encode` would have done it.

        Packets come in decoding order. What is written depends on what `Encoded` holds alone.

        Raises:
            OutputError: writing failed, or the frame's time cannot be stored.
        """
        made: Packet[Any] = Packet(packet.payload)
        made.stream, made.time_base = self._video, self.plan.time_base
        made.pts, made.dts, made.is_keyframe = packet.slot, packet.due, packet.is_key
        made.duration = packet.span
        begin, end = self._shown or (packet.slot, 0)
        self._shown = (min(begin, packet.slot), max(end, packet.slot + packet.span))
        try:
            self._mux_video([made])
        except (av.error.FFmpegError, OSError, ValueError) as e:
            raise self._refusal(e) from e

    @property
    def extradata(self) -> bytes:
        """What the encoder says once for all packets; the same options give the same."""
        return self._video.codec_context.extradata or b""

    def finish(self) -> None:
        """Write what encoder and input still hold, and the file's index.

        Raises:
            OutputError: writing failed.
        """
        try:
            if self._last_slot is not None:
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
        chapters = source.chapters()
        if (part := self.plan.part) is not None:
            chapters = part.chapters(chapters)
            for tags in (output.metadata, self._video.metadata):
                tags.update(part.tags(tags, self.plan.source.info.rate))
        if chapters:
            output.set_chapters(chapters)
        with usual_scheduling():
            output.start_encoding()

    def _add_video(self, template: Stream, threads: int) -> VideoStream:
        plan, source = self.plan, self.plan.source
        video = self._encoding.add_stream(self._output, threads)
        if source.display_matrix:
            video.set_display_matrix(source.display_matrix)
        if self._is_mov and plan.codec == "libx265":
            video.codec_tag = "hvc1"  # the tag Apple players insist on
        video.disposition = template.disposition
        tags = track_tags(template)
        kept = (k for k in tags if not k.upper().startswith(_STALE_PREFIXES))
        video.metadata.update({k: tags[k] for k in kept if k != "encoder"})
        return video

    def _mux_video(self, packets: list[Packet[VideoStream]]) -> None:
        for packet in packets:
            if packet.pts is not None:
                packet.duration = self._pending.pop(packet.pts, packet.duration or 0)
            self._write_held()
            self._held = packet

    def _expect(self, slot: int, pts: int, duration: int) -> None:
        """Note when the next frame given to the encoder is shown, and how long."""
        if self._last_slot is not None and slot <= self._last_slot:
            raise self._encoding.unstorable(pts)
        self._last_slot = slot
        self._pending[slot] = self._encoding.span(duration)
        begin = self._shown[0] if self._shown else slot
        self._shown = (begin, slot + self._pending[slot])

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
        if self.plan.part is not None:  # whose sound begins with its first frame
            self._zero_s, self._begin_s = first_s, -self.plan.part.earlier_s
            return
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
