"""The commands `train` and `evaluate`: what can be typed, and what is done then."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

import torch

from ..training.command import add_checkpoint_options, checkpoint_of, note, show
from ..training.place import add_place_options, place_of
from ..training.steps import write_metrics
from . import evaluate, train
from .files import KINDS, Kind, save_trained
from .network import TASKS, Task
from .picture import write_picture
from .views import open_views

STEPS: Final[Mapping[Kind, Mapping[Task, tuple[int, int]]]] = {
    "published": dict.fromkeys(TASKS, (5200, 2600)),
    "grown": dict.fromkeys(TASKS, (5000, 2500)),
}
"""Of both stages, where none are asked for: two passes over the 84,000 pairs, then one."""
_BATCHES: Final[Mapping[Kind, int]] = {"published": 32, "grown": 24}


def add_train(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `train`."""
    command = commands.add_parser("train", help="train both stages of a network for one task")
    command.add_argument("--task", choices=TASKS, required=True)
    command.add_argument("--network", choices=KINDS, required=True)
    command.add_argument("--turntable", type=Path, required=True, help="folder of the turntable")
    command.add_argument("--out", type=Path, required=True, help="weight file to write")
    command.add_argument("--steps", type=int, nargs=2, metavar=("FIRST", "SECOND"))
    command.add_argument("--batch", type=int, help="pairs a step")
    command.add_argument("--rate", type=float, help="learning rate")
    command.add_argument("--threads", type=int, default=0, help="CPU threads; 0: torch decides")
    command.add_argument("--seed", type=int, default=0)
    add_checkpoint_options(command)
    add_place_options(command)


def add_evaluate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `evaluate`."""
    command = commands.add_parser("evaluate", help="the paper's tables: a JSON, a picture")
    command.add_argument("--turntable", type=Path, required=True, help="folder of the turntable")
    command.add_argument(
        "--weights", type=Path, nargs="+", required=True, help="files that `train` wrote"
    )
    command.add_argument(
        "--out", type=Path, required=True, help="JSON to write; the picture lies beside it as .png"
    )
    command.add_argument("--pairs", type=int, default=10_000, help="test pairs, and queries")
    command.add_argument(
        "--people", type=int, help="use the first N test faces only: quicker, and easier"
    )
    command.add_argument("--arcface", type=Path, help="model_ir_se50.pth, for one more row")
    command.add_argument("--keep", action="store_true", help="keep the pieces (2 GB) when done")
    command.add_argument("--threads", type=int, default=0, help="CPU threads; 0: torch decides")
    command.add_argument("--seed", type=int, default=0)
    add_place_options(command)


def run_train(args: argparse.Namespace) -> Mapping[str, object]:
    """Train and save; return what became of it."""
    kind: Kind = args.network
    views = open_views(args.turntable, colour=kind == "grown")
    recipe = train.Recipe(
        task=args.task,
        network=kind,
        steps=tuple(args.steps or STEPS[kind][args.task]),
        rate=args.rate or train.RATES[kind],
        batch=args.batch or _BATCHES[kind],
        seed=args.seed,
    )
    place, checkpoints = place_of(args), _checkpoints(args)
    network = train.train(views, recipe, show, checkpoint=checkpoints, place=place)
    stated = json.dumps({**asdict(recipe), **place.recipe})
    save_trained(args.out, network, args.task, views, stated)
    for stage in range(2):
        train.stage_file(checkpoints, stage).unlink(missing_ok=True)
    weights = sum(t.numel() for t in network.state_dict().values())
    return {"weights": str(args.out), "bytes": args.out.stat().st_size, "numbers": weights}


def _checkpoints(args: argparse.Namespace) -> Path:
    """Return what both stages' checkpoints are named after; drop or ask for them as told."""
    base: Path = args.checkpoint or args.out.with_suffix(".checkpoint.safetensors")
    files = [train.stage_file(base, stage) for stage in range(2)]
    checkpoint_of(args, files[0])
    if args.restart:
        files[1].unlink(missing_ok=True)
    return base


def run_evaluate(args: argparse.Namespace) -> Mapping[str, object]:
    """Measure, write the JSON and the picture; return the figures."""
    options = evaluate.Options(
        turntable=args.turntable,
        weights=tuple(args.weights),
        parts=args.out.with_suffix(".parts"),
        pairs=args.pairs,
        people=args.people,
        arcface=args.arcface,
        seed=args.seed,
        place=place_of(args),
        told=note,
    )
    measured = evaluate.evaluate(options)
    write_metrics(args.out, measured.figures)
    write_picture(args.out.with_suffix(".png"), measured.examples, measured.turns)
    if not args.keep:
        shutil.rmtree(options.parts, ignore_errors=True)
    return measured.figures


def use_threads(args: argparse.Namespace) -> None:
    """Set how many threads compute, if that was asked for."""
    if getattr(args, "threads", 0):
        torch.set_num_threads(args.threads)
