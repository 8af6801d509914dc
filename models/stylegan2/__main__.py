"""Measure the generator."""

from __future__ import annotations

import argparse
import sys

import torch

from ..base import ModelError
from .bench import named_generator, table, time_variants


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    bench = commands.add_parser(
        "bench", help="time the generator, plain and prepared, with weights made from names"
    )
    bench.add_argument("--size", type=int, default=1024, help="side of the pictures, px")
    bench.add_argument("--threads", type=int, default=1, help="processor threads")
    bench.add_argument("--rounds", type=int, default=3, help="turns of each way; medians are shown")
    bench.add_argument("--batch", type=int, default=1, help="pictures at once")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        timings = time_variants(
            named_generator(options.size), rounds=options.rounds, batch=options.batch
        )
    except ModelError as e:
        sys.stderr.write(f"error: {e}\n")
        return 1
    print(table(timings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
