"""The composition: analyze pass, encode pass, render pass.

Analyze needs the future (detect, follow, smooth) and can be stored; encode looks at a few frames
of every face; render needs one frame at a time, so a clip may be cut into chunks.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import torch

from . import analysis as analysis_file
from .analysis import Analysis
from .analyze import analyze
from .config import AnalyzeOptions, AttributeEdit, EncodeOptions, RenderOptions
from .crops import Crops, encode_tracks
from .editors import Pack
from .edits import chain_of, check_offered, latent_editor, needs_of, resolve_edits
from .errors import InputError, NoFaceError
from .loading import load_pack, resolve_device
from .media.container.count import check_frame
from .media.container.decode import VideoReader
from .media.container.encode import VideoWriter
from .media.container.fingerprint import fingerprint
from .media.container.plan import OutputPlan
from .media.container.preflight import default_ending, preflight_output
from .media.container.probe import Source, probe
from .media.damage import check_whole, summarize
from .media.threads import BackgroundWriter, in_order, prefetch
from .outputs import check_outputs, default_output
from .progress import PASSES, Progress, Silent, Stopwatch, passes, unheard
from .reference import describe_person
from .report import Report, open_report
from .side_files import is_missing
from .stages.align import rule_of
from .stages.blend import blend
from .stages.edit import EditChain, ShotCodes
from .tracking.select import FaceChoice, select
from .tracking.track import RawTrack, TrackOptions, refine
from .types import AlignedBatch, EditResult, FaceTrack, Frame, Needs


@dataclass(frozen=True, slots=True)
class EditRequest:
    """What to change in which clip, and how."""

    input: Path
    attributes: tuple[str, ...]
    """`name` or `name=strength`, applied in order."""
    strength: float = 1.0
    """Of every attribute that names none [standard deviations]."""
    analyze: AnalyzeOptions = field(default_factory=AnalyzeOptions)
    render: RenderOptions = field(default_factory=RenderOptions)
    encode: EncodeOptions = field(default_factory=EncodeOptions)
    analysis_path: Path | None = None
    """Analysis file to reuse, or to write if it does not exist."""
    device: str = "cpu"
    presets: tuple[Path, ...] = ()
    """Files the options above were read from; no output may replace one."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything the render pass needs beside the frames."""

    source: Source
    edits: tuple[AttributeEdit, ...]
    analysis: Analysis
    tracks: tuple[FaceTrack, ...]
    codes: Mapping[int, ShotCodes]
    pack: Pack
    options: RenderOptions
    crops: Crops
    on_damage: str = "warn"
    """As asked for in `AnalyzeOptions`."""

    @property
    def frame_count(self) -> int:
        """Frames of the clip."""
        return len(self.analysis.pts)

    @property
    def chain(self) -> EditChain:
        """The edits, ready to be applied to aligned crops."""
        return chain_of(
            self.edits,
            self.pack,
            self.options.editor,
            self.codes,
            device=self.crops.device,
            occlusion=self.options.occlusion,
        )

    @property
    def needs(self) -> dict[str, Needs]:
        """The parts of a face that each attribute to be edited needs."""
        return needs_of(self.edits, self.pack)

    def with_edits(self, edits: tuple[AttributeEdit, ...]) -> Plan:
        """Return the same plan with other edits."""
        return dataclasses.replace(self, edits=edits)


def edit(
    request: EditRequest,
    output: Path | None = None,
    *,
    overwrite: bool = False,
    report_path: Path | None = None,
    fail_if_unedited: bool = False,
    progress: Progress | None = None,
    clock: Stopwatch | None = None,
    warn: Callable[[str], None] = unheard,
) -> Report:
    """Write the clip again with its faces edited and all else kept; return the account of it.

    Args:
        request: what to change, and how.
        output: target file; default: beside the input, named after the attributes.
        overwrite: replace an existing target and report.
        report_path: where to write the report as JSON.
        fail_if_unedited: raise NoFaceError if not one face could be edited; the report is written.
        progress: what watches; default: nobody.
        clock: what takes the times; default: one for the report alone.
        warn: hears before the first frame what is known by then; the report holds it too.

    Raises:
        VisagistError: any of the tree in `errors.py`; then no file was written at `output`.
    """
    progress, clock = progress or Silent(), clock or Stopwatch()
    progress.expect(passes())
    source = probe(request.input, request.analyze.video_stream)
    device = resolve_device(request.device)
    pack = pack_of(request.render, device)
    edits = resolve_edits(request.attributes, request.strength, pack)
    ending, why = default_ending(source, request.encode)
    target = output or default_output(request.input, edits, ending)
    reports = [] if report_path is None else [(report_path, "the report")]
    check_outputs(request, [(target, "the output"), *reports], overwrite=overwrite)
    destination = preflight_output(target, source, request.encode, overwrite=overwrite)
    notes = [why] if output is None and why else []
    for sentence in (*notes, *destination.warnings):
        warn(sentence)
    plan = make_plan(request, clock, progress, source=source, pack=pack)
    report = open_report(request, plan, destination)
    report.warnings += notes
    unedited: NoFaceError | None = None
    try:
        _write_video(plan, destination, report, clock, progress, must_edit=fail_if_unedited)
    except NoFaceError as e:
        unedited, report.output = e, ""
    report.seconds = clock.seconds()
    if report_path is not None:
        report.save(report_path, overwrite=overwrite)
    if unedited is not None:
        raise unedited
    return report


