"""The command line: what runs, what is printed, exit codes.

Results go to stdout (the path of what was written, or a table), all else to stderr. Nothing heavy
is imported before the arguments are known to be good, so `--help` answers at once.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from typing import TYPE_CHECKING

from .arguments import analysis_of, factors_of, parse, render_of, request_of
from .console import abandon_stdout, prepare, printable, show, tell
from .displays import watching
from .errors import UsageError, VisagistError, WeightsError, lack_of, reason
from .files import placed
from .progress import counted
from .signals import Interrupted, polite_kills

if TYPE_CHECKING:
    from .listings import Row

EXIT_FAILED = 1
EXIT_BUG = 70
EXIT_INTERRUPTED = 130
EXIT_BY_SIGNAL = 128
"""… and the signal's number: 143 after SIGTERM, 129 after SIGHUP, 130 after Ctrl-C (SIGINT)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: as typed; None takes those of the process, which then ends with this command.

    Raises:
        SystemExit: after `--help` or `--version`.
    """
    placed.clear()
    with _log_shown():
        code = _run(arguments)
        if code in range(1, EXIT_BY_SIGNAL) and (whole := _written()):
            _say("note", f"written before that, and whole: {whole}")
    return code


def _run(arguments: Sequence[str] | None) -> int:
    # Threads that wait by spinning starve each other on a busy machine: with 5 jobs on 2 cores an
    # edit took 5.9 s of processor time instead of 3.1 s. Read when torch is first imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    prepare()
    try:
        with polite_kills(is_program=arguments is None):
            options = parse(arguments)
            _choose_threads(getattr(options, "threads", None))
            return _COMMANDS[options.command](options)
    except KeyboardInterrupt as e:
        whole = _written()
        _say("interrupted", f"written before that, and whole: {whole}" if whole else _NOTHING)
        return EXIT_BY_SIGNAL + e.number if isinstance(e, Interrupted) else EXIT_INTERRUPTED
    except BrokenPipeError:
        # All there is to make is made before it is shown: whoever read that has seen enough.
        abandon_stdout()
        return 0
    except Exception as e:
        return _failed(e)


def _failed(error: Exception) -> int:
    """Say what went wrong and return the exit code; what is nobody's fault but ours is a bug."""
    code, words = _complaint(error)
    if code == EXIT_BUG:
        tell("".join(traceback.format_exception(error)).rstrip())
    _say("error", words)
    return code


def _complaint(error: Exception) -> tuple[int, str]:
    """Return the exit code of an error, and what to say of it."""
    if lack := lack_of(error):
        first: BaseException = error  # what others were raised from blames no clip
        while first.__cause__ is not None:
            first = first.__cause__
        return EXIT_FAILED, _LACKS[lack].format(f"{type(first).__name__}: {first}")
    if isinstance(error, VisagistError):
        return error.exit_code, str(error)
    if isinstance(error, ImportError):
        return EXIT_FAILED, f"{error}; `visagist doctor` says what is missing and how to get it"
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return EXIT_FAILED, f"{where}{reason(error)}"
    words = f"{type(error).__name__}: {error}"
    return EXIT_BUG, f"a bug in visagist, please report it: {words}"


_LACKS = {
    "memory": "out of memory ({}); try --batch-size 1, or a smaller video, or close other programs",
    "threads": "no more threads can be started ({}); try --threads 1, or close other programs; "
    "`ulimit -u` shows how many are allowed",
}


