"""The command line: what runs, what is printed, exit codes.

Results go to stdout (the path of what was written, or a table), all else to stderr. Nothing heavy
is imported before the arguments are known to be good, so `--help` answers at once.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from .arguments import analysis_of, factors_of, parse, render_of, request_of
from .console import abandon_stdout, prepare, printable, show, tell
from .displays import watching
from .errors import UsageError, VisagistError, WeightsError, lack_of, reason
from .progress import counted

if TYPE_CHECKING:
    from .listings import Row

EXIT_FAILED = 1
EXIT_BUG = 70
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Raises:
        SystemExit: after `--help` or `--version`.
    """
    # Threads that wait by spinning starve each other on a busy machine: with 5 jobs on 2 cores an
    # edit took 5.9 s of processor time instead of 3.1 s. Read when torch is first imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    prepare()
    try:
        with _polite_kills():
            options = parse(arguments)
            _choose_threads(getattr(options, "threads", None))
            return _COMMANDS[options.command](options)
    except KeyboardInterrupt:
        _say("interrupted", "no output was written")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        abandon_stdout()  # whoever read our output is gone
        return EXIT_FAILED
    except Exception as e:
        return _failed(e)


def _failed(error: Exception) -> int:
    """Say what went wrong and return the exit code; what is nobody's fault but ours is a bug."""
    lack = lack_of(error)
    first: BaseException = error  # what others were raised from blames no clip
    while lack and first.__cause__ is not None:
        first = first.__cause__
    words = f"{type(first).__name__}: {first}"
    if lack == "memory":
        _say("error", f"out of memory ({words}); {_LESS_MEMORY}")
    elif lack == "threads":
        _say("error", f"no more threads can be started ({words}); {_LESS_THREADS}")
    elif isinstance(error, VisagistError):
        _say("error", str(error))
        return error.exit_code
    elif isinstance(error, ImportError):
        _say("error", f"{error}; `visagist doctor` says what is missing and how to get it")
    elif isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        _say("error", f"{where}{reason(error)}")
    else:
        tell("".join(traceback.format_exception(error)).rstrip())
        _say("error", f"a bug in visagist, please report it: {words}")
        return EXIT_BUG
    return EXIT_FAILED


_LESS_MEMORY = "try --batch-size 1, or a smaller video, or close other programs"
_LESS_THREADS = "try --threads 1, or close other programs; `ulimit -u` shows how many are allowed"


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


@contextmanager
def _polite_kills() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into KeyboardInterrupt, so that temporary files are removed."""

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    # Only the main thread may set handlers; a signal that is ignored stays so (nohup).
    is_main = threading.current_thread() is threading.main_thread()
    polite = [s for s in signal.Signals if s.name in ("SIGTERM", "SIGHUP")] if is_main else []
    before = {s: signal.signal(s, stop) for s in polite if signal.getsignal(s) == signal.SIG_DFL}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
    if kind in ("poisson", "generator"):
        if kind == "poisson":
            rows = bench.bench_poisson(rounds=options.rounds)
        else:
            rows = bench.bench_generator(rounds=options.rounds, device=options.device)
        tables, figures = [rows], {"rows": rows, "machine": bench.machine()}
    else:
        options.input = options.input or bench.default_clip()
        options.attr = options.attr or ["smile"]
        with watching(quiet=options.quiet) as progress:
            found = bench.bench_clip(
                request_of(options), progress, rounds=options.rounds, warn=_Warnings()
            )
        tables, figures = [found.rows(), found.stage_rows()], found.as_json()
    if options.json is not None:
        bench.save(figures, options.json)
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

    for name in options.names:
        for gone in remove_stored(name):
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