def _write_video(
    plan: Plan,
    destination: OutputPlan,
    report: Report,
    clock: Stopwatch,
    progress: Progress,
    *,
    must_edit: bool,
) -> None:
    """Render every frame into the output and the report.

    Raises:
        VideoError: the input is damaged, and that is to fail; then nothing was written.
        NoFaceError: `must_edit`, and not one face could be edited; then nothing was written.
    """
    progress.start("edit", plan.frame_count)
    video = VideoWriter(destination)
    with (
        VideoReader(plan.source, content=plan.analysis.fingerprint) as reader,
        BackgroundWriter(video, clock=clock) as writer,
        prefetch(clock.timed("decode", reader)) as frames,
        closing(render(plan, frames, clock)) as results,
    ):
        for result in clock.timed("wait for edits", results):
            with clock.time("wait for encoder"):
                writer.write(result.frame)
            report.add(result)
            progress.advance(1)
        report.damage = reader.damage
        report.warnings += [*reader.warnings, *summarize(report.damage)]
        check_whole(plan.source.path, report.damage, plan.on_damage)
        unedited = any(e.strength for e in plan.edits) and not report.edited_frames
        if unedited and must_edit:
            raise NoFaceError(
                f"no face could be edited in {plan.source.path}; no output was written "
                f"(skipped: {dict(report.skipped()) or 'no face found'})"
            )
    progress.finish()
    report.warnings += video.warnings
    if (limit := plan.crops.halving.limit) is not None:
        report.warnings.append(
            f"memory ran out: went on with {limit} crop(s) per call of the model, not "
            f"{plan.crops.batch_size}; --batch-size {limit} avoids the attempt"
        )
    if unedited:
        report.warnings.append("no face could be edited: the output shows what the input shows")


def analyze_to_file(
    video: Path,
    output: Path | None = None,
    options: AnalyzeOptions | None = None,
    render_options: RenderOptions | None = None,
    *,
    device: str = "cpu",
    presets: tuple[Path, ...] = (),
    overwrite: bool = False,
    progress: Progress | None = None,
    warn: Callable[[str], None] = unheard,
) -> tuple[Path, Analysis]:
    """Analyze a clip, store the result, and return where, with the result itself.

    What is stored holds the codes of the faces too, so that an edit of the analysed clip with the
    same pack (of `render_options`) need not encode them again. `warn` hears before the first frame
    what is known of the video by then; the result holds it too.

    Raises:
        OutputError: the file exists already or cannot be written.
        VisagistError: the video or the options cannot be used.
    """
    path = output or video.with_name(f"{video.name}.faces.json")
    options = options or AnalyzeOptions()
    source = probe(video, options.video_stream)
    request = EditRequest(
        video,
        (),
        analyze=options,
        render=render_options or RenderOptions(),
        device=device,
        presets=presets,
    )
    check_outputs(request, [(path, "the analysis file")], overwrite=overwrite)
    for sentence in source.warnings:
        warn(sentence)
    progress = progress or Silent()
    progress.expect({name: weight for name, weight in PASSES.items() if name != "edit"})
    found = make_plan(request, Stopwatch(), progress, source=source).analysis
    analysis_file.save(found, path, overwrite=overwrite)
    return path, found


