"""Train movers and classifiers from codes: `python -m models.latent_transformer COMMAND --help`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from ..base import ModelError
from ..training.steps import Progress
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
        "train-classifier": lambda o: run_classifier(o, _show),
        "train": lambda o: run_transformer(o, _show),
        "train-portrait": _train_portrait,
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
