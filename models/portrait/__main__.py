"""Train a portrait from rated faces."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..training.codes import write_codes
from ..training.command import run_command
from .data import read_faces
from .pack import DEFAULT_FILE, save_portrait
from .train import fit_portrait


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser(
        "train", help="fit the appearance model and export the faces' codes"
    )
    train.add_argument("--data", type=Path, required=True, help="folder of rated faces")
    train.add_argument("--out", type=Path, default=DEFAULT_FILE, help="safetensors file to write")
    train.add_argument("--codes", type=Path, help="codes .npz to write; default beside --out")
    options = parser.parse_args(arguments)
    return run_command(lambda: _train(options))


def _train(options: argparse.Namespace) -> dict[str, object]:
    model, codes = fit_portrait(read_faces(options.data))
    save_portrait(model, options.out, notes={"licence": "CC BY-NC-SA 4.0"})
    beside = options.codes or options.out.with_suffix(".codes.npz")
    write_codes(beside, codes)
    return {"portrait": str(options.out), "codes": str(beside)}


if __name__ == "__main__":
    sys.exit(main())
