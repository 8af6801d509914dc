"""An output tried out: a few frames and packets written, read back and compared with the input."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from contextlib import closing

import numpy as np
from av.codec.codec import Codec
from av.container import InputContainer
from av.stream import Disposition, Stream

from ...errors import OutputError, VideoError
from ...types import Frame
from .containers import MOV_FAMILY, safer_name
from .copies import track_tags
from .encode import trial_file
from .file import OutputPlan, VideoFile
from .inputs import open_input, videos_of
from .mux import STALE_KEYS, Muxer
from .planes import plane_shapes
from .probe import probe

_TICKS_LIMIT = 1 << 30
_TRIAL_FRAMES = 3
_RANDOM = {"matroska", "webm", "ogg", "ogv", "mxf", "mxf_opatom"}
"""Containers into which FFmpeg writes random numbers unless told not to: the same edit would give
another file each time."""


def container_options(plan: OutputPlan, *, tags: bool) -> tuple[tuple[str, str], ...]:
    """Return the muxer's options; `tags` writes any metadata key into MP4, not the usual ones."""
    if plan.container == "avi":
        # Frame numbers cannot be shifted by part of a frame to make room for early audio.
        return (("avoid_negative_ts", "disabled"),)
    if plan.container in _RANDOM:
        return (("fflags", "+bitexact"),)
    if plan.container not in MOV_FAMILY:
        return ()
    # Start offsets are stored in the movie's time scale: make it divide every stream's.
    with open_input(plan.source.path) as opened:
        bases = [opened.streams[index].time_base for index in plan.copied]
    scale = math.lcm(plan.time_base.denominator, *(base.denominator for base in bases if base))
    movflags = "+faststart+use_metadata_tags" if tags else "+faststart"
    scale = scale if scale < _TICKS_LIMIT else plan.time_base.denominator
    while scale < 1000:
        scale *= 2
    return (("movflags", movflags), ("movie_timescale", str(scale)))


def tried(plan: OutputPlan) -> OutputPlan:
    """Return the plan after a trial, with what the trial showed added to it."""
    found = _trial(plan)
    if found.turn_lost:
        turned = f"the pixels are turned, because {plan.container} cannot store a rotation"
        upright = plan.source.resized((plan.source.info.width, plan.source.info.height))
        plan = dataclasses.replace(plan, source=upright, warnings=(*plan.warnings, turned))
        found = _trial(plan)
    if found.keys_lost and plan.container in MOV_FAMILY:
        tagged = dataclasses.replace(plan, container_options=container_options(plan, tags=True))
        second = _trial(tagged)
        if len(second.keys_lost) < len(found.keys_lost):
            plan, found = tagged, second
    keys = f"{plan.container} cannot store the metadata {', '.join(found.keys_lost)}"
    warnings = (*plan.warnings, *found.sentences, *([keys] if found.keys_lost else []))
    return dataclasses.replace(plan, warnings=warnings)


@dataclasses.dataclass(frozen=True, slots=True)
class _Findings:
    """What a trial output did not keep."""

    turn_lost: bool
    keys_lost: tuple[str, ...]
    sentences: tuple[str, ...]
    """On all else."""


def _trial(plan: OutputPlan) -> _Findings:
    """Write a few frames and read them back."""
    frames = [_noise(plan.source, k) for k in range(_TRIAL_FRAMES)]
    # With some of their packets, without which some containers write nothing at all.
    until_s = (frames[-1].pts + frames[-1].duration) * plan.source.info.time_base
    with trial_file(plan) as path:
        with closing(Muxer(plan, path, threads=1, until_s=until_s)) as muxer:
            for frame in frames:
                muxer.encode(frame)
            muxer.finish()
        try:
            made = probe(path, plan.position)
            with open_input(plan.source.path) as before, open_input(path) as after:
                return _compare(plan, made, before, after)
        except VideoError as e:
            raise OutputError(f"{plan.path}: a trial of the output cannot be read back: {e}") from e


