"""How the packaged landmark weights are made and measured."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from ..base import ModelError
from ..training.command import add_checkpoint_options, checkpoint_of, run_command, show
from ..training.place import add_place_options, place_of
from ..training.steps import update_average
from . import dataset, evaluate, train
from .cascade import PACKAGED_WEIGHTS, LandmarkCascade
from .dataset import Image
from .net import PARTS, LandmarkNet, PartName
from .topology import mesh_to_68

# Steps of 64 crops; on two CPU cores with bfloat16 units about 25, 7 and 4 minutes.
STEPS: dict[PartName, int] = {"main": 2800, "mouth": 3000, "eye": 2500}
RENDER_SIDE = 304
CACHE = Path(tempfile.gettempdir()) / "visagist-renders"
SOURCE = {
    "license": "CC-BY-NC-SA-4.0",
    "source": "One Million Impressions (Peterson et al., PNAS 2022), github.com/jcpeterson/omi",
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code; figures go to standard output as JSON."""
    args = _parser().parse_args(arguments)
    if args.threads:
        torch.set_num_threads(args.threads)
        cv2.setNumThreads(args.threads)
    if args.command == "train":
        return run_command(lambda: _train(args))
    return run_command(lambda: _evaluate(LandmarkCascade.load(args.weights), args))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("train", "evaluate"):
        command = commands.add_parser(name)
        command.add_argument("--data", type=Path, required=True, help="folder like data/omi")
        command.add_argument("--clips", type=Path, help="folder of <clip>.mp4 + landmarks478.npz")
        command.add_argument("--threads", type=int, default=0, help="CPU threads; 0: torch decides")
        command.add_argument("--cache", type=Path, default=CACHE, help="keeps 3 GB of renders")
        command.add_argument("--seed", type=int, default=0)
    training = commands.choices["train"]
    training.add_argument("--out", type=Path, required=True, help="weight file to write")
    training.add_argument("--renders", type=int, default=10_000, help="moved faces to make")
    training.add_argument("--part", choices=[*PARTS, "all"], default="all")
    training.add_argument("--steps", type=int, help="of every trained part")
    training.add_argument("--rate", type=float, default=train.Recipe(steps=1).rate)
    training.add_argument("--start", type=Path, help="weights to start from")
    training.add_argument(
        "--average",
        action="store_true",
        help="keep the mean of the weights that were started from and the trained ones",
    )
    add_checkpoint_options(training)
    add_place_options(training, precision="bf16")
    commands.choices["evaluate"].add_argument("--weights", type=Path, default=PACKAGED_WEIGHTS)
    return parser


def _train(args: argparse.Namespace) -> dict[str, object]:
    plain = dataset.load_faces(args.data, held_out=False)
    rendered = dataset.render_faces(
        args.data,
        args.cache,
        count=args.renders,
        size=RENDER_SIDE,
        seed=args.seed,
        processes=args.threads or 2,
    )
    start = LandmarkCascade.load(args.start) if args.start else None
    place, checkpoints = place_of(args), _checkpoints(args)
    nets: dict[PartName, LandmarkNet] = {}
    for part in PARTS:
        trained = getattr(start, part) if start is not None else None
        if args.part not in (part, "all"):
            nets[part] = trained or LandmarkNet(PARTS[part])
            continue
        recipe = train.Recipe(steps=args.steps or STEPS[part], rate=args.rate, seed=args.seed)
        run = train.Run(show, checkpoints[part], place)
        nets[part] = train.train_part(part, plain, rendered, recipe, start=trained, run=run)
        if args.average and trained is not None:
            update_average(nets[part], trained, keep=0.5)
    finish(nets, args.data, args.out)
    for path in checkpoints.values():
        path.unlink(missing_ok=True)
    return _evaluate(LandmarkCascade.load(args.out), args)


def _checkpoints(args: argparse.Namespace) -> dict[PartName, Path]:
    """Return where each part that is trained saves itself: beside the file that stands for all."""
    chosen: list[PartName] = [part for part in PARTS if args.part in (part, "all")]
    base = args.checkpoint or args.out.with_suffix(".checkpoint.safetensors")
    paths = {part: base.with_name(f"{part}-{base.name}") for part in chosen}
    if args.resume and not any(path.exists() for path in paths.values()):
        raise ModelError(f"no checkpoint like {paths[chosen[0]]}; leave --resume out")
    args.resume = False  # a part that was not begun has none
    return {part: checkpoint_of(args, path) for part, path in paths.items()}


def finish(nets: dict[PartName, LandmarkNet], data: Path, out: Path) -> LandmarkCascade:
    """Save the networks as one cascade, its confidence set by clean held-out faces; return it."""
    cascade = LandmarkCascade(nets, dict.fromkeys(PARTS, 1.0))
    held_out = dataset.load_faces(data, held_out=True, levels=False)
    cascade.typical_scale = evaluate.typical_scales(cascade, held_out)
    training = dataset.load_faces(data, held_out=False, levels=False)
    cascade.label_shift = evaluate.label_shift(cascade, training)
    cascade.save(out, SOURCE)
    return cascade


def _evaluate(cascade: LandmarkCascade, args: argparse.Namespace) -> dict[str, object]:
    held_out = dataset.load_faces(args.data, held_out=True, levels=False)
    errors, estimate = evaluate.evaluate_faces(cascade, held_out, seed=args.seed)
    report: dict[str, object] = {
        "held_out": errors,
        "held_out_scores_10_50_90": np.percentile(estimate.score, [10, 50, 90]).tolist(),
    }
    for video in sorted(args.clips.glob("*.mp4")) if args.clips else []:
        with np.load(video.with_name(f"{video.stem}_landmarks478.npz")) as arrays:
            truth = mesh_to_68(arrays["points"])[..., :2]
        points, scores = evaluate.follow(cascade, _frames(video), truth[0])
        report[video.stem] = evaluate.compare_clip(points, scores, truth[: len(points)])
    return report


def _frames(video: Path) -> Iterator[Image]:
    capture = cv2.VideoCapture(str(video))
    while True:
        has_frame, frame = capture.read()
        if not has_frame:
            return
        yield np.ascontiguousarray(frame[..., ::-1], dtype=np.uint8)


if __name__ == "__main__":
    sys.exit(main())
