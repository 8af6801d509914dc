"""Train movers and classifiers from codes: `python -m models.latent_transformer COMMAND --help`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from ..training.command import run_command, show
from .portrait_attributes import PORTRAIT_ATTRIBUTES
from .portrait_pack import DEFAULT_FILE, save_movers
from .portrait_train import read_codes, train_movers
from .wplus_commands import (
    add_classifier_options,
    add_transformer_options,
    run_classifier,
    run_transformer,
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code; the measures go to standard output as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m models.latent_transformer", description=__doc__, allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True)
    add_classifier_options(
        commands.add_parser("train-classifier", help="train the latent classifier of W+ codes")
    )
    add_transformer_options(
        commands.add_parser("train", help="train the transformer of one attribute over W+ codes")
    )
    _add_portrait_options(
        commands.add_parser("train-portrait", help="train all movers of the embedded portrait")
    )
    options = parser.parse_args(arguments)
    run: dict[str, Callable[[argparse.Namespace], dict[str, object]]] = {
        "train-classifier": lambda o: run_classifier(o, show),
        "train": lambda o: run_transformer(o, show),
        "train-portrait": _train_portrait,
    }
    return run_command(lambda: run[options.command](options))


def _add_portrait_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--codes", type=Path, required=True, help="codes .npz of a portrait")
    command.add_argument("--out", type=Path, default=DEFAULT_FILE, help="safetensors file to write")
    known = [a.name for a in PORTRAIT_ATTRIBUTES]
    command.add_argument("--attr", action="append", choices=known, help="only these; default all")
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--steps", type=int, default=350)


def _train_portrait(options: argparse.Namespace) -> dict[str, object]:
    chosen = tuple(a for a in PORTRAIT_ATTRIBUTES if not options.attr or a.name in options.attr)
    pack, measures = train_movers(
        read_codes(options.codes), chosen, seed=options.seed, steps=options.steps
    )
    save_movers(pack, options.out, notes={"licence": "CC BY-NC-SA 4.0", "seed": str(options.seed)})
    return dict(measures)


if __name__ == "__main__":
    sys.exit(main())
