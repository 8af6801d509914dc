"""The command line: arguments, printing, exit codes. The only file that prints or exits.

Nothing heavy is imported before the arguments are known to be good, so `--help` answers at once.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from .config import AnalyzeOptions, EncodeOptions, RenderOptions, load_preset
from .errors import UsageError, VisagistError
from .progress import Progress, Silent

if TYPE_CHECKING:
    from .run import EditRequest

EXIT_INTERRUPTED = 130
EXIT_BUG = 70

_EPILOG = """exit codes:
  0 done   1 failed   2 wrong usage   3 input unusable   4 output cannot be written
  5 weights unusable   6 device not there   7 nothing edited (--fail-if-unedited)
  70 a bug in visagist   130 interrupted

examples:
  visagist edit shot.mp4 --attr smile
  visagist edit shot.mov -o out.mov --attr smile=0.8 --attr age=-0.5 --report out.json
  visagist inspect shot.mp4 --frame 42 --attr smile
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; never raises except for bugs in itself."""
    try:
        options = _parser().parse_args(arguments)
        _stop_like_interrupt(signal.SIGTERM)
        code: int = options.run(options)
        return code
    except VisagistError as e:
        print(f"visagist: error: {e}", file=sys.stderr)
        return e.exit_code
    except KeyboardInterrupt:
        print("visagist: interrupted; no output was written", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return EXIT_INTERRUPTED


def _stop_like_interrupt(number: signal.Signals) -> None:
    """Turn a polite kill into KeyboardInterrupt, so that temporary files are removed."""

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(number, stop)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="visagist",
        description="Edit the face of a real person in a real video.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"visagist {_version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_edit(commands)
    _add_analyze(commands)
    _add_inspect(commands)
    _add_preview(commands)
    for name, run, text in (
        ("attrs", _run_attrs, "list what can be changed"),
        ("models", _run_models, "list the weights: source, licence, size, SHA-256"),
        ("doctor", _run_doctor, "say what is installed, what is missing, how to get it"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--json", action="store_true", help="print JSON")
        command.set_defaults(run=run)
    return parser


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("visagist")
    except PackageNotFoundError:
        return "(checkout, not installed)"


Commands = Any  # argparse gives its sub-parser collection no public type


def _add_edit(commands: Commands) -> None:
    command = commands.add_parser(
        "edit",
        help="change attributes of the faces in a clip",
        description="Write the clip again with the faces changed and all else kept.",
    )
    command.add_argument("input", type=Path, metavar="VIDEO")
    command.add_argument(
        "-o", "--output", type=Path, help="default: beside the input, NAME-ATTR.EXT"
    )
    _add_edit_options(command)
    group = command.add_argument_group(
        "encoder (FFmpeg's names and units; default: like the input)"
    )
    group.add_argument("--codec", metavar="NAME", help="e.g. libx264, libx265, ffv1 (lossless)")
    group.add_argument("--crf", type=float, metavar="Q")
    group.add_argument("--preset", metavar="NAME")
    group.add_argument("--pix-fmt", metavar="FORMAT")
    group = command.add_argument_group("output")
    group.add_argument("--overwrite", action="store_true", help="replace an existing output")
    group.add_argument("--report", type=Path, metavar="FILE", help="write a JSON report")
    group.add_argument(
        "--fail-if-unedited", action="store_true", help="exit 7 if no frame could be edited"
    )
    group.add_argument("--quiet", action="store_true", help="only errors and warnings")
    command.set_defaults(run=_run_edit)


def _add_edit_options(command: argparse.ArgumentParser) -> None:
    """Add what `edit`, `inspect` and `preview` share: which edit, on which faces, and how."""
    group = command.add_argument_group("edit")
    group.add_argument(
        "--attr",
        action="append",
        metavar="NAME[=STRENGTH]",
        help="attribute and strength in standard deviations, both signs; may be given several "
        "times and is applied in order (see `attrs`)",
    )
    group.add_argument(
        "--strength", type=float, default=1.0, help="of every --attr that names none (default 1)"
    )
    group.add_argument("--config", type=Path, metavar="TOML", help="preset file; flags win over it")
    group.add_argument(
        "--faces",
        help="all | largest | left-right[:N] | right-left[:N] | large-small[:N] | "
        "reference:FRAME:N (default all)",
    )
    group.add_argument("--editor", help="latent-transformer (default) | direction")
    group.add_argument("--blend", help="poisson (default) | alpha | none")
    group.add_argument(
        "--smoothing", type=float, dest="smoothing_s", metavar="SECONDS", help="0 switches it off"
    )
    group.add_argument(
        "--no-occlusion",
        action="store_false",
        dest="occlusion",
        default=None,
        help="edit over hands and hair too",
    )
    group.add_argument("--batch-size", type=int, metavar="N", help="crops per call of the model")
    _add_analyze_options(command)
    group.add_argument(
        "--analysis", type=Path, metavar="FILE", help="reuse (or store) the analysis of this clip"
    )


def _add_analyze_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("analysis")
    group.add_argument(
        "--landmarks", help="embedded (default) | face-alignment | FILE with landmarks"
    )
    group.add_argument("--detect-every", type=float, dest="detect_every_s", metavar="SECONDS")
    group.add_argument("--max-gap", type=float, dest="max_gap_s", metavar="SECONDS")
    group.add_argument("--device", default="cpu", help="cpu (default) | cuda | cuda:N")


def _add_analyze(commands: Commands) -> None:
    command = commands.add_parser(
        "analyze",
        help="find and follow the faces, store the result",
        description="Store where the faces of a clip are, to be read, corrected and reused.",
    )
    command.add_argument("input", type=Path, metavar="VIDEO")
    command.add_argument("-o", "--output", type=Path, help="default: VIDEO.faces.json")
    _add_analyze_options(command)
    command.add_argument("--overwrite", action="store_true", help="replace an existing file")
    command.add_argument("--quiet", action="store_true", help="only errors and warnings")
    command.set_defaults(run=_run_analyze)


def _add_inspect(commands: Commands) -> None:
    command = commands.add_parser(
        "inspect",
        help="show everything about one frame",
        description="Write the landmarks, crop, mask, change and result of one frame as pictures "
        "and JSON.",
    )
    command.add_argument("input", type=Path, metavar="VIDEO")
    command.add_argument("--frame", type=int, required=True, metavar="N", help="from 0")
    command.add_argument("-o", "--output", type=Path, help="folder; default: VIDEO.frameN")
    _add_edit_options(command)
    command.set_defaults(run=_run_inspect)


def _add_preview(commands: Commands) -> None:
    command = commands.add_parser(
        "preview",
        help="make a contact sheet: frames × strengths",
        description="Write one picture with several frames of the clip at several strengths.",
    )
    command.add_argument("input", type=Path, metavar="VIDEO")
    command.add_argument("-o", "--output", type=Path, help="default: VIDEO.preview.png")
    command.add_argument("--count", type=int, default=4, help="frames (default 4)")
    command.add_argument(
        "--strengths", default="-1,0,1,2", help="comma-separated factors (default -1,0,1,2)"
    )
    _add_edit_options(command)
    command.set_defaults(run=_run_preview)


def _given(options: argparse.Namespace, kind: type, preset: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an options class that a flag or, failing that, the preset sets."""
    chosen = {}
    for field in fields(kind):
        flag = getattr(options, field.name, None)
        if flag is not None:
            chosen[field.name] = flag
        elif field.name in preset:
            chosen[field.name] = preset[field.name]
    return chosen


