"""Whole runs: a clip edited, a clip analysed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from . import analysis as analysis_file
from .analysis import Analysis
from .config import AnalyzeOptions, RenderOptions
from .errors import NoFaceError
from .identity import identity_of
from .loading import load_recogniser
from .media.base import Sink
from .media.damage import check_whole, summarize
from .media.opening import default_ending, open_sink, open_source
from .outputs import check_outputs, default_output
from .progress import PASSES, Progress, Stopwatch, passes, unheard
from .report import UNEDITED, Report, open_report
from .request import EditRequest
from .segments import fit, written
from .session import Session, open_session


def edit(
    request: EditRequest,
    output: Path | None = None,
    *,
    folder: Path | None = None,
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
        folder: where the output goes if it is named after input and attributes.
        overwrite: replace an existing target and report.
        report_path: where to write the report as JSON.
        fail_if_unedited: raise NoFaceError if not one face could be edited; the report is written.
        progress: what watches; default: nobody.
        clock: what takes the times; default: one for the report alone.
        warn: hears before the first frame what is known by then; the report holds it too.

    Raises:
        VisagistError: any of the tree in `errors.py`; then no file was written at `output`.
    """
    progress = progress or Progress()
    progress.expect(passes())
    session = open_session(request, progress=progress, clock=clock)
    source = session.source
    ending, why = default_ending(source, request.encode)
    beside = request.input if folder is None else folder / request.input.name
    target = output or default_output(beside, session.edits, ending)
    reports = [] if report_path is None else [(report_path, "the report")]
    check_outputs(request, [(target, "the output"), *reports], overwrite=overwrite)
    # What is wrong with its file is said before the first frame, not after the last.
    recogniser = load_recogniser() if report_path is not None else None
    sink = open_sink(target, source, request.encode, overwrite=overwrite)
    notes = [why] if output is None and why else []
    for sentence in (*notes, *sink.warnings):
        warn(sentence)
    fit(sink, session.plan)
    report = open_report(session, sink)
    report.warnings += notes
    unedited: NoFaceError | None = None
    try:
        _write_video(session, sink, report, must_edit=fail_if_unedited)
    except NoFaceError as e:
        unedited, report.output = e, ""
    if recogniser is not None:
        with session.clock.time("identity"):
            report.identity = identity_of(session, report.edited_of_track(), recogniser)
    report.seconds = session.clock.seconds()
    if report_path is not None:
        report.save(report_path, overwrite=overwrite)
    if unedited is not None:
        raise unedited
    return report


def _write_video(session: Session, sink: Sink, report: Report, *, must_edit: bool) -> None:
    """Render every frame into the output and the report.

    Raises:
        VideoError: the input is damaged, and that is to fail; then nothing was written.
        NoFaceError: `must_edit`, and not one face could be edited; then nothing was written.
    """
    plan, source = session.plan, session.source
    with written(session, plan, sink) as (reader, results):
        for (result,) in results:
            report.add(result)
        report.close()
        report.damage = reader.damage
        report.warnings += [*reader.warnings, *summarize(report.damage)]
        check_whole(source.path, report.damage, session.request.analyze.on_damage)
        unedited = plan.asks and not report.edited_frames
        if unedited and must_edit:
            raise NoFaceError(
                f"no face could be edited in {source.path}; no output was written "
                f"(skipped: {dict(report.skipped()) or 'no face found'})"
            )
    report.warnings += sink.warnings
    if (limit := session.crops.halving.limit) is not None:
        report.warnings.append(
            f"memory ran out: went on with {limit} crop(s) per call of the model, not "
            f"{session.crops.batch_size}; --batch-size {limit} avoids the attempt"
        )
    if unedited:
        report.warnings.append(UNEDITED)


def analyze_to_file(
    video: Path,
    output: Path | None = None,
    options: AnalyzeOptions | None = None,
    render_options: RenderOptions | None = None,
    *,
    device: str = "cpu",
    cache: Path | None = None,
    presets: tuple[Path, ...] = (),
    overwrite: bool = False,
    progress: Progress | None = None,
    warn: Callable[[str], None] = unheard,
) -> tuple[Path, Analysis]:
    """Analyze a clip, store the result, and return where, with the result itself.

    The codes of the faces are prepared too and kept in the cache, so that an edit of the analysed
    clip with the same pack (of `render_options`) need not find them. `warn` hears before the first
    frame what is known of the video by then; the result holds it too.

    Raises:
        OutputError: the file exists already or cannot be written.
        VisagistError: the video or the options cannot be used.
    """
    path = output or video.with_name(f"{video.name}.faces.json")
    options = options or AnalyzeOptions()
    source = open_source(video, options.video_stream)
    request = EditRequest(
        video,
        (),
        analyze=options,
        render=render_options or RenderOptions(),
        cache=cache,
        device=device,
        presets=presets,
    )
    check_outputs(request, [(path, "the analysis file")], overwrite=overwrite)
    for sentence in source.warnings:
        warn(sentence)
    progress = progress or Progress()
    progress.expect({name: weight for name, weight in PASSES.items() if name != "edit"})
    analysis = open_session(request, source=source, progress=progress).plan.analysis
    analysis_file.save(analysis, path, overwrite=overwrite)
    return path, analysis
