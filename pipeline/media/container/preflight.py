"""Every reason why an output could fail, found before the first frame.

The output is tried for real: its streams and a few frames are written beside the target, read
back, compared with what the input has, and removed. What cannot be kept becomes an error or a
named warning.
"""

from __future__ import annotations

import dataclasses
import io
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path

import av
from av.stream import Discard, Stream

from ...config import EncodeOptions
from ...errors import OutputError
from ...targets import INPUT, check_target
from ..base import Source
from .containers import HELD, safer_name, stores_times
from .copies import is_attached, keeps_covers
from .encode import trial_file
from .encoders import (
    ENCODERS,
    Encoder,
    choose_pix_fmt,
    encoder_options,
    encoders_for,
    is_lossless,
    is_same_family,
)
from .file import OutputPlan, VideoFile
from .inputs import open_input, packets_of
from .mux import Muxer, let_go
from .trial import container_options, tried

_PICTURE_ENDINGS = (".gif", ".png", ".apng", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
"""Endings that can be read as a clip but not be written as one."""
_NOT_ONE_FILE = {"webm_dash_manifest", "rtp", "rtp_mpegts"}
"""Muxers whose one file is not the video."""


def preflight_output(
    path: Path, source: VideoFile, options: EncodeOptions, *, overwrite: bool = False
) -> OutputPlan:
    """Return how an output will be written, after trying it out; see `opening.open_sink`."""
    check_target(path, "the output", taken={source.path: INPUT}, overwrite=overwrite)
    container = _container(path)
    refused: OutputError | None = None
    for codec in encoders_for(source, options.codec, container):
        plan = _planned(path, source, options, container, codec)
        try:
            return tried(dataclasses.replace(plan, overwrite=overwrite))
        except OutputError as e:
            refused = refused or e
    if refused is not None:
        raise refused
    suggested = safer_name(path)
    raise OutputError(
        f"{container} cannot hold video of any encoder this program uses; write {suggested} "
        f"(-o {suggested}), or .mp4 or .mov"
    )


def file_of(source: Source) -> VideoFile:
    """Return the file whose container, streams and tags an output takes over."""
    if not isinstance(source, VideoFile):
        raise TypeError(f"an output is made like a video file, not like {type(source).__name__}")
    return source


def default_ending(source: Source, options: EncodeOptions) -> tuple[str, str]:
    """Return the ending of an output nobody named, and a sentence if it is not the input's.

    It is the input's own, unless that names no container for a video, or one that cannot hold the
    video or the sound. Pictures and animations become an .mp4, and nothing is said of it.
    """
    own = source.path.suffix
    if own.lower() in _PICTURE_ENDINGS:
        return ".mp4", ""
    why = _why_not(own, file_of(source), options)
    return (".mkv", f"the output is an .mkv: {why}") if why else (own, "")


def _why_not(ending: str, source: VideoFile, options: EncodeOptions) -> str:
    """Return why an ending cannot be that of the output, or nothing."""
    if not ending:
        return "the input's name has no ending"
    try:
        container = _container(Path(f"output{ending}"))
    except OutputError:
        return f"no container of the ending {ending} can be written"
    encoders = encoders_for(source, options.codec, container)
    is_second_best = container in HELD and not any(is_same_family(source, e) for e in encoders)
    if not encoders or (is_second_best and options.codec is None):
        return f"{source.info.codec} in {ending} files can be read, not written"
    if container in source.info.container.split(",") and container != "webm":
        return ""  # what held the sound so far holds it again
    with open_input(source.path) as opened:
        for info in source.others:
            stream = opened.streams[info.index]
            if info.kind == "audio" and not _accepts(container, stream):
                return f"{ending} files cannot hold the sound ({info.codec})"
    return ""


def _planned(
    path: Path, source: VideoFile, options: EncodeOptions, container: str, codec: str
) -> OutputPlan:
    """Return the plan for one encoder, untried."""
    pix_fmt, lost = choose_pix_fmt(source, codec, options.pix_fmt, container)
    codec_options = encoder_options(source, codec, options)
    if codec.startswith("libvpx") and "yuva" in pix_fmt:
        codec_options["auto-alt-ref"] = "0"  # transparency knows no hidden frames
    warnings = [*source.warnings, *([lost] if lost else [])]
    if options.codec is None and not is_same_family(source, codec):
        warnings.append(f"the video is written with {codec}: {source.info.codec} is not possible")
        if container in HELD:
            warnings.append(f"few players show {codec} in {container}; .mkv is the safer choice")
    lossless = is_lossless(codec, codec_options, pix_fmt)
    plan = OutputPlan(
        path=path,
        source=source,
        container=container,
        codec=codec,
        pix_fmt=pix_fmt,
        codec_options=tuple(codec_options.items()),
        time_base=source.info.time_base,
        warnings=tuple(warnings),
        decodes_again=options.verify == "full" or (options.verify is None and lossless),
        is_lossless=lossless,
    )
    plan = _with_copies(_with_timing(plan))
    return dataclasses.replace(plan, container_options=container_options(plan, tags=False))


class _Named(io.BytesIO):
    """Memory with a file's name, by whose ending FFmpeg picks the muxer."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.name = str(path.absolute())


def _container(path: Path) -> str:
    """Return the muxer FFmpeg picks for a file name; no file is made."""
    try:
        output = av.open(_Named(path), "w")
    except (av.error.FFmpegError, ValueError) as e:
        raise OutputError(
            f"{path}: the ending {path.suffix!r} names no video container; accepted are for "
            "instance .mp4, .mov, .mkv, .webm, .avi, .ts"
        ) from e
    # `no_file` is FFmpeg's word for a muxer that opens files by itself, and several.
    name, opens_files = output.format.name, output.format.no_file
    output.close()
    if name == "svcd":  # the first of three that FFmpeg knows the ending .vob of
        name = "vob"
    if name == "image2":
        raise OutputError(f"{path}: {path.suffix} is for still pictures; write .mp4, .mov or .mkv")
    if opens_files or name in _NOT_ONE_FILE:
        raise OutputError(
            f"{path}: {path.suffix} ({name}) is not one file but a list of others, which would be "
            "written beside it; write .mp4 or .mkv and cut it up with FFmpeg"
        )
    return name


def _with_copies(plan: OutputPlan) -> OutputPlan:
    """Return the plan with the streams the container takes, and a warning of each other."""
    kept: list[int] = []
    dropped: list[str] = []
    with open_input(plan.source.path) as opened:
        has_chapters = bool(opened.chapters())
        for info in plan.source.others:
            stream = opened.streams[info.index]
            is_chapter_track = has_chapters and stream.discard == Discard.all
            if info.kind == "data" and (is_chapter_track or "timecode" in stream.metadata):
                continue  # only repeats chapters or the time code of the metadata
            if info.is_cover and not keeps_covers(plan.container, info):
                dropped.append(
                    f"the cover in stream {info.index} ({info.codec}) cannot be stored as a cover "
                    f"in {plan.container} and is left out"
                )
                continue
            if (
                is_attached(plan.container, stream)
                or _accepts(plan.container, stream)
                or _accepts_beside_video(plan, info.index)
            ):
                kept.append(info.index)
                continue
            what = f"{info.kind} stream {info.index} ({info.codec}"
            what += f", {info.language})" if info.language else ")"
            if info.kind == "audio":
                raise OutputError(
                    f"{what} cannot be stored in {plan.container}; write {safer_name(plan.path)}, "
                    f"or the container of the input ({plan.source.path.suffix})"
                )
            dropped.append(f"{what} cannot be stored in {plan.container} and is left out")
    videos = [s.index for s in plan.source.others if s.kind == "video" and not s.is_cover]
    position = sum(i in kept and i < plan.source.stream_index for i in videos)
    return dataclasses.replace(
        plan, copied=tuple(kept), position=position, warnings=(*plan.warnings, *dropped)
    )


def _accepts(container: str, stream: Stream) -> bool:
    with ExitStack() as opened, suppress(av.error.FFmpegError, OSError, ValueError):
        output = av.open(io.BytesIO(), "w", format=container)
        opened.callback(let_go, output)
        copy = output.add_stream_from_template(stream, opaque=True)
        copy.metadata.update(stream.metadata)
        copy.disposition = stream.disposition
        output.start_encoding()
        return True
    return False


def _accepts_beside_video(plan: OutputPlan, index: int) -> bool:
    """Return whether a stream is taken together with the video, which MXF insists on."""
    with trial_file(plan) as path, suppress(OutputError):
        Muxer(dataclasses.replace(plan, copied=(index,)), path, until_s=Fraction(-1)).close()
        return True
    return False


def _with_timing(plan: OutputPlan) -> OutputPlan:
    """Return the plan with a time base that stores every frame's time exactly."""
    source, timing = plan.source, ENCODERS.get(plan.codec, Encoder()).timing
    if stores_times(plan.container) and (
        timing == "any" or (timing == "16-bit" and source.info.time_base.denominator < 1 << 16)
    ):
        return plan
    slot_s = 1 / source.info.rate
    if source.clock.is_untimed:
        return dataclasses.replace(plan, time_base=slot_s, is_grid=True)
    retime = source.clock.retimer(source.stream_index)
    with open_input(source.path) as opened:
        for packet in packets_of(opened, [opened.streams[source.stream_index]]):
            retime(packet)
            stamp = packet.dts if packet.pts is None else packet.pts
            if stamp is None:
                continue
            exact = (stamp - source.first_pts) * source.info.time_base / slot_s
            if abs(exact - round(exact)) * slot_s > max(source.info.time_base, Fraction(1, 2000)):
                raise OutputError(
                    f"{plan.codec} in {plan.container} takes a constant frame rate only, and the "
                    f"input's varies (at {float(stamp * source.info.time_base):.3f} s); write "
                    f"{safer_name(plan.path)} with --codec libx264"
                )
    return dataclasses.replace(plan, time_base=slot_s, is_grid=True)
