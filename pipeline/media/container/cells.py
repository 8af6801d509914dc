"""Encoders that begin anew: the video in pieces, so that they can be made anywhere.

Every packet is known by its rank, which frame of its piece it shows; decoding times are made for
the whole, because those of single pieces overlap.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import av
from av.packet import Packet
from av.video.stream import VideoStream

from ...errors import OutputError
from ...types import Frame
from .encoding import Encoded, Encoding
from .file import OutputPlan
from .mux import let_go
from .scheduling import usual_scheduling
from .starts import INTRA

INTER_FRAMES, INTRA_FRAMES = 240, 48
"""Usual frames of a segment: of codecs that predict from other pictures, and of those that do not.
A keyframe every 96 frames costs 2.4 % of a file (720p, libx264, crf 14), so 240 about 1 %."""


def usual_frames(plan: OutputPlan) -> int:
    """Return how many frames a segment of an output usually has."""
    codec = av.Codec(plan.codec, "w").canonical_name
    return INTRA_FRAMES if codec in INTRA else INTER_FRAMES


def segment_format(plan: OutputPlan) -> str:
    """Return FFmpeg's name of the container for segments: NUT, which refuses ProRes and DNxHR."""
    return "mov" if plan.codec.startswith(("prores", "dnxhd")) else "nut"


class Cell:
    """One encoder from its first frame to its last; its packets, in decoding order.

    Args:
        encoding: of the output.
        file: where its stream is added; packets are not written to it here.
        threads: of the encoder.
    """

    def __init__(
        self, encoding: Encoding, file: av.container.OutputContainer, threads: int
    ) -> None:
        self._encoding = encoding
        self.stream: VideoStream = encoding.add_stream(file, threads)
        with usual_scheduling():
            file.start_encoding()
        self.slots: list[int] = []
        self._ranks: dict[int, int] = {}
        self.delay = 0
        """By how many frames decoding runs ahead, as far as packets came."""
        self.order: list[int] = []
        """Ranks of the frames that the packets show."""

    @property
    def extradata(self) -> bytes:
        """What the encoder says once for all packets."""
        return self.stream.codec_context.extradata or b""

    def encode(self, frame: Frame | None) -> list[Packet[VideoStream]]:
        """Return the packets that are complete with the next frame; None: with no other.

        Raises:
            OutputError: the frame's time cannot be stored, or what the encoder makes cannot be.
        """
        if frame is None:
            return [self._ranked(packet) for packet in self.stream.encode(None)]
        picture = self._encoding.picture(frame)
        slot = picture.pts
        assert slot is not None
        if self.slots and slot <= self.slots[-1]:
            raise self._encoding.unstorable(frame.pts)
        self._ranks[slot] = len(self.slots)
        self.slots.append(slot)
        return [self._ranked(packet) for packet in self.stream.encode(picture)]

    def _ranked(self, packet: Packet[VideoStream]) -> Packet[VideoStream]:
        plan = self._encoding.plan
        if packet.has_sidedata("matroska_block_additional"):
            raise OutputError(
                f"{plan.path}: {plan.codec} stores transparency beside its packets, which segments "
                "cannot hold; leave --chunk out, or use another --codec (ffv1, prores_ks)"
            )
        if packet.pts not in self._ranks or (not self.order and not packet.is_keyframe):
            raise OutputError(
                f"{plan.path}: {plan.codec} does not make one packet of every frame, or begins "
                "without a keyframe, so its output cannot be put together from pieces; leave "
                "--chunk out, or use libx264"
            )
        rank = self._ranks.pop(packet.pts)
        if not self.order and packet.dts is not None:
            ahead = 2 * self.slots[0] - packet.dts
            self.delay = bisect_right(self.slots, ahead) - 1
        self.delay = max(self.delay, len(self.order) - rank)
        self.order.append(rank)
        return packet


