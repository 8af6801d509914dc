"""Segments: files that hold the encoded frames of a piece of an output and nothing else.

Their times are not looked at: NUT moves them where a decoding time would be negative. The frame a
packet shows is known by its rank, which the facts of the segment tell, and its time is that of the
frame in the clip.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import av

from ...errors import OutputError, words_of
from ...files import written_whole
from ...targets import output_errors
from ...types import Frame
from .cells import Cell, DecodingTimes, encoder_facts, other_parameters, segment_format
from .encoding import Encoded, Encoding
from .file import OutputPlan
from .inputs import open_input, packets_of
from .mux import let_go
from .verify import checksum

SEGMENT_VERSION = 1
"""Of the facts."""

Segment = tuple[Path, Mapping[str, Any]]
"""A segment file and its facts."""


class SegmentWriter:
    """Writes the frames of one segment into a file; a context manager.

    `facts` are there once the block was left normally; else there is no file either.

    Args:
        plan: of the whole output.
        path: of the segment; what is there is replaced.
        threads: of the encoder.
    """

    def __init__(self, plan: OutputPlan, path: Path, threads: int) -> None:
        self.path, self._plan, self._threads = path, plan, threads
        self._opened = ExitStack()
        self._cell: Cell | None = None
        self._pts: list[int] = []
        self._durations: list[int] = []
        self._packets: list[list[int]] = []
        self._checksums: list[int] = []
        self.facts: dict[str, Any] = {}
        """See `base.SegmentSink.facts`."""

    def __enter__(self) -> SegmentWriter:
        with output_errors(self.path, "the segment"), ExitStack() as opened:
            beside = opened.enter_context(written_whole(self.path, suffix=self.path.suffix))
            self._beside = beside
            try:
                self._file = av.open(
                    f"file:{beside.absolute()}", "w", format=segment_format(self._plan)
                )
                opened.callback(let_go, self._file)
                self._cell = Cell(Encoding(self._plan), self._file, self._threads)
            except (av.error.FFmpegError, ValueError) as e:
                raise self._refusal(e) from e
            self._opened = opened.pop_all()
        return self

    def write(self, frame: Frame) -> None:
        """Encode the next frame, in presentation order.

        Raises:
            OutputError: it cannot be encoded or written.
        """
        self._encode(frame)
        self._pts.append(frame.pts)
        self._durations.append(frame.duration)
        if self._plan.is_lossless:
            self._checksums.append(checksum(frame))

    def __exit__(self, kind: type[BaseException] | None, *raised: Any) -> None:
        if kind is not None:
            self._opened.__exit__(kind, *raised)
            return
        with output_errors(self.path, "the segment"), self._opened:
            self._finish()

    def _finish(self) -> None:
        cell, plan = self._cell, self._plan
        assert cell is not None
        if self._pts:
            self._encode(None)
        if not self._pts or len(cell.order) != len(self._pts):
            raise OutputError(
                f"{self.path}: {len(self._pts)} frames were given and {len(cell.order)} came out "
                f"of {plan.codec}; use libx264"
            )
        let_go(self._file)
        self.facts = {
            "segment_version": SEGMENT_VERSION,
            "pts": self._pts,
            "durations": self._durations,
            "packets": self._packets,
            "checksums": self._checksums,
            "delay": cell.delay,
            "bytes": self._beside.stat().st_size,
            "encoder": encoder_facts(plan, self._threads),
            "extradata": hashlib.sha256(cell.extradata).hexdigest(),
        }

    def _encode(self, frame: Frame | None) -> None:
        cell = self._cell
        if cell is None:
            raise RuntimeError("SegmentWriter must be entered with `with`")
        try:
            for packet in cell.encode(frame):
                number = len(self._packets)
                self._packets.append([cell.order[number], int(packet.is_keyframe), packet.size])
                self._file.mux_one(packet)
        except (av.error.FFmpegError, ValueError) as e:
            raise self._refusal(e) from e

    def _refusal(self, error: BaseException) -> OutputError:
        return OutputError(
            f"the segment {self.path} cannot be written with {self._plan.codec}: {words_of(error)}"
        )


def joined(
    plan: OutputPlan, segments: Sequence[Segment], threads: int, extradata: bytes
) -> Iterator[Encoded]:
    """Yield the packets of all segments, as one `GridEncoder` of the same grid would make them.

    Args:
        plan: of the output.
        segments: in order.
        threads: of the encoder they were made with.
        extradata: of the output.

    Raises:
        OutputError: a segment is damaged, or was made with other options than the output.
    """
    encoding = Encoding(plan)
    for path, facts in segments:
        _check(plan, path, facts, threads, extradata)
    slots = [encoding.slot(pts) for _, facts in segments for pts in facts["pts"]]
    if any(later <= slot for slot, later in pairwise(slots)):
        raise OutputError(f"{plan.path}: the segments are not given in order")
    times = DecodingTimes(slots, max(int(facts["delay"]) for _, facts in segments))
    begin = 0
    for path, facts in segments:
        spans = facts["durations"]
        payloads = _payloads(path, [size for *_, size in facts["packets"]])
        for (rank, is_key, _), payload in zip(facts["packets"], payloads, strict=True):
            span = encoding.span(spans[rank])
            yield Encoded(payload, slots[begin + rank], times.next(), span, bool(is_key))
        begin += len(spans)


def _check(
    plan: OutputPlan, path: Path, facts: Mapping[str, Any], threads: int, extradata: bytes
) -> None:
    wanted = encoder_facts(plan, threads)
    if facts.get("segment_version") != SEGMENT_VERSION:
        raise OutputError(
            f"the segment {path} is of version {facts.get('segment_version')}, this program reads "
            f"{SEGMENT_VERSION}; make it again"
        )
    found = dict(facts["encoder"])
    if found != wanted:
        name = next(n for n in {**wanted, **found} if found.get(n) != wanted.get(n))
        raise OutputError(
            f"the segment {path} was made with {name} {found.get(name)}, the output takes "
            f"{wanted.get(name)}; make it again with the options of the output"
        )
    if facts["extradata"] != hashlib.sha256(extradata).hexdigest():
        raise other_parameters(plan)
    if not facts["packets"][0][1]:
        raise OutputError(f"the segment {path} does not begin with a keyframe; make it again")


def _payloads(path: Path, sizes: Sequence[int]) -> Iterator[bytes]:
    """Yield what the packets of a segment file hold; they must have the sizes it was made with."""
    with open_input(path) as file:
        count = 0
        try:
            for packet in packets_of(file, [file.streams.video[0]]):
                if count == len(sizes) or packet.size != sizes[count]:
                    raise damaged(path)
                yield bytes(packet)
                count += 1
        except av.error.FFmpegError as e:
            raise damaged(path) from e
    if count != len(sizes):
        raise damaged(path)


def damaged(path: Path) -> OutputError:
    """Return the error of a segment that is not what was written."""
    return OutputError(f"the segment {path} is damaged: it is not what was written; make it again")
