"""The command `turntable`: what can be typed, and what is done then."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from ...training.command import note
from .folder import Options
from .make import make_turntable


def add_turntable(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `turntable`."""
    command = commands.add_parser(
        "turntable", help="photograph heads from seven sides under twenty lights"
    )
    command.add_argument("--data", type=Path, required=True, help="folder that holds ict and omi")
    command.add_argument(
        "--out", type=Path, required=True,
        help="folder to make; the same command goes on with one that was broken off",
    )  # fmt: skip
    command.add_argument(
        "--faces", type=_count, default=249,
        help="how many (249 as in the paper: 100 to learn from), or `all`",
    )  # fmt: skip
    command.add_argument("--captures", type=_positive, default=4, help="of each thing worn")
    command.add_argument("--workers", type=_positive, default=1, help="processes")
    command.add_argument("--seed", type=int, default=0)


def run_turntable(args: argparse.Namespace) -> Mapping[str, object]:
    """Make the turntable; return what there is."""
    options = Options(faces=args.faces, seed=args.seed, captures=args.captures)
    return make_turntable(args.data, args.out, options, workers=args.workers, told=note)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value


def _count(text: str) -> int | None:
    return None if text == "all" else _positive(text)
