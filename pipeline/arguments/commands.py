"""The commands of the command line. Nothing heavy is imported, so that `--help` answers at once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ..config import RenderOptions
from ..errors import UsageError
from ..side_files import expanded_path
from .editorial import add_shots
from .groups import (
    Commands,
    add_analyze_options,
    add_edit_options,
    add_encode_options,
    add_output_options,
)
from .listings import add_cache_actions, add_models_actions
from .parser import Parser, ShowVersion, dash_hint
from .reels import add_run

EPILOG = """exit codes:
  0 done   1 failed   2 wrong usage   3 input unusable   4 output cannot be written
  5 weights unusable   6 device not there   7 nothing edited (--fail-if-unedited)
  8 some clips or shots failed   75 try again later (disk full, I/O)   70 a bug in visagist
  130 interrupted by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP
  (a reader that closes our stdout early, as `| head` does, is no failure)

examples:
  visagist edit shot.mp4 --attr smile
  visagist edit shot.mov -o out.mov --attr smile=0.8 --attr age=-0.5 --report out.json
  visagist preview shot.mp4 --attr smile
  visagist inspect shot.mp4 --frame 42 --attr smile
  visagist run reel.toml
"""

LISTINGS = {
    "attrs": "list what can be changed",
    "models": "list the weights: source, licence, size, SHA-256; import others",
    "cache": "list what was prepared for faces of clips; remove what was not used for long",
    "doctor": "say what is installed, what is missing, how to get it",
}
"""Commands that only show something, with their help."""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return what the user asked for; `command` is the name of the command.

    Raises:
        UsageError: an unknown command or option, or a value that cannot be read.
        SystemExit: after `--help` or `--version`.
    """
    try:
        return command_line().parse_args(arguments)
    except UsageError as e:
        raise UsageError(f"{e}{dash_hint(sys.argv[1:] if arguments is None else arguments)}") from e


def command_line() -> Parser:
    """Return the parser of all commands; the pages of `docs/commands` are made from it, too."""
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
    add_run(commands)
    _add_bench(commands)
    add_shots(commands)
    for name, text in LISTINGS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--json", action="store_true", help="print JSON")
        if name == "models":
            add_models_actions(command)
        if name == "cache":
            add_cache_actions(command)
        if name == "attrs":
            command.add_argument(
                "--pack", default=RenderOptions().pack, metavar="NAME", help="of this pack"
            )
    return parser


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("visagist")
    except PackageNotFoundError:
        return "(checkout, not installed)"


def _clip_command(commands: Commands, name: str, text: str, description: str) -> Parser:
    """Add a command that works on a clip."""
    command: Parser = commands.add_parser(name, help=text, description=description)
    command.add_argument("input", type=expanded_path, metavar="VIDEO")
    return command


def _add_output(command: Parser, default: str, metavar: str = "FILE") -> None:
    text = f"default: {default}"
    command.add_argument("-o", "--output", type=expanded_path, metavar=metavar, help=text)


def _add_edit(commands: Commands) -> None:
    command = _clip_command(
        commands,
        "edit",
        "change attributes of the faces in a clip",
        "Write the clip again with the faces changed and all else kept.",
    )
    command.add_argument("others", type=expanded_path, nargs="*", metavar="VIDEO")
    _add_output(command, "beside it, NAME-ATTR.EXT")
    command.add_argument(
        "--output-dir",
        type=expanded_path,
        metavar="DIR",
        help="where the outputs go, NAME-ATTR.EXT; for one clip or several",
    )
    add_edit_options(command)
    command.add_argument(
        "--frames",
        metavar="FIRST-LAST",
        help="write these frames only, both included, with their sound: numbers from 0, or "
        "timecodes of the clip",
    )
    add_encode_options(command)
    group = add_output_options(command)
    group.add_argument(
        "--chunk",
        type=int,
        metavar="N",
        help="encode anew every N frames: the file is the one that pieces of N frames, made "
        "anywhere, are joined to",
    )
    group.add_argument("--report", type=expanded_path, metavar="FILE", help="write a JSON report")
    group.add_argument(
        "--fail-if-unedited", action="store_true", help="exit 7 if no frame could be edited"
    )


def _add_analyze(commands: Commands) -> None:
    command = _clip_command(
        commands,
        "analyze",
        "find and follow the faces, store the result",
        "Store where the faces of a clip are, to be read, corrected and reused.",
    )
    _add_output(command, "VIDEO.faces.json")
    add_analyze_options(command).add_argument(
        "--config",
        type=expanded_path,
        metavar="TOML",
        help="preset file; what it says of analysis is used",
    )
    add_output_options(command)


def _add_inspect(commands: Commands) -> None:
    command = _clip_command(
        commands,
        "inspect",
        "show everything about one frame",
        "Write the landmarks, crop, mask, change and result of one frame as pictures and JSON.",
    )
    command.add_argument("--frame", type=int, required=True, metavar="N", help="from 0")
    _add_output(command, "VIDEO.frameN", "FOLDER")
    add_edit_options(command)
    add_output_options(command)


def _add_preview(commands: Commands) -> None:
    command = _clip_command(
        commands,
        "preview",
        "make a contact sheet (frames × strengths, or the worst frames) or a side-by-side clip",
        "Write one picture with several frames of the clip at several strengths; with --worst, the "
        "frames to be looked at first; or, with --side-by-side, a clip with the original on the "
        "left and the edit on the right.",
    )
    _add_output(
        command,
        "VIDEO.preview.png; VIDEO.worst.png with --worst; VIDEO.compare.EXT with --side-by-side",
    )
    kind = command.add_mutually_exclusive_group()
    kind.add_argument("--side-by-side", action="store_true", help="a clip, not a sheet")
    kind.add_argument(
        "--worst",
        type=int,
        metavar="N",
        help="a sheet of at most N frames that the program itself trusts least, with the reasons",
    )
    kind.add_argument(
        "--count", type=int, default=4, metavar="N", help="frames of the sheet (default 4)"
    )
    command.add_argument(
        "--strengths",
        metavar="F,F,…",
        help="columns of the sheet: factors of the strength asked for (default -1,0,1,2; with "
        "--worst 0,1)",
    )
    add_edit_options(command)
    add_encode_options(command)
    add_output_options(command)


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
    add_edit_options(command)
    add_encode_options(command)
    add_output_options(command)
