"""Train movers and classifiers from codes."""

from __future__ import annotations

import argparse
import sys

from ..training.command import run_command, show
from .commands import (
    add_classifier_options,
    add_transformer_options,
    run_classifier,
    run_transformer,
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code; the measures go to standard output as JSON."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}", description=__doc__, allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True)
    add_classifier_options(
        commands.add_parser("train-classifier", help="train the latent classifier of W+ codes")
    )
    add_transformer_options(
        commands.add_parser("train", help="train the transformer of one attribute over W+ codes")
    )
    options = parser.parse_args(arguments)
    run = {"train-classifier": run_classifier, "train": run_transformer}
    return run_command(lambda: run[options.command](options, show))


if __name__ == "__main__":
    sys.exit(main())
