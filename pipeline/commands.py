"""What each command of the command line does, and what it shows."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from .arguments import factors_of, options_of, request_of
from .arguments.reels import check_farm
from .config import AnalyzeOptions, RenderOptions
from .console import say, show, tell
from .displays import OPENJD, tell_between, watching
from .errors import LaterError, SomeFailedError, UsageError, VisagistError, WeightsError
from .progress import counted, one_of_several

if TYPE_CHECKING:
    from pathlib import Path

    from .batch.command import Asked
    from .listings import Row
    from .progress import Progress
    from .report import Report

_FAILED = 1


def run(options: argparse.Namespace) -> int:
    """Run the command that was typed and return its exit code.

    Raises:
        VisagistError: any of the tree in `errors.py`.
    """
    return _COMMANDS[options.command](options)


class _Warnings:
    """Says warnings as they come, each once."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def __call__(self, *sentences: str) -> None:
        for sentence in sentences:
            if sentence not in self._said:
                self._said.add(sentence)
                say("warning", sentence)


@contextmanager
def _watched(options: argparse.Namespace, warn: _Warnings) -> Iterator[dict[str, Any]]:
    """Give the arguments of every function that writes something about a clip."""
    as_json = options.log == "json"
    with watching(quiet=options.quiet, how=options.progress, as_json=as_json) as progress:
        try:
            yield {"overwrite": options.overwrite, "progress": progress, "warn": warn}
        except Exception as e:
            if options.progress == OPENJD:
                show(f"openjd_fail: {' '.join(str(e).split())}")
            raise


def _done(options: argparse.Namespace, path: object, told: str = "") -> int:
    """Show what was written and return the exit code."""
    if not options.quiet:
        if told:
            tell(told)
        show(str(path))
    return 0


def _edit(options: argparse.Namespace) -> int:
    clips: list[Path] = [options.input, *options.others]
    _check_several(options, clips)
    warn, failed = _Warnings(), []
    with _watched(options, warn) as common:
        whole = common["progress"]
        for number, clip in enumerate(clips):
            common["progress"] = one_of_several(whole, number, len(clips))
            try:
                report = _edit_one(options, clip, common)
            except VisagistError as e:
                if len(clips) == 1:
                    raise
                failed.append(e)
                say("error", str(e))
                continue
            warn(*report.warnings)
            _done(options, report.output, report.summary())
    if len(failed) == len(clips):
        raise failed[0]
    if failed:
        raise SomeFailedError(f"{len(failed)} of {counted(len(clips), 'clip')} failed")
    return 0


def _edit_one(options: argparse.Namespace, clip: Path, common: dict[str, Any]) -> Report:
    options.input = clip
    request = request_of(options)
    from .run import edit

    return edit(
        request,
        options.output,
        folder=options.output_dir,
        report_path=options.report,
        fail_if_unedited=options.fail_if_unedited,
        **common,
    )


def _check_several(options: argparse.Namespace, clips: Sequence[Path]) -> None:
    """Refuse what can only be meant for one clip, and outputs that would be one file."""
    if options.output is not None and options.output_dir is not None:
        raise UsageError("-o and --output-dir both say where the output goes; give one of them")
    if len(clips) == 1:
        return
    for name in ("output", "report", "analysis", "frames"):
        if getattr(options, name) is not None:
            raise UsageError(f"--{name} is for one clip; {len(clips)} were given")
    stems = Counter(clip.stem.casefold() for clip in clips)
    twice = [str(clip) for clip in clips if stems[clip.stem.casefold()] > 1]
    if options.output_dir is not None and twice:
        raise UsageError(
            f"{' and '.join(twice)} would be written to one file of {options.output_dir}; edit "
            "them one by one with -o"
        )


