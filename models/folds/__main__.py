"""Learn the folds from faces seen in their own frame."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..training.command import run_command
from .files import DEFAULT_FILE, save_folds
from .learn import learn_folds, read_frames


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    parser.add_argument(
        "--frames", type=Path, required=True, help=".npz of samples/see_in_frame.py"
    )
    parser.add_argument("--out", type=Path, default=DEFAULT_FILE, help="safetensors file to write")
    options = parser.parse_args(arguments)
    return run_command(lambda: _learn(options))


def _learn(options: argparse.Namespace) -> dict[str, object]:
    model = learn_folds(read_frames(options.frames))
    save_folds(model, options.out, notes={"licence": "CC BY-NC-SA 4.0"})
    return {"folds": str(options.out), "patterns": len(model.patterns)}


if __name__ == "__main__":
    sys.exit(main())
