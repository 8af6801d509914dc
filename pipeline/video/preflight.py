"""Every reason why an output could fail, found before the first frame.

The output is tried for real: its streams and a few frames are written beside the target, read
back, compared with what the input has, and removed. What cannot be kept becomes an error or a
named warning.
"""

from __future__ import annotations

import dataclasses
import io
import math
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.stream import Discard, Stream

from ..config import EncodeOptions
from ..errors import OutputError, VideoError
from ..types import Frame
from .encode import temporary_path
from .encoders import (
    ENCODERS,
    Encoder,
    choose_encoder,
    choose_pix_fmt,
    encoder_options,
    hdr_options,
    is_same_family,
)
from .inputs import open_input
from .mux import Muxer
from .plan import OutputPlan
from .planes import plane_shapes
from .probe import Source, probe

_MOV_FAMILY = {"mp4", "mov", "ipod", "3gp", "3g2", "psp"}
_GRID_CONTAINERS = {"avi"}
"""Containers that store frame numbers, not times."""

_TICKS_LIMIT = 1 << 30
_TRIAL_FRAMES = 3


def preflight_output(
    path: Path, source: Source, options: EncodeOptions, *, overwrite: bool = False
) -> OutputPlan:
    """Return how an output will be written, after trying it out.

    Args:
        path: the target; its ending chooses the container.
        source: what `probe` found of the input.
        options: FFmpeg's encoder name, crf, preset and pixel format; None means like the input.
        overwrite: replace an existing file (never the input itself).

    Raises:
        OutputError: whatever would make the run fail later, naming what is accepted.
    """
    _check_path(path, source, overwrite)
    container = _container(path)
    codec = choose_encoder(source, options.codec, container)
    pix_fmt, lost = choose_pix_fmt(source, codec, options.pix_fmt)
    codec_options = dict(encoder_options(source, codec, options))
    warnings = [*source.warnings, *([lost] if lost else [])]
    if options.codec is None and not is_same_family(source, codec):
        warnings.append(f"the video is written with {codec}: {source.info.codec} is not possible")
    if source.hdr is not None and (hdr := hdr_options(codec, source.hdr)):
        before = codec_options.get(hdr[0])
        codec_options[hdr[0]] = f"{before}:{hdr[1]}" if before else hdr[1]
    plan = OutputPlan(
        path=path,
        source=source,
        container=container,
        codec=codec,
        pix_fmt=pix_fmt,
        codec_options=tuple(codec_options.items()),
        container_options=(),
        time_base=source.info.time_base,
        is_grid=False,
        copied=(),
        bake_rotation=False,
        overwrite=overwrite,
        warnings=tuple(warnings),
    )
    plan = _with_copies(_with_timing(plan))
    plan = dataclasses.replace(plan, container_options=_container_options(plan, tags=False))
    return _tried(plan)


def _check_path(path: Path, source: Source, overwrite: bool) -> None:
    if path.is_dir():
        raise OutputError(f"{path} is a folder; give the name of the file to write")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist; make it first")
    if path.exists():
        if path.samefile(source.path):
            raise OutputError(f"{path} is the input itself; give another name for the output")
        if not overwrite:
            raise OutputError(f"{path} exists; use --overwrite to replace it, or another name")


def _container(path: Path) -> str:
    """Return the muxer FFmpeg picks for a file name; no file is made."""
    try:
        output = av.open(str(path.absolute()), "w")
    except (av.error.FFmpegError, ValueError) as e:
        raise OutputError(
            f"{path}: the ending {path.suffix!r} names no video container; accepted are for "
            "instance .mp4, .mov, .mkv, .webm, .avi, .ts"
        ) from e
    name = output.format.name
    output.close()
    if name == "image2":
        raise OutputError(f"{path}: {path.suffix} is for still pictures; write .mp4, .mov or .mkv")
    return name


