"""How the attribute networks are made: the turntable they learn from."""

from __future__ import annotations

import argparse
import sys

from ..training.command import run_command
from .turntable.command import add_turntable, run_turntable


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code; figures go to standard output as JSON."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    add_turntable(commands)
    args = parser.parse_args(arguments)
    work = {"turntable": run_turntable}[args.command]
    return run_command(lambda: work(args))


if __name__ == "__main__":
    sys.exit(main())
