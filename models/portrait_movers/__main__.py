"""Train all movers of a portrait from its codes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..training.command import run_command
from .attributes import PORTRAIT_ATTRIBUTES
from .files import DEFAULT_FILE, save_movers
from .train import read_codes, train_movers


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code; the measures go to standard output as JSON."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}", description=__doc__, allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train all movers of a portrait")
    train.add_argument("--codes", type=Path, required=True, help="codes .npz of a portrait")
    train.add_argument("--out", type=Path, default=DEFAULT_FILE, help="safetensors file to write")
    known = [a.name for a in PORTRAIT_ATTRIBUTES]
    train.add_argument("--attr", action="append", choices=known, help="only these; default all")
    train.add_argument("--seed", type=int, default=1)
    train.add_argument("--steps", type=int, default=350)
    options = parser.parse_args(arguments)
    return run_command(lambda: _train(options))


def _train(options: argparse.Namespace) -> dict[str, object]:
    chosen = tuple(a for a in PORTRAIT_ATTRIBUTES if not options.attr or a.name in options.attr)
    pack, measures = train_movers(
        read_codes(options.codes), chosen, seed=options.seed, steps=options.steps
    )
    save_movers(pack, options.out, notes={"licence": "CC BY-NC-SA 4.0", "seed": str(options.seed)})
    return dict(measures)


if __name__ == "__main__":
    sys.exit(main())