def _request(options: argparse.Namespace) -> EditRequest:
    from .run import EditRequest

    preset = load_preset(options.config) if options.config else {}
    attributes = options.attr or preset.get("attr") or []
    if not attributes:
        raise UsageError("nothing to change: give --attr NAME (see `visagist attrs`)")
    return EditRequest(
        input=options.input,
        attributes=tuple(a for text in attributes for a in str(text).split(",")),
        strength=options.strength,
        analyze=AnalyzeOptions(**_given(options, AnalyzeOptions, preset)),
        render=RenderOptions(**_given(options, RenderOptions, preset)),
        encode=EncodeOptions(**_given(options, EncodeOptions, preset)),
        analysis_path=options.analysis,
        device=options.device,
    )


def _run_edit(options: argparse.Namespace) -> int:
    request = _request(options)
    from .run import edit

    report = edit(
        request,
        options.output,
        overwrite=options.overwrite,
        report_path=options.report,
        fail_if_unedited=options.fail_if_unedited,
        progress=_progress(options.quiet),
    )
    for warning in report.warnings:
        print(f"visagist: warning: {warning}", file=sys.stderr)
    if not options.quiet:
        print(report.summary(), file=sys.stderr)
        print(report.output)
    return 0


def _run_analyze(options: argparse.Namespace) -> int:
    from .analyze import analyze_to_file

    path, found = analyze_to_file(
        options.input,
        options.output,
        AnalyzeOptions(**_given(options, AnalyzeOptions, {})),
        device=options.device,
        overwrite=options.overwrite,
        progress=_progress(options.quiet),
    )
    if not options.quiet:
        shots, tracks = len(found.cuts) + 1, len(found.tracks)
        print(f"{len(found.pts)} frames, {shots} shot(s), {tracks} face(s)", file=sys.stderr)
        print(path)
    return 0