def _with_copies(plan: OutputPlan) -> OutputPlan:
    """Return the plan with the streams the container takes, and a warning of each other.

    Raises:
        OutputError: an audio stream that cannot be copied.
    """
    kept: list[int] = []
    dropped: list[str] = []
    with open_input(plan.source.path) as opened:
        has_chapters = bool(opened.chapters())
        for info in plan.source.others:
            stream = opened.streams[info.index]
            if _is_made_by_the_muxer(stream, has_chapters):
                continue
            if _accepts(plan.container, stream) or _accepts_beside_video(plan, info.index):
                kept.append(info.index)
                continue
            what = f"{info.kind} stream {info.index} ({info.codec}"
            what += f", {info.language})" if info.language else ")"
            if info.kind == "audio":
                raise OutputError(
                    f"{what} cannot be stored in {plan.container}; write .mkv, or the container "
                    f"of the input ({plan.source.path.suffix})"
                )
            dropped.append(f"{what} cannot be stored in {plan.container} and is left out")
    return dataclasses.replace(plan, copied=tuple(kept), warnings=(*plan.warnings, *dropped))


def _is_made_by_the_muxer(stream: Stream, has_chapters: bool) -> bool:
    """Return whether a data stream only repeats chapters or the time code of the metadata."""
    if stream.type != "data":
        return False
    is_chapter_track = has_chapters and stream.discard == Discard.all
    return is_chapter_track or ("timecode" in stream.metadata)


def _accepts(container: str, stream: Stream) -> bool:
    try:
        output = av.open(io.BytesIO(), "w", format=container)
    except (av.error.FFmpegError, ValueError):
        return False
    try:
        copy = output.add_stream_from_template(stream, opaque=True)
        copy.metadata.update(stream.metadata)
        copy.disposition = stream.disposition
        output.start_encoding()
    except (av.error.FFmpegError, ValueError, OSError):
        return False
    finally:
        with suppress(av.error.FFmpegError, ValueError, OSError):
            output.close()
    return True


def _accepts_beside_video(plan: OutputPlan, index: int) -> bool:
    """Return whether a stream is taken together with the video, which MXF insists on."""
    path = temporary_path(plan.path)
    try:
        Muxer(dataclasses.replace(plan, copied=(index,)), path, copies=False).discard()
    except OutputError:
        return False
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)
    return True


def _with_timing(plan: OutputPlan) -> OutputPlan:
    """Return the plan with a time base that stores every frame's time exactly.

    Raises:
        OutputError: encoder or container take a constant rate only, and the input's varies.
    """
    source, timing = plan.source, ENCODERS.get(plan.codec, Encoder()).timing
    if plan.container not in _GRID_CONTAINERS and (
        timing == "any" or (timing == "16-bit" and source.info.time_base.denominator < 1 << 16)
    ):
        return plan
    slot_s = 1 / source.info.rate
    with open_input(source.path) as opened:
        for packet in opened.demux(opened.streams[source.stream_index]):
            stamp = packet.dts if packet.pts is None else packet.pts
            if packet.size == 0 or stamp is None:
                continue
            exact = (stamp - source.first_pts) * source.info.time_base / slot_s
            if abs(exact - round(exact)) * slot_s > max(source.info.time_base, Fraction(1, 2000)):
                raise OutputError(
                    f"{plan.codec} in {plan.container} takes a constant frame rate only, and the "
                    f"input's varies (at {float(stamp * source.info.time_base):.3f} s); use "
                    "libx264 in .mp4 or .mkv"
                )
    return dataclasses.replace(plan, time_base=slot_s, is_grid=True)


def _container_options(plan: OutputPlan, *, tags: bool) -> tuple[tuple[str, str], ...]:
    """Return the muxer's options; `tags` writes any metadata key into MP4, not the usual ones."""
    if plan.container in _GRID_CONTAINERS:
        # Frame numbers cannot be shifted by part of a frame to make room for early audio.
        return (("avoid_negative_ts", "disabled"),)
    if plan.container not in _MOV_FAMILY:
        return ()
    # Start offsets are stored in the movie's time scale: make it divide every stream's.
    scale = plan.time_base.denominator
    with open_input(plan.source.path) as opened:
        for index in plan.copied:
            base = opened.streams[index].time_base
            scale = math.lcm(scale, base.denominator if base else 1)
    movflags = "+faststart+use_metadata_tags" if tags else "+faststart"
    scale = scale if scale < _TICKS_LIMIT else plan.time_base.denominator
    while scale < 1000:
        scale *= 2
    return (("movflags", movflags), ("movie_timescale", str(scale)))