def _noise(source: VideoFile, index: int) -> Frame:
    """Return a frame with a strip of noise: of black alone MPEG-TS files are too small to probe."""
    encoding, info = source.encoding, source.info
    kind = np.uint8 if encoding.bits == 8 else np.uint16
    generator = np.random.default_rng(index)
    planes = []
    for shape in plane_shapes(encoding.pix_fmt, *source.stored_size):
        plane = np.full(shape, 1 << (encoding.bits - 1), kind)
        plane[:16] = generator.integers(0, 1 << encoding.bits, plane[:16].shape)
        planes.append(plane)
    if source.turn_deg:
        planes = [np.rot90(plane, -source.turn_deg // 90) for plane in planes]
    step = max(source.nominal_duration, math.ceil(1 / (info.rate * info.time_base)))
    return Frame(index, source.first_pts + index * step, step, tuple(planes), encoding)


def _compare(
    plan: OutputPlan, made: VideoFile, before: InputContainer, after: InputContainer
) -> _Findings:
    source, wanted, got = plan.source, plan.source.info, made.info
    if got.codec != Codec(plan.codec, "w").canonical_name:
        raise OutputError(
            f"{plan.path}: {plan.codec} in {plan.container} reads back as {got.codec}; write "
            f"{safer_name(plan.path)}, or choose another --codec"
        )
    upright = (wanted.width, wanted.height) == (got.width, got.height)
    turn_lost = made.display_matrix != source.display_matrix
    others = []
    if turn_lost and not source.turn_deg:
        others.append("the display matrix")
    if (source.sample_aspect or 1) != (made.sample_aspect or 1):
        others.append(
            f"the pixel aspect ratio {source.sample_aspect or 1} (it reads back as "
            f"{made.sample_aspect or 1})"
        )
    if not turn_lost and not upright:
        others.append(
            f"pictures of {wanted.width}x{wanted.height}; it made {got.width}x{got.height}"
        )
    same_pixels = made.encoding.pix_fmt == source.encoding.pix_fmt
    for name, a, b in (
        ("range", wanted.color_range, got.color_range),
        ("primaries", wanted.color_primaries, got.color_primaries),
        ("transfer", wanted.color_transfer, got.color_transfer),
        ("matrix", wanted.color_matrix, got.color_matrix),
    ):
        unspecified = 0 if name == "range" else 2
        if a not in (b, unspecified) and (same_pixels or name in ("primaries", "transfer")):
            others.append(f"the colour {name} tag ({a}; it reads back as {b})")
    if source.hdr is not None and made.hdr != source.hdr:
        others.append("the static HDR metadata exactly (mastering display, light level)")
    others += _marks_lost(plan, before, after)
    sentences = [f"{plan.container} with {plan.codec} cannot store {what}" for what in others]
    if len(before.chapters()) != len(after.chapters()):
        sentences.append(f"{plan.container} cannot store chapters; they are left out")
    keys = {k.lower() for k in before.metadata} - STALE_KEYS - {k.lower() for k in after.metadata}
    return _Findings(turn_lost and bool(source.turn_deg), tuple(sorted(keys)), tuple(sentences))


def _marks_lost(plan: OutputPlan, before: InputContainer, after: InputContainer) -> list[str]:
    """Return which languages, titles and marks of streams are not found again."""
    lost: dict[str, list[str]] = {}
    own = (plan.source.stream_index, *plan.copied)
    for kind in ("video", "audio", "subtitle"):
        old = [s for s in _streams(before, kind) if s.index in own]
        for a, b in zip(old, _streams(after, kind), strict=False):
            for what, values in _marks_of(a).items():
                if values and values != _marks_of(b)[what]:
                    lost.setdefault(what, []).append(f"{a.index} ({values})")
    return [f"the {what} of stream {', '.join(streams)}" for what, streams in lost.items()]


def _streams(container: InputContainer, kind: str) -> Sequence[Stream]:
    if kind == "video":
        return videos_of(container)
    return [s for s in container.streams if s.type == kind]


def _marks_of(stream: Stream) -> dict[str, str]:
    tags = stream.metadata
    language = tags.get("language", "")
    marks = stream.disposition & ~Disposition.default
    return {
        "language": "" if language == "und" else language,
        "title": track_tags(stream).get("title", ""),
        "marks": ", ".join(str(m.name).replace("_", " ") for m in Disposition if m & marks),
    }
