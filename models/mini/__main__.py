"""Train and pack `mini`; CARD.md has the steps in order."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..training.command import add_checkpoint_options, checkpoint_of, run_command, show
from ..training.place import add_place_options, place_of
from ..training.steps import write_metrics
from .baselines import FILE, ROWS, fit_baselines
from .data import read_mini_data
from .networks import CHECKPOINT, MiniOptions, load_networks
from .packing import CODES_FILE, LICENCE, RATED, SOURCE, export, pack
from .train import train


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code; figures go to standard output as JSON."""
    options = _parser().parse_args(arguments)
    return run_command(lambda: _run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}", description=__doc__, allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True)
    first = commands.add_parser("train", help="train generator and encoder, or go on with it")
    first.add_argument("--out", type=Path, required=True, help="folder of the run")
    first.add_argument("--steps", type=int, default=MiniOptions().steps)
    first.add_argument("--seed", type=int, default=0)
    add_checkpoint_options(first, path=False)
    add_place_options(first, precision="bf16")
    second = commands.add_parser(
        "export", help="write the networks (as float16) and the codes of all faces"
    )
    second.add_argument("--run", type=Path, required=True, help="folder of the run")
    second.add_argument("--out", type=Path, required=True, help="folder of the pack")
    linear = commands.add_parser("baselines", help="fit the linear directions of the codes")
    linear.add_argument("--codes", type=Path, required=True, help="codes.npz of `export`")
    linear.add_argument("--out", type=Path, required=True, help="folder of the pack")
    third = commands.add_parser("pack", help="write pack.toml and measure the pack")
    third.add_argument("--out", type=Path, required=True, help="folder of the pack")
    third.add_argument("--metrics", type=Path, help="JSON to write as well")
    for command in (first, second, third):
        command.add_argument("--data", type=Path, required=True, help="folder of faces")
    return parser


def _run(options: argparse.Namespace) -> dict[str, object]:
    if options.command == "baselines":
        notes = {"licence": LICENCE, "source": SOURCE}
        return dict(fit_baselines(options.codes, RATED, ROWS, options.out / FILE, notes))
    data = read_mini_data(options.data)
    if options.command == "train":
        place = place_of(options)
        half = place.precision == "bf16"
        chosen = MiniOptions(steps=options.steps, seed=options.seed, half=half)
        checkpoint_of(options, options.out / CHECKPOINT)
        _, _, history = train(data, chosen, options.out, show, device=place.device)
        write_metrics(options.out / "metrics.json", {"history": history})
        return {"steps": options.steps, "last": history[-1]}
    if options.command == "export":
        generator, encoder = load_networks(options.run)
        export(generator, encoder, data, options.out, options.run / CODES_FILE)
        return {"networks": str(options.out), "codes": str(options.run / CODES_FILE)}
    figures = pack(data, options.out)
    if options.metrics is not None:
        write_metrics(options.metrics, figures)
    return figures


if __name__ == "__main__":
    sys.exit(main())
