"""The commands and options of the command line, and how they become requests; nothing runs here.

Nothing heavy is imported, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from .config import AnalyzeOptions, EncodeOptions, RenderOptions, load_preset
from .errors import UsageError
from .models_arguments import add_models_actions
from .parser import Parser, ShowVersion, dash_hint
from .side_files import expanded, expanded_path

if TYPE_CHECKING:
    from .run import EditRequest

EPILOG = """exit codes:
  0 done   1 failed   2 wrong usage   3 input unusable   4 output cannot be written
  5 weights unusable   6 device not there   7 nothing edited (--fail-if-unedited)
  70 a bug in visagist   130 interrupted by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP
  (a reader that closes our stdout early, as `| head` does, is no failure)

examples:
  visagist edit shot.mp4 --attr smile
  visagist edit shot.mov -o out.mov --attr smile=0.8 --attr age=-0.5 --report out.json
  visagist preview shot.mp4 --attr smile
  visagist inspect shot.mp4 --frame 42 --attr smile
"""

LISTINGS = {
    "attrs": "list what can be changed",
    "models": "list the weights: source, licence, size, SHA-256; import others",
    "doctor": "say what is installed, what is missing, how to get it",
}
"""Commands that only show something, with their help."""

Commands = Any  # argparse gives its sub-parser collection no public type

_ANALYZE, _RENDER = AnalyzeOptions(), RenderOptions()
"""Where the defaults that the help tells come from."""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return what the user asked for; `command` is the name of the command.

    Raises:
        UsageError: an unknown command or option, or a value that cannot be read.
        SystemExit: after `--help` or `--version`.
    """
    parser = Parser(
        prog="visagist",
        description="Edit the face of a real person in a real video.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=ShowVersion, version=f"visagist {_version()}")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
    _add_edit(commands)
    _add_analyze(commands)
    _add_inspect(commands)
    _add_preview(commands)
    _add_bench(commands)
    for name, text in LISTINGS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--json", action="store_true", help="print JSON")
        if name == "models":
            add_models_actions(command)
        if name == "attrs":
            command.add_argument(
                "--pack", default=_RENDER.pack, metavar="NAME", help="of this pack"
            )
    try:
        return parser.parse_args(arguments)
    except UsageError as e:
        raise UsageError(f"{e}{dash_hint(sys.argv[1:] if arguments is None else arguments)}") from e


def request_of(options: argparse.Namespace) -> EditRequest:
    """Return the request of `edit`, `inspect` or `preview`: flags over preset over defaults.

    Raises:
        UsageError: nothing to change, a value out of range, or an unusable preset.
    """
    from .run import EditRequest  # imports torch: only now that the arguments are known to be good

    preset = _preset(options)
    attributes = options.attr or preset.get("attr", ())
    if not attributes:
        raise UsageError("nothing to change: give --attr NAME (see `visagist attrs`)")
    strength = options.strength if options.strength is not None else preset.get("strength", 1.0)
    return EditRequest(
        input=options.input,
        attributes=tuple(a for text in attributes for a in text.split(",")),
        strength=strength,
        analyze=AnalyzeOptions(**given(options, AnalyzeOptions, preset)),
        render=RenderOptions(**given(options, RenderOptions, preset)),
        encode=EncodeOptions(**given(options, EncodeOptions, preset)),
        analysis_path=options.analysis,
        device=options.device,
        presets=(options.config,) if options.config else (),
    )


def analysis_of(options: argparse.Namespace) -> AnalyzeOptions:
    """Return the options of `analyze`: flags over preset over defaults.

    Raises:
        UsageError: a value out of range, or an unusable preset.
    """
    return AnalyzeOptions(**given(options, AnalyzeOptions, _preset(options)))


def render_of(options: argparse.Namespace) -> RenderOptions:
    """Return the render options of a command: flags over preset over defaults.

    Raises:
        UsageError: a value out of range, or an unusable preset.
    """
    return RenderOptions(**given(options, RenderOptions, _preset(options)))


def _preset(options: argparse.Namespace) -> dict[str, Any]:
    return load_preset(options.config) if options.config else {}


def given(options: argparse.Namespace, kind: type, preset: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an options class that a flag or, failing that, the preset sets."""
    chosen = {}
    for field in fields(kind):
        flag = getattr(options, field.name, None)
        if flag is not None:
            chosen[field.name] = flag
        elif field.name in preset:
            chosen[field.name] = preset[field.name]
    return chosen


def factors_of(text: str) -> tuple[float, ...]:
    """Return the numbers of a comma-separated list.

    Raises:
        UsageError: something in it is no number.
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as e:
        raise UsageError(f"--strengths {text!r} must be numbers separated by commas") from e


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("visagist")
    except PackageNotFoundError:
        return "(checkout, not installed)"


def _add_edit(commands: Commands) -> None:
    command = commands.add_parser(
        "edit",
        help="change attributes of the faces in a clip",
        description="Write the clip again with the faces changed and all else kept.",
    )
    command.add_argument("input", type=expanded_path, metavar="VIDEO")
    command.add_argument(
        *("-o", "--output"),
        type=expanded_path,
        metavar="FILE",
        help="default: beside it, NAME-ATTR.EXT",
    )
    _add_edit_options(command)
    _add_encode_options(command)
    group = _add_output_options(command)
    group.add_argument("--report", type=expanded_path, metavar="FILE", help="write a JSON report")
    group.add_argument(
        "--fail-if-unedited", action="store_true", help="exit 7 if no frame could be edited"
    )


def _add_analyze(commands: Commands) -> None:
    command = commands.add_parser(
        "analyze",
        help="find and follow the faces, store the result",
        description="Store where the faces of a clip are, to be read, corrected and reused.",
    )
    command.add_argument("input", type=expanded_path, metavar="VIDEO")
    command.add_argument(
        "-o", "--output", type=expanded_path, metavar="FILE", help="default: VIDEO.faces.json"
    )
    group = _add_analyze_options(command)
    group.add_argument(
        "--config",
        type=expanded_path,
        metavar="TOML",
        help="preset file; what it says of analysis is used",
    )
    _add_output_options(command)


def _add_inspect(commands: Commands) -> None:
    command = commands.add_parser(
        "inspect",
        help="show everything about one frame",
        description="Write the landmarks, crop, mask, change and result of one frame as pictures "
        "and JSON.",
    )
    command.add_argument("input", type=expanded_path, metavar="VIDEO")
    command.add_argument("--frame", type=int, required=True, metavar="N", help="from 0")
    command.add_argument(
        "-o", "--output", type=expanded_path, metavar="FOLDER", help="default: VIDEO.frameN"
    )
    _add_edit_options(command)
    _add_output_options(command)


def _add_preview(commands: Commands) -> None:
    command = commands.add_parser(
        "preview",
        help="make a contact sheet (frames × strengths) or a side-by-side clip",
        description="Write one picture with several frames of the clip at several strengths, or, "
        "with --side-by-side, a clip with the original on the left and the edit on the right.",
    )
    command.add_argument("input", type=expanded_path, metavar="VIDEO")
    command.add_argument(
        "-o",
        "--output",
        type=expanded_path,
        metavar="FILE",
        help="default: VIDEO.preview.png, or VIDEO.compare.EXT with --side-by-side",
    )
    command.add_argument("--side-by-side", action="store_true", help="a clip, not a sheet")
    command.add_argument(
        "--count", type=int, default=4, metavar="N", help="frames of the sheet (default 4)"
    )
    command.add_argument(
        "--strengths",
        default="-1,0,1,2",
        metavar="F,F,…",
        help="columns of the sheet: factors of the strength asked for (default -1,0,1,2)",
    )
    _add_edit_options(command)
    _add_encode_options(command)
    _add_output_options(command)


def _add_bench(commands: Commands) -> None:
    command = commands.add_parser(
        "bench",
        help="measure how long an edit takes",
        description="Time an edit of a clip against decoding and encoding it; or `bench poisson`, "
        "`bench generator`.",
    )
    command.add_argument("input", nargs="?", type=expanded_path, metavar="CLIP|poisson|generator")
    command.add_argument("--rounds", type=int, default=3, metavar="N", help="turns (default 3)")
    command.add_argument("--json", type=expanded_path, metavar="FILE", help="write all figures")
    _add_edit_options(command)
    _add_encode_options(command)
    _add_output_options(command)


def _add_edit_options(command: argparse.ArgumentParser) -> None:
    """Add what `edit`, `inspect` and `preview` share: which edit, on which faces, and how."""
    group = command.add_argument_group("edit")
    group.add_argument(
        "--attr",
        action="append",
        metavar="NAME[=STRENGTH]",
        help="attribute and strength in standard deviations, both signs; may be given several "
        "times and is applied in order (see `visagist attrs`)",
    )
    group.add_argument(
        "--strength", type=float, metavar="S", help="of every --attr that names none (default 1)"
    )
    group.add_argument(
        "--config", type=expanded_path, metavar="TOML", help="preset file; flags win over it"
    )
    group.add_argument(
        "--faces",
        metavar="WHICH",
        help="all | largest | N | left-right[:N] | right-left[:N] | top-bottom[:N] | "
        "bottom-top[:N] | large-small[:N] | small-large[:N] | reference:FRAME:N | "
        "reference:PICTURE (default all; N counts from 0)",
    )
    group.add_argument(
        "--editor", metavar="NAME", help="latent-transformer (default) | direction | pca"
    )
    group.add_argument("--blend", metavar="HOW", help="poisson (default) | alpha | none")
    group.add_argument(
        "--smoothing",
        type=float,
        dest="smoothing_s",
        metavar="SECONDS",
        help=f"of the landmarks over time (default {_RENDER.smoothing_s:g}); 0 switches it off",
    )
    group.add_argument(
        "--no-occlusion",
        action="store_false",
        dest="occlusion",
        default=None,
        help="edit over hands and hair too",
    )
    _add_analyze_options(command).add_argument(
        "--analysis",
        type=expanded_path,
        metavar="FILE",
        help="reuse the analysis of this clip, or store it there if there is none",
    )


def _add_pack_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("model")
    group.add_argument(
        "--pack",
        metavar="NAME",
        help=f"{_RENDER.pack} (default) or another one (see `visagist models`)",
    )
    group.add_argument(
        "--transfer",
        metavar="HOW",
        help="replace (paste the generated face) | delta (carry only its change onto the clip's "
        "own pixels); default: what the pack is made for",
    )
    group.add_argument(
        "--precision",
        metavar="HOW",
        help="auto (default: bf16 where the processor multiplies in it) | fp32 | bf16",
    )


def _add_analyze_options(command: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    _add_pack_options(command)
    group = command.add_argument_group("analysis")
    group.add_argument(
        "--landmarks",
        type=expanded,
        metavar="HOW",
        help="embedded (default) | face-alignment | FILE with landmarks",
    )
    group.add_argument(
        "--detect-every",
        type=float,
        dest="detect_every_s",
        metavar="SECONDS",
        help="how often faces are looked for anew "
        f"(default {_ANALYZE.detect_every_s:g}); between, they are followed",
    )
    group.add_argument(
        "--max-gap",
        type=float,
        dest="max_gap_s",
        metavar="SECONDS",
        help=f"gaps in a track up to this long are filled (default {_ANALYZE.max_gap_s:g})",
    )
    group.add_argument("--on-damage", metavar="HOW", help="of the video: warn (default) | fail")
    group.add_argument(
        "--video-stream", type=int, metavar="N", help="of the file, from 0, no covers"
    )
    group.add_argument(
        "--device", default="cpu", metavar="NAME", help="cpu (default) | cuda | cuda:N"
    )
    group.add_argument(
        "--batch-size",
        type=int,
        metavar="N",
        help="crops per call of the model (default: 1 on a CPU, 8 on a GPU); halved when memory "
        "runs out",
    )
    group.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="threads of the networks and of OpenCV (default: half the cores, at most 4; the video "
        "has its own)",
    )
    return group


def _add_encode_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group(
        "encoder (FFmpeg's names and units; default: like the input)"
    )
    group.add_argument("--codec", metavar="NAME", help="e.g. libx264, libx265, ffv1 (lossless)")
    group.add_argument("--crf", type=float, metavar="Q", help="constant rate factor")
    group.add_argument("--preset", metavar="NAME", help="of the encoder, e.g. slow")
    group.add_argument("--pix-fmt", metavar="FORMAT", help="e.g. yuv420p, yuv422p10le")
    group.add_argument("--verify", metavar="HOW", help="quick | full (decode the result again)")


def _add_output_options(command: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    group = command.add_argument_group("output")
    group.add_argument("--overwrite", action="store_true", help="replace what exists already")
    group.add_argument("--quiet", action="store_true", help="only errors and warnings")
    return group
