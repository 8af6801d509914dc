"""Directions of codes: fitted, or bound to their generator."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..home import generator_of
from ..training.command import (
    add_generator_option,
    add_label_options,
    add_order_option,
    run_command,
)
from .commands import Figures, layer_range, run_bind, run_boundary, run_pca, run_yaw


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code; the figures go to standard output as JSON."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}", description=__doc__, allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True)
    boundary = commands.add_parser(
        "fit-boundary", help="the plane between high and low codes (InterFaceGAN)"
    )
    _add_codes(boundary)
    add_label_options(boundary)
    boundary.add_argument("--attr", required=True, help="label: its name or index")
    boundary.add_argument(
        "--hold", action="append", default=[], metavar="LABEL", help="label not to move along"
    )
    _add_fit(boundary)
    yaw = commands.add_parser("fit-yaw", help="the direction that turns the head, from landmarks")
    _add_codes(yaw)
    yaw.add_argument(
        "--landmarks",
        type=Path,
        required=True,
        help=".npz with points (N, 68|478, 2) and names (N,): rows are joined by face",
    )
    add_order_option(yaw)
    _add_fit(yaw)
    pca = commands.add_parser("fit-pca", help="principal components of codes (GANSpace)")
    _add_codes(pca)
    add_label_options(pca)
    pca.add_argument("--count", type=int, default=80, help="components to keep (default 80)")
    pca.add_argument(
        "--attr", action="append", default=[], help="write the component nearest to this label too"
    )
    bind = commands.add_parser("bind", help="bind a ready .npy or .pt direction to its generator")
    bind.add_argument("file", type=Path)
    bind.add_argument("--attr", help="attribute; default the file's name")
    bind.add_argument("--unit", type=float, default=1.0, help="times the strength")
    _add_naming(bind)
    for command in (boundary, yaw, pca, bind):
        _add_output(command)
    options = parser.parse_args(arguments)
    run = {"fit-boundary": run_boundary, "fit-yaw": run_yaw, "fit-pca": run_pca, "bind": run_bind}

    def work() -> Figures:
        options.generator = generator_of(options.generator)
        return run[options.command](options)

    return run_command(work)


def _add_codes(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--codes", type=Path, required=True, help=".npy (N, L, D) or (N, D), or .npz with w"
    )


def _add_fit(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--share", type=float, default=0.02, help="of all codes, for each end (default 0.02)"
    )
    command.add_argument("--penalty", type=float, default=1.0, help="C of the SVM (default 1)")
    command.add_argument("--seed", type=int, default=0, help="of the 70/30 split")
    command.add_argument(
        "--condition", type=Path, action="append", default=[], help="direction file to hold"
    )
    _add_naming(command)


def _add_naming(command: argparse.ArgumentParser) -> None:
    command.add_argument("--name", help="what to call the attribute")
    command.add_argument("--invert", action="store_true", help="strength +1 goes the other way")


def _add_output(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    add_generator_option(command, required=True)
    command.add_argument(
        "--rows", type=layer_range, metavar="FIRST:STOP", help="layers that move; default all"
    )
    command.add_argument("--licence", default="", help="kept in the file")


if __name__ == "__main__":
    sys.exit(main())