def _run_inspect(options: argparse.Namespace) -> int:
    from .inspection import inspect

    print(inspect(_request(options), options.frame, options.output))
    return 0


def _run_preview(options: argparse.Namespace) -> int:
    try:
        factors = tuple(float(text) for text in options.strengths.split(","))
    except ValueError as e:
        raise UsageError(
            f"--strengths {options.strengths!r} must be numbers separated by commas"
        ) from e
    from .inspection import preview

    print(preview(_request(options), options.output, count=options.count, factors=factors))
    return 0


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    )


def _print_listing(
    options: argparse.Namespace, listing: Callable[[], list[dict[str, str]]]
) -> list[dict[str, str]]:
    rows = listing()
    if options.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        print(_table([[k.upper() for k in rows[0]], *([*row.values()] for row in rows)]))
    return rows


def _run_attrs(options: argparse.Namespace) -> int:
    from .listings import attributes

    _print_listing(options, attributes)
    return 0


def _run_models(options: argparse.Namespace) -> int:
    from .listings import models

    _print_listing(options, models)
    return 0


def _run_doctor(options: argparse.Namespace) -> int:
    from .listings import doctor

    rows = _print_listing(options, doctor)
    return 1 if any(row["state"] == "missing" for row in rows) else 0


class _Bar:
    """A tqdm bar on a terminal."""

    def __init__(self) -> None:
        self._bar: Any = None

    def start(self, stage: str, total: int) -> None:
        from tqdm import tqdm

        self._bar = tqdm(total=total or None, desc=stage, unit="frame", file=sys.stderr)

    def advance(self, frames: int) -> None:
        self._bar.update(frames)

    def finish(self) -> None:
        self._bar.close()


class _Lines:
    """One plain line per tenth of the way, for logs and render farms."""

    def __init__(self) -> None:
        self._stage, self._total, self._done, self._said = "", 0, 0, 0

    def start(self, stage: str, total: int) -> None:
        self._stage, self._total, self._done, self._said = stage, total, 0, 0

    def advance(self, frames: int) -> None:
        self._done += frames
        tenth = 10 * self._done // self._total if self._total else self._done // 250
        if tenth > self._said:
            self._said = tenth
            share = f"{min(100, 10 * tenth)}%" if self._total else f"{self._done} frames"
            print(f"{self._stage} progress: {share}", file=sys.stderr, flush=True)

    def finish(self) -> None:
        print(f"{self._stage} done: {self._done} frames", file=sys.stderr, flush=True)


def _progress(quiet: bool) -> Progress:
    if quiet:
        return Silent()
    return _Bar() if sys.stderr.isatty() else _Lines()
