"""Train, use and time encoders."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from ..training.command import run_command, show
from .command import add_options, run_training
from .tools import add_encode_options, add_time_options, run_encode, run_time


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code; the measures go to standard output as JSON."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}", description=__doc__, allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True)
    add_options(commands.add_parser("train", help="train an encoder of a frozen generator"))
    add_encode_options(commands.add_parser("encode", help="write the codes of a folder of faces"))
    add_time_options(commands.add_parser("time", help="time the prepared encoder and its twin"))
    options = parser.parse_args(arguments)
    run: dict[str, Callable[[argparse.Namespace], dict[str, object]]] = {
        "train": lambda o: run_training(o, show),
        "encode": run_encode,
        "time": run_time,
    }
    return run_command(lambda: run[options.command](options))


if __name__ == "__main__":
    sys.exit(main())