def _analyze(options: argparse.Namespace) -> int:
    from .run import analyze_to_file

    warn = _Warnings()
    with _watched(options, warn) as common:
        path, found = analyze_to_file(
            options.input,
            options.output,
            options_of(AnalyzeOptions, options),
            options_of(RenderOptions, options),
            device=options.device,
            cache=options.cache,
            presets=(options.config,) if options.config else (),
            **common,
        )
    warn(*found.warnings, *([] if found.tracks else ["no face was found"]))
    counts = {"frame": len(found.pts), "shot": len(found.cuts) + 1, "face": len(found.tracks)}
    return _done(options, path, ", ".join(counted(n, noun) for noun, n in counts.items()))


def _inspect(options: argparse.Namespace) -> int:
    request = request_of(options)
    from .inspection import inspect

    with _watched(options, _Warnings()) as common:
        folder = inspect(request, options.frame, options.output, **common)
    return _done(options, folder)


def _preview(options: argparse.Namespace) -> int:
    factors = None if options.strengths is None else factors_of(options.strengths)
    request = request_of(options)
    from .compare import side_by_side
    from .contact_sheet import FACTORS, WORST_FACTORS, preview, preview_worst

    warn, told = _Warnings(), ""
    with _watched(options, warn) as common:
        if options.side_by_side:
            path, warnings = side_by_side(request, options.output, **common)
            warn(*warnings)
        elif options.worst is not None:
            factors = WORST_FACTORS if factors is None else factors
            path, doubts = preview_worst(
                request, options.output, count=options.worst, factors=factors, **common
            )
            told = "\n".join(map(str, doubts)) or "nothing to doubt was found"
        else:
            factors = FACTORS if factors is None else factors
            path = preview(request, options.output, count=options.count, factors=factors, **common)
    return _done(options, path, told)


def _bench(options: argparse.Namespace) -> int:
    from . import bench
    from .listings import table
    from .loading import resolve_device, time_generator

    kind = str(options.input)
    is_kernel = kind in ("poisson", "generator")
    if not is_kernel:
        options.input = options.input or bench.default_clip()
        options.attr = options.attr or ["smile"]
    request = None if is_kernel else request_of(options)
    if options.json is not None:
        bench.check_json(options.json, request, overwrite=options.overwrite)
    if request is None:
        if kind == "poisson":
            rows = bench.bench_poisson(rounds=options.rounds)
        else:
            rows = time_generator(1024, options.rounds, resolve_device(options.device))
        tables, figures = [rows], {"rows": rows, "machine": bench.machine()}
    else:
        with watching(quiet=options.quiet) as progress:
            found = bench.bench_clip(request, progress, rounds=options.rounds, warn=_Warnings())
        tables, figures = [found.rows(), found.stage_rows()], found.as_json()
    if options.json is not None:
        bench.save(figures, options.json, overwrite=options.overwrite)
    show("\n\n".join(map(table, tables)))
    return 0


def _run_batch(options: argparse.Namespace) -> int:
    from .batch import command
    from .batch.manifest import ManifestError

    check_farm(options)
    given = vars(options)
    asked = command.Asked(**{field.name: given[field.name] for field in fields(command.Asked)})
    try:
        if options.serve:
            command.serve_orders(asked, sys.stdin, show)
        elif options.list:
            _show(options, [line._asdict() for line in command.list_batch(asked)])
        elif options.report:
            show(str(command.report_batch(asked)))
        elif options.clean:
            show(command.clean(asked))
        elif options.emit is not None:
            show(command.emitted(asked, options.emit, shares=options.shares))
        else:
            _make(options, asked)
    except ManifestError as e:
        for complaint in e.complaints[:-1]:
            say("error", f"{options.manifest}: {complaint}")
        raise UsageError(f"{options.manifest}: {e.complaints[-1]}") from e
    except LaterError as e:
        e.exit_code = options.retry_code  # type: ignore[misc]  # of this one
        raise
    return 0


def _make(options: argparse.Namespace, asked: Asked) -> None:
    """Make what is missing of a batch, or one unit of it."""
    from .batch import command

    with _watched(options, warn := _Warnings()) as common:
        progress: Progress = common["progress"]
        if options.unit is not None:
            command.run_unit(asked, options.unit, progress, ahead=options.ahead, warn=warn)
            return

        def told(text: str, facts: Mapping[str, object]) -> None:
            if not options.quiet:
                tell_between(progress, text, facts)

        command.run_batch(asked, told, progress)


