"""Train, use and time encoders: `python -m models.encoders COMMAND --help`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable

from ..base import ModelError
from ..training.encoder_command import add_options, run_training
from ..training.encoder_tools import add_encode_options, add_time_options, run_encode, run_time
from ..training.steps import Progress


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code; the measures go to standard output as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m models.encoders", description=__doc__, allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True)
    add_options(commands.add_parser("train", help="train an encoder of a frozen generator"))
    add_encode_options(commands.add_parser("encode", help="write the codes of a folder of faces"))
    add_time_options(commands.add_parser("time", help="time the prepared encoder and its twin"))
    options = parser.parse_args(arguments)
    run: dict[str, Callable[[argparse.Namespace], dict[str, object]]] = {
        "train": lambda o: run_training(o, _show),
        "encode": run_encode,
        "time": run_time,
    }
    try:
        measures = run[options.command](options)
    except ModelError as e:
        print(f"error: {e}", file=sys.stderr)
        return 1
    print(json.dumps(measures, indent=1))
    return 0


def _show(progress: Progress) -> None:
    losses = "  ".join(f"{name} {value:.4g}" for name, value in progress.losses.items())
    print(f"step {progress.step}/{progress.steps}  {losses}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
