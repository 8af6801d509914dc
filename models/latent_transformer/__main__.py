"""Train movers and classifiers from codes: `python -m models.latent_transformer COMMAND --help`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ..base import ModelError
from .portrait_attributes import PORTRAIT_ATTRIBUTES
from .portrait_pack import DEFAULT_FILE, save_movers
from .portrait_train import read_codes, train_movers


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code; the measures go to standard output as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m models.latent_transformer", description=__doc__
    )
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser(
        "train-portrait", help="train classifier, directions and transformers"
    )
    train.add_argument("--codes", type=Path, required=True, help="codes .npz of a portrait")
    train.add_argument("--out", type=Path, default=DEFAULT_FILE, help="safetensors file to write")
    known = [a.name for a in PORTRAIT_ATTRIBUTES]
    train.add_argument("--attr", action="append", choices=known, help="only these; default all")
    train.add_argument("--seed", type=int, default=1)
    train.add_argument("--steps", type=int, default=350)
    options = parser.parse_args(arguments)
    chosen = tuple(a for a in PORTRAIT_ATTRIBUTES if not options.attr or a.name in options.attr)
    try:
        pack, measures = train_movers(
            read_codes(options.codes), chosen, seed=options.seed, steps=options.steps
        )
        save_movers(
            pack, options.out, notes={"licence": "CC BY-NC-SA 4.0", "seed": str(options.seed)}
        )
    except ModelError as e:
        sys.stderr.write(f"error: {e}\n")
        return 1
    sys.stdout.write(json.dumps(measures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