class DecodingTimes:
    """When the packets of a whole output are decoded, one after the other.

    As x264 has it: the times at which frames are shown, `delay` frames earlier; the first ones
    as much before the first frame as the frame after `delay` others comes after it.
    """

    def __init__(self, slots: Sequence[int], delay: int) -> None:
        self._slots, self._delay = slots, min(delay, len(slots) - 1)
        self._count = 0

    def next(self) -> int:
        """Return the time of the next packet."""
        count, slots, delay = self._count, self._slots, self._delay
        self._count += 1
        if count >= delay:
            return slots[count - delay]
        return slots[count] - (slots[delay] - slots[0])


class GridEncoder:
    """Encodes a video with an encoder anew every so many frames.

    Args:
        plan: of the output.
        times: pts of all frames to come [ticks of the input].
        size: frames of an encoder.
        threads: of an encoder.
    """

    def __init__(self, plan: OutputPlan, times: Sequence[int], size: int, threads: int) -> None:
        self._encoding = Encoding(plan)
        self._slots = [self._encoding.slot(pts) for pts in times]
        self._size, self._threads = size, threads
        self._cells = ExitStack()
        self._cell: Cell | None = None
        self._spans: dict[int, int] = {}
        self._times: DecodingTimes | None = None
        self._delay = 0

    def encode(self, frame: Frame, extradata: bytes) -> Iterator[Encoded]:
        """Yield the packets that are complete with the next frame; `extradata`: of the output."""
        if self._cell is not None and len(self._cell.slots) == self._size:
            yield from self.finish()
        if self._cell is None:
            self._cell = self._next_cell(extradata)
        packets = self._cell.encode(frame)
        self._spans[self._cell.slots[-1]] = self._encoding.span(frame.duration)
        yield from map(self._encoded, packets)

    def finish(self) -> Iterator[Encoded]:
        """Yield what the present encoder still holds."""
        if self._cell is not None:
            yield from map(self._encoded, self._cell.encode(None))
        self.close()

    def close(self) -> None:
        """Let go of the present encoder."""
        self._cell = None
        self._cells.close()

    def _next_cell(self, extradata: bytes) -> Cell:
        plan = self._encoding.plan
        file = av.open(io.BytesIO(), "w", format=segment_format(plan))
        self._cells.callback(let_go, file)
        cell = Cell(self._encoding, file, self._threads)
        if cell.extradata != extradata:
            raise other_parameters(plan)
        return cell

    def _encoded(self, packet: Packet[VideoStream]) -> Encoded:
        assert self._cell is not None
        assert packet.pts is not None
        if self._times is None:
            self._delay = self._cell.delay
            self._times = DecodingTimes(self._slots, self._delay)
        if self._cell.delay > self._delay:
            raise OutputError(
                f"{self._encoding.plan.path}: {self._encoding.plan.codec} changes by how many "
                "frames decoding runs ahead; leave --chunk out, or use libx264"
            )
        span = self._spans.pop(packet.pts)
        return Encoded(bytes(packet), packet.pts, self._times.next(), span, packet.is_keyframe)


def encoder_facts(plan: OutputPlan, threads: int) -> dict[str, str]:
    """Return all that decides the bytes of a segment beside its frames, by FFmpeg's names."""
    size = "x".join(map(str, plan.source.stored_size))
    named = {
        "codec": plan.codec,
        "pix_fmt": plan.pix_fmt,
        "size": size,
        "time_base": str(plan.time_base),
        "start": str(Encoding(plan).start_s),
        "threads": str(threads),
        "format": segment_format(plan),
        "pyav": av.__version__,
    }
    return named | {f"option {name}": value for name, value in plan.codec_options}


def other_parameters(plan: OutputPlan) -> OutputError:
    """Return the error of an encoder that gives two segments different parameters."""
    return OutputError(
        f"{plan.path}: {plan.codec} was set up in the same way twice and its parameters differ, so "
        "pieces of its output cannot be put together; make all segments with one version of the "
        "program, or leave --chunk out"
    )
