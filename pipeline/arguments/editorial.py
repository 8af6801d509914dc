"""What can be typed after `shots`."""

from __future__ import annotations

from ..side_files import expanded_path
from .groups import Commands, add_output_options


def add_shots(commands: Commands) -> None:
    """Add the command that makes a manifest of an edit list."""
    command = commands.add_parser(
        "shots",
        help="make a manifest of the shots in an edit list (EDL, FCPXML, OTIO, ALE)",
        description="Write a manifest of the picture events of an edit list: which frames of which "
        "plates are seen. Speed changes, dissolves, missing plates and what is not understood are "
        "told, of an EDL with their line.",
    )
    command.add_argument(
        "cut",
        type=expanded_path,
        metavar="LIST",
        help="an EDL (CMX 3600) or FCPXML; with the extra `editorial` also .otio, .ale, and .xml "
        "of Final Cut Pro 7 and Premiere",
    )
    add = command.add_argument
    add(
        "--plates",
        type=expanded_path,
        required=True,
        metavar="FOLDER",
        help="with the clips, named as the list names clips, sources or reels",
    )
    add("--handles", type=int, default=8, metavar="N", help="frames more at both ends (default 8)")
    add(
        "--attr",
        action="append",
        metavar="NAME[=STRENGTH]",
        help="what is changed in all shots (default smile); may be given several times",
    )
    add("-o", "--output", type=expanded_path, metavar="FILE", help="default: shown on stdout")
    add_output_options(command)
