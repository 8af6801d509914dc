"""How the attribute networks are trained and measured."""

from __future__ import annotations

import argparse
import sys

from ..training.command import run_command
from .commands import add_evaluate, add_train, run_evaluate, run_train, use_threads


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code; figures go to standard output as JSON."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    add_train(commands)
    add_evaluate(commands)
    args = parser.parse_args(arguments)
    use_threads(args)
    work = {"train": run_train, "evaluate": run_evaluate}[args.command]
    return run_command(lambda: work(args))


if __name__ == "__main__":
    sys.exit(main())