def _shots(options: argparse.Namespace) -> int:
    from .files import write_whole
    from .shots import clips_in, manifest_of
    from .targets import check_target, output_errors

    if options.handles < 0:
        raise UsageError(f"--handles {options.handles} is out of range; accepted: 0 and more")
    target = options.output
    if target is not None:
        taken = dict.fromkeys(clips_in(options.plates), "a plate of this run")
        taken[options.cut] = "the edit list of this run"
        check_target(target, "the manifest", taken=taken, overwrite=options.overwrite)
    text = manifest_of(
        options.cut,
        options.plates,
        attributes=tuple(options.attr or ("smile",)),
        handles=options.handles,
        folder=None if target is None else target.parent,
        warn=_Warnings(),
    )
    if target is None:
        show(text.rstrip())
        return 0
    with output_errors(target, "the manifest"):
        write_whole(target, text, overwrite=options.overwrite)
    return _done(options, target)


def _show(options: argparse.Namespace, rows: list[Row]) -> list[Row]:
    from .listings import table

    show(json.dumps(rows, indent=2) if options.json else table(rows))
    return rows


def _attrs(options: argparse.Namespace) -> int:
    from .editors import found
    from .listings import attributes

    _show(options, attributes(options.pack))
    _Warnings()(*(plugin.complaint for plugin in found()[1] if plugin.why))
    return 0


def _models(options: argparse.Namespace) -> int:
    return _MODELS_ACTIONS[options.action or "list"](options)


def _list_models(options: argparse.Namespace) -> int:
    from .listings import models

    _show(options, models())
    return 0


def _import_models(options: argparse.Namespace) -> int:
    from .listings import imported_text
    from .loading import ImportRequest, import_weights

    names = [field.name for field in fields(ImportRequest) if field.name != "files"]
    given_options = {name: getattr(options, name) for name in names}
    report = import_weights(ImportRequest(tuple(options.files), **given_options))
    if options.json:
        show(json.dumps(asdict(report), indent=2))
    else:
        show(imported_text(report))
    return 0


def _verify_models(options: argparse.Namespace) -> int:
    from .listings import verified_models

    rows = _show(options, verified_models())
    if bad := [row["name"] for row in rows if row["state"] != "ok"]:
        raise WeightsError(f"{len(bad)} of {len(rows)} are not as they should be: {', '.join(bad)}")
    return 0


def _remove_models(options: argparse.Namespace) -> int:
    from .loading import remove_stored

    removed: list[str] = []
    try:
        for name in options.names:
            removed += remove_stored(name)
    finally:  # shown at the end, so that a reader that left does not stop the rest
        for gone in removed:
            show(f"removed {gone}")
    return 0


_MODELS_ACTIONS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "list": _list_models,
    "import": _import_models,
    "verify": _verify_models,
    "remove": _remove_models,
}


def _doctor(options: argparse.Namespace) -> int:
    from .listings import doctor

    rows = _show(options, doctor())
    return _FAILED if any(row["state"] == "missing" for row in rows) else 0


def _cache(options: argparse.Namespace) -> int:
    from .artefacts import Store

    if options.action == "clean":
        if not options.older_than >= 0:
            raise UsageError(
                f"--older-than {options.older_than:g} is out of range; accepted: 0 days and more"
            )
        gone = Store(options.cache).clean(older_than_days=options.older_than)
        show(f"removed {counted(len(gone), 'file')}")
        return 0
    from .listings import kept

    _show(options, kept(options.cache))
    return 0


_COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "edit": _edit,
    "analyze": _analyze,
    "inspect": _inspect,
    "preview": _preview,
    "run": _run_batch,
    "bench": _bench,
    "shots": _shots,
    "attrs": _attrs,
    "models": _models,
    "cache": _cache,
    "doctor": _doctor,
}