def _choose_threads(asked: int | None) -> None:
    """Say how many threads the networks and OpenCV use; they read it when first imported.

    Both are small: two frames are worked on at once, beside the decoder and the encoder, and half
    the cores do more for each than all of them (2 cores: 7.5 s with one thread of the networks,
    9.9 s with two, for a clip of 78 frames; OpenCV another 4 %).
    """
    if asked is not None and not 1 <= asked <= 256:
        raise UsageError(f"--threads {asked} is out of range; accepted: 1 to 256")
    count = str(asked or min(4, max(1, (os.cpu_count() or 1) // 2)))
    for library in ("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
        if asked is not None or library not in os.environ:
            os.environ[library] = count


def _say(kind: str, message: str) -> None:
    """Write one line to stderr, whatever line breaks a library's words bring along, and whatever
    a file's name would have a terminal do."""
    tell(f"visagist: {kind}: {printable(' '.join(message.split()))}")


class _Warnings:
    """Says warnings as they come, each once."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def __call__(self, *sentences: str) -> None:
        for sentence in sentences:
            if sentence not in self._said:
                self._said.add(sentence)
                _say("warning", sentence)


def _written() -> str:
    """Return the files this command has put in place, in words; empty if there are none."""
    there = list(dict.fromkeys(str(path) for path in placed if path.exists()))
    more = [f"{len(there) - _MOST_NAMED} more"] if len(there) > _MOST_NAMED else []
    return ", ".join([*there[:_MOST_NAMED], *more])


_MOST_NAMED = 5
_NOTHING = "no output was written"


class _Said(logging.Handler):
    """Says what is logged as this program says things."""

    def emit(self, record: logging.LogRecord) -> None:
        _say(record.levelname.lower(), record.getMessage())


@contextmanager
def _log_shown() -> Iterator[None]:
    log, handler = logging.getLogger("visagist"), _Said(logging.WARNING)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


def _run_edit(options: argparse.Namespace) -> int:
    request = request_of(options)
    from .run import edit

    warn = _Warnings()
    with watching(quiet=options.quiet) as progress:
        report = edit(
            request,
            options.output,
            overwrite=options.overwrite,
            report_path=options.report,
            fail_if_unedited=options.fail_if_unedited,
            progress=progress,
            warn=warn,
        )
    warn(*report.warnings)
    if not options.quiet:
        tell(report.summary())
        show(report.output)
    return 0


def _run_analyze(options: argparse.Namespace) -> int:
    from .run import analyze_to_file

    warn = _Warnings()
    with watching(quiet=options.quiet) as progress:
        path, found = analyze_to_file(
            options.input,
            options.output,
            analysis_of(options),
            render_of(options),
            device=options.device,
            presets=(options.config,) if options.config else (),
            overwrite=options.overwrite,
            progress=progress,
            warn=warn,
        )
    warn(*found.warnings, *([] if found.tracks else ["no face was found"]))
    if not options.quiet:
        counts = {"frame": len(found.pts), "shot": len(found.cuts) + 1, "face": len(found.tracks)}
        tell(", ".join(counted(n, noun) for noun, n in counts.items()))
        show(str(path))
    return 0


def _run_inspect(options: argparse.Namespace) -> int:
    request = request_of(options)
    from .inspection import inspect

    with watching(quiet=options.quiet) as progress:
        folder = inspect(
            request,
            options.frame,
            options.output,
            overwrite=options.overwrite,
            progress=progress,
            warn=_Warnings(),
        )
    if not options.quiet:
        show(str(folder))
    return 0


def _run_preview(options: argparse.Namespace) -> int:
    factors = factors_of(options.strengths)
    request = request_of(options)
    from .compare import side_by_side
    from .inspection import preview

    warn = _Warnings()
    with watching(quiet=options.quiet) as progress:
        if options.side_by_side:
            path, warnings = side_by_side(
                request,
                options.output,
                overwrite=options.overwrite,
                progress=progress,
                warn=warn,
            )
        else:
            path, warnings = (
                preview(
                    request,
                    options.output,
                    count=options.count,
                    factors=factors,
                    overwrite=options.overwrite,
                    progress=progress,
                    warn=warn,
                ),
                [],
            )
    warn(*warnings)
    if not options.quiet:
        show(str(path))
    return 0


def _run_bench(options: argparse.Namespace) -> int:
    from . import bench
    from .listings import table

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
            rows = bench.bench_generator(rounds=options.rounds, device=options.device)
        tables, figures = [rows], {"rows": rows, "machine": bench.machine()}
    else:
        with watching(quiet=options.quiet) as progress:
            found = bench.bench_clip(request, progress, rounds=options.rounds, warn=_Warnings())
        tables, figures = [found.rows(), found.stage_rows()], found.as_json()
    if options.json is not None:
        bench.save(figures, options.json, overwrite=options.overwrite)
    show("\n\n".join(map(table, tables)))
    return 0


def _show(options: argparse.Namespace, listing: Callable[[], list[Row]]) -> list[Row]:
    from .listings import table

    rows = listing()
    show(json.dumps(rows, indent=2) if options.json else table(rows))
    return rows


def _run_attrs(options: argparse.Namespace) -> int:
    from .listings import attributes

    _show(options, lambda: attributes(options.pack))
    return 0


def _run_models(options: argparse.Namespace) -> int:
    return _MODELS_ACTIONS[options.action or "list"](options)


def _list_models(options: argparse.Namespace) -> int:
    from .listings import models

    _show(options, models)
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

    rows = _show(options, verified_models)
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


def _run_doctor(options: argparse.Namespace) -> int:
    from .listings import doctor

    rows = _show(options, doctor)
    return EXIT_FAILED if any(row["state"] == "missing" for row in rows) else 0


_COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "edit": _run_edit,
    "analyze": _run_analyze,
    "inspect": _run_inspect,
    "preview": _run_preview,
    "bench": _run_bench,
    "attrs": _run_attrs,
    "models": _run_models,
    "doctor": _run_doctor,
}