def _tried(plan: OutputPlan) -> OutputPlan:
    """Return the plan after a trial, with what the trial showed added to it."""
    found = _trial(plan)
    if found.turn_lost:
        plan = dataclasses.replace(plan, bake_rotation=True)
        turned = f"the pixels are turned, because {plan.container} cannot store a rotation"
        plan = dataclasses.replace(plan, warnings=(*plan.warnings, turned))
        found = _trial(plan)
    if found.keys_lost and plan.container in _MOV_FAMILY:
        tagged = dataclasses.replace(plan, container_options=_container_options(plan, tags=True))
        second = _trial(tagged)
        if len(second.keys_lost) < len(found.keys_lost):
            plan, found = tagged, second
    return dataclasses.replace(plan, warnings=(*plan.warnings, *found.sentences(plan)))


@dataclasses.dataclass(frozen=True, slots=True)
class _Findings:
    """What a trial output did not keep."""

    turn_lost: bool
    keys_lost: tuple[str, ...]
    chapters_lost: bool
    others: tuple[str, ...]

    def sentences(self, plan: OutputPlan) -> list[str]:
        found = [f"{plan.container} with {plan.codec} cannot store {what}" for what in self.others]
        if self.chapters_lost:
            found.append(f"{plan.container} cannot store chapters; they are left out")
        if self.keys_lost:
            found.append(f"{plan.container} cannot store the metadata {', '.join(self.keys_lost)}")
        return found


def _trial(plan: OutputPlan) -> _Findings:
    """Write a few frames and read them back.

    Raises:
        OutputError: the trial cannot be written or read.
    """
    path = temporary_path(plan.path)
    try:
        muxer = Muxer(plan, path, threads=1, copies=False)
        try:
            for k in range(_TRIAL_FRAMES):
                muxer.encode(_noise(plan.source, k))
            muxer.finish()
        except BaseException:
            muxer.discard()
            raise
        made = probe(path)
        with open_input(plan.source.path) as before, open_input(path) as after:
            return _compare(plan, made, before, after)
    except VideoError as e:
        raise OutputError(f"{plan.path}: a trial of the output cannot be read back: {e}") from e
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _noise(source: Source, index: int) -> Frame:
    """Return a frame with a strip of noise: of black alone MPEG-TS files are too small to probe."""
    encoding, info = source.encoding, source.info
    kind = np.uint8 if encoding.bits == 8 else np.uint16
    shapes = plane_shapes(encoding.pix_fmt, *source.stored_size)
    generator = np.random.default_rng(index)
    planes = []
    for shape in shapes:
        plane = np.full(shape, 1 << (encoding.bits - 1), kind)
        plane[:16] = generator.integers(0, 1 << encoding.bits, plane[:16].shape)
        planes.append(plane)
    if source.turn_deg:
        planes = [np.rot90(plane, -source.turn_deg // 90) for plane in planes]
    step = max(source.nominal_duration, math.ceil(1 / (info.rate * info.time_base)))
    return Frame(index, source.first_pts + index * step, step, tuple(planes), encoding)


def _compare(
    plan: OutputPlan, made: Source, before: InputContainer, after: InputContainer
) -> _Findings:
    source, wanted, got = plan.source, plan.source.info, made.info
    upright = (wanted.width, wanted.height) == (got.width, got.height)
    turn_lost = not plan.bake_rotation and made.display_matrix != source.display_matrix
    others = []
    if turn_lost and not source.turn_deg:
        others.append("the display matrix")
    if (source.sample_aspect or 1) != (made.sample_aspect or 1) and not plan.bake_rotation:
        others.append(f"the pixel aspect ratio {source.sample_aspect}")
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
    keys = {k.lower() for k in _kept_tags(before)} - {k.lower() for k in after.metadata}
    return _Findings(
        turn_lost=turn_lost and bool(source.turn_deg),
        keys_lost=tuple(sorted(keys)),
        chapters_lost=len(before.chapters()) != len(after.chapters()),
        others=tuple(others),
    )


def _kept_tags(container: InputContainer | OutputContainer) -> list[str]:
    made_anew = {"encoder", "major_brand", "minor_version", "compatible_brands", "duration"}
    return [key for key in container.metadata if key.lower() not in made_anew]
