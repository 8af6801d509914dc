"""Train an encoder: `python -m models.encoders train --generator FILE --data DIR --out FILE`."""

from __future__ import annotations

import argparse
import json
import sys

from ..base import ModelError
from ..encoder_command import add_options, run_training
from ..training import Progress


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code; the measures go to standard output as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m models.encoders", description=__doc__, allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True)
    add_options(commands.add_parser("train", help="train an encoder of a frozen generator"))
    options = parser.parse_args(arguments)
    try:
        measures = run_training(options, _show)
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
