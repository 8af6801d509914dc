"""How the attribute networks are made: the turntable they learn from, training, measuring."""

from __future__ import annotations

import argparse
import sys

from ..training.command import run_command
from .commands import add_evaluate, add_train, run_evaluate, run_train, use_threads
from .turntable.command import add_turntable, run_turntable

RUNS = {"turntable": run_turntable, "train": run_train, "evaluate": run_evaluate}


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code; figures go to standard output as JSON."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    add_turntable(commands)
    add_train(commands)
    add_evaluate(commands)
    args = parser.parse_args(arguments)
    use_threads(args)
    return run_command(lambda: RUNS[args.command](args))


if __name__ == "__main__":
    sys.exit(main())