def pack_of(options: RenderOptions, device: torch.device) -> Pack:
    """Return the pack that is asked for, on the device.

    Raises:
        UsageError: there is no such pack or editor, or it cannot transfer as asked.
        WeightsError: its weights cannot be used.
    """
    latent_editor(options.editor)
    return load_pack(options.pack, device, transfer=options.transfer, precision=options.precision)


def make_plan(
    request: EditRequest,
    clock: Stopwatch,
    progress: Progress,
    *,
    source: Source | None = None,
    pack: Pack | None = None,
) -> Plan:
    """Return what the render pass needs: faces found, followed, chosen, smoothed and encoded.

    Raises:
        VisagistError: the input, the analysis file, the options or the device cannot be used.
    """
    source = source or probe(request.input, request.analyze.video_stream)
    device = resolve_device(request.device)
    pack = pack or pack_of(request.render, device)
    edits = resolve_edits(request.attributes, request.strength, pack)
    check_offered(edits, pack, request.render.editor)
    choice = FaceChoice.parse(request.render.faces)
    person = describe_person(choice.picture, device) if choice.picture is not None else None
    if choice.frame is not None:
        check_frame(source, choice.frame)
    path = request.analysis_path
    stored = path is not None and not is_missing(path)
    with clock.time("analyze"):
        if path is not None and stored:
            progress.skip("analyze")
            size = (source.info.width, source.info.height)
            own = fingerprint(source.path, source.number)
            analysis = analysis_file.load(path, own, size=size)
        else:
            analysis = analyze(
                source, request.analyze, device=device, progress=progress, clock=clock
            )
    check_whole(source.path, analysis.damage, request.analyze.on_damage)
    chosen = select(analysis.tracks, choice, person=person)
    if person is not None and analysis.tracks and not chosen:
        raise InputError(f"nobody in {source.path} looks like the person in {choice.picture}")
    with clock.time("track"):
        tracks = _refined(chosen, request, analysis, source)
    batch_size = request.render.batch_size or (1 if device.type == "cpu" else 8)
    aspect = float(source.info.pixel_aspect)
    crops = Crops(aspect, rule_of(pack.model), batch_size, device, analysis.times)
    with clock.time("encode faces"):
        codes, complete = encode_tracks(source, analysis, tracks, pack, crops, progress)
    if path is not None and (not stored or (complete is not analysis and os.access(path, os.W_OK))):
        analysis_file.save(complete, path, overwrite=stored)
    strictness = request.analyze.on_damage
    return Plan(source, edits, complete, tracks, codes, pack, request.render, crops, strictness)


def _refined(
    chosen: Iterable[RawTrack], request: EditRequest, analysis: Analysis, source: Source
) -> tuple[FaceTrack, ...]:
    """Return the chosen tracks as the render pass uses them: filled and smoothed."""
    options = TrackOptions(
        smoothing_s=request.render.smoothing_s, max_gap_s=request.analyze.max_gap_s
    )
    return tuple(
        refine(
            raw,
            times=analysis.times,
            cuts=analysis.cuts,
            pixel_aspect=float(source.info.pixel_aspect),
            options=options,
        )
        for raw in chosen
    )


def render(
    plan: Plan, frames: Iterable[Frame], clock: Stopwatch
) -> Generator[EditResult, None, None]:
    """Yield every frame once, in order, edited or as it came.

    Some threads cut out, edit and blend, so that one's work on the device overlaps the others' on
    the frames. Close the iterator if it is not used up, so that its threads end.
    """
    chain, method = plan.chain, plan.options.blend
    cut = plan.crops.cutter(plan.tracks, list(plan.needs.values()))
    chain.clock = clock

    def rendered(frames: list[Frame]) -> list[EditResult]:
        with clock.time("align"):
            chunk, batches, skipped = cut(frames)
        with clock.time("edit"), torch.inference_mode():
            edited = [e for batch in batches for _, e in plan.crops.halving(chain, batch)]
        with clock.time("blend"):
            return blend(chunk, edited, skipped=skipped, method=method, clock=clock)

    chunks = clock.timed("wait for decoder", plan.crops.chunks(frames))
    with in_order(rendered, chunks, workers=plan.crops.workers) as results:
        for result in results:
            yield from result


def crops_of(plan: Plan, frames: Iterable[Frame]) -> Iterator[AlignedBatch]:
    """Yield the crops the render pass would edit."""
    cut = plan.crops.cutter(plan.tracks, list(plan.needs.values()))
    for chunk in plan.crops.chunks(frames):
        yield from cut(chunk)[1]
