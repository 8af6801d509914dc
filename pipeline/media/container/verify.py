"""Reading back what was written: every frame there, at its time, and the other streams whole."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path

import av
import numpy as np

from ...errors import OutputError, words_of
from ...types import Frame
from ..damage import summarize
from .copies import CopyCount, is_filler
from .decode import VideoReader
from .file import OutputPlan
from .inputs import open_input, packets_of, videos_of
from .probe import probe

_KINDS = ("audio", "subtitle", "data")

_SYNC_TOLERANCE_S = Fraction(1, 1000)
"""Rounding a container may add between streams [s]: one tick of Matroska."""


def verify(
    path: Path, plan: OutputPlan, pts: Sequence[int], copied: Mapping[int, CopyCount]
) -> list[str]:
    """Return sentences on what the finished file holds otherwise than it should.

    Args:
        path: the finished file, still under its temporary name.
        plan: what was to be written.
        pts: times of all frames written [ticks of the input's time base], ascending.
        copied: what was copied of each stream of the input.

    Raises:
        OutputError: the file cannot be read, or frames are missing or too many.
    """
    times, others = _read(path, plan)
    if len(times) != len(pts):
        raise OutputError(
            f"{plan.path}: {len(pts)} frames were given and {len(times)} arrived in the file; "
            f"{plan.codec} in {plan.container} does not keep every frame. Use libx264 in .mp4"
        )
    base = plan.source.info.time_base
    known = [t for t in times if t is not None]
    moved = plan.part.earlier_s if plan.part is not None else Fraction(0)
    given = [p * base - moved for p in pts]
    shift = known[0] - given[0] if known else Fraction(0)
    worst = Fraction(0)
    if len(known) == len(pts):  # program streams time only some packets
        worst = max(abs(t - shift - g) for t, g in zip(known, given, strict=True))
    found = []
    if worst:
        found.append(
            f"frame times are rounded by up to {float(worst) * 1000:.3f} ms, which is as fine as "
            f"{plan.container} stores them"
        )
    if shift:
        when = "later" if shift > 0 else "earlier"
        found.append(
            f"the whole file begins {abs(float(shift)) * 1000:.3f} ms {when} than the input: "
            f"{plan.container} cannot store its start time"
        )
    for kind in _KINDS:
        indices = [s.index for s in plan.source.others if s.kind == kind and s.index in copied]
        for index, after in zip_longest(indices, others[kind][: len(indices)]):
            found.extend(_compare(index, copied[index], after or CopyCount(), shift))
    return found


def checksum(frame: Frame) -> int:
    """Return the CRC-32 of a picture over all planes."""
    found = 0
    for plane in frame.planes:
        found = zlib.crc32(np.ascontiguousarray(plane).data, found)
    return found


def verify_decoded(
    path: Path, plan: OutputPlan, pts: Sequence[int], given: Sequence[int]
) -> list[str]:
    """Decode the finished file; return sentences on what it shows otherwise than it should.

    Args:
        path, plan, pts: as for `verify`.
        given: `checksum` of every frame that was written; empty: pictures are not compared.

    Raises:
        OutputError: frames are missing, cannot be decoded, come at other times, or differ where
            the encoder is lossless.
    """
    made, times, other = probe(path, plan.position), [], []
    is_same_format = made.encoding.pix_fmt == plan.source.encoding.pix_fmt
    with VideoReader(made) as reader:
        for frame in reader:
            times.append(frame.pts * made.info.time_base)
            known = frame.index < len(pts) and given and is_same_format
            if known and checksum(frame) != given[frame.index]:
                other.append(frame.index)
    if reader.damage:
        raise OutputError(f"{plan.path}: decoded again, {summarize(reader.damage)[0]}")
    if len(times) != len(pts):
        raise OutputError(
            f"{plan.path}: {len(pts)} frames were given and {len(times)} come out of the file; "
            f"{plan.codec} in {plan.container} does not keep every frame. Use libx264 in .mp4"
        )
    if other:
        raise OutputError(
            f"{plan.path}: {len(other)} frames, the first of them {other[0]}, are not what was "
            f"given to {plan.codec}, which is lossless; the disk or the encoder made a mistake"
        )
    base = plan.source.info.time_base
    shift = times[0] - pts[0] * base
    worst = max(abs(t - shift - p * base) for t, p in zip(times, pts, strict=True))
    # What a container rounds is less than half a frame; more, and a frame shows in another's place.
    if worst > 1 / (2 * plan.source.info.rate) and worst > _SYNC_TOLERANCE_S:
        return [f"decoded frames come up to {float(worst) * 1000:.1f} ms off their times"]
    return []


def _compare(index: int, before: CopyCount, after: CopyCount, shift: Fraction) -> list[str]:
    found = []
    is_whole = before.checksum == after.checksum or before.payload_bytes == after.payload_bytes
    if not is_whole and before.packets != after.packets:
        found.append(
            f"stream {index}: {before.packets} packets were copied, {after.packets} are found again"
        )
    if before.first_s is not None and after.first_s is not None:
        slip = after.first_s - before.first_s - shift
        if abs(slip) > _SYNC_TOLERANCE_S:
            found.append(
                f"stream {index} begins {float(slip) * 1000:+.1f} ms off against the video"
            )
    return found


def _read(path: Path, plan: OutputPlan) -> tuple[list[Fraction | None], dict[str, list[CopyCount]]]:
    """Return the times of the video in order, and the counts of the other streams by kind.

    A container that stores no presentation times at all (AVI) counts by decoding times.
    """
    shown: list[Fraction | None] = []
    decoded: list[Fraction | None] = []
    with open_input(path) as container:
        video = videos_of(container)[plan.position]
        counts = {s.index: CopyCount() for s in container.streams}
        try:
            for packet in packets_of(container, list(container.streams)):
                if is_filler(packet):
                    continue
                stamp = packet.pts if packet.pts is not None else packet.dts
                time = None if stamp is None else stamp * packet.time_base
                if packet.stream.index == video.index:
                    shown.append(time if packet.pts is not None else None)
                    decoded.append(time)
                else:
                    counts[packet.stream.index].add(packet, time)
        except av.error.FFmpegError as e:
            raise OutputError(f"{plan.path}: the written file is damaged: {words_of(e)}") from e
        kinds = {kind: [s.index for s in container.streams if s.type == kind] for kind in _KINDS}
        times = shown if any(t is not None for t in shown) else decoded
        times.sort(key=lambda t: (t is None, t))
        return times, {k: [counts[i] for i in found] for k, found in kinds.items()}
