"""How the packaged parsing weights are made and measured."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import torch

from ..topology68 import MESH_TO_68
from ..training.command import add_checkpoint_options, checkpoint_of, run_command, show
from ..training.place import add_place_options, place_of
from ..weights import load_safetensors, save_safetensors
from . import covered, evaluate, labels, samples, steadiness, train
from .model import ParsingModel, build
from .net import ParsingNet

FACTS = {
    "licence": "CC-BY-NC-SA-4.0",
    "source": "One Million Impressions (Peterson et al., PNAS 2022), github.com/jcpeterson/omi",
}


_FRAMES = 60
"""Of a clip that are looked at."""
_EMBEDDED = Path(__file__).with_name("parsing.safetensors")


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code; figures go to standard output as JSON."""
    args = _parser().parse_args(arguments)
    if args.threads:
        torch.set_num_threads(args.threads)
        cv2.setNumThreads(args.threads)
    return run_command(lambda: _COMMANDS[args.command](args))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    labelling = commands.add_parser("labels", help="make the label maps")
    labelling.add_argument("--data", type=Path, required=True, help="folder like data/omi")
    labelling.add_argument("--out", type=Path, required=True, help="label maps to write (.npz)")
    labelling.add_argument("--teacher", type=Path, help="weights whose opinion mends them")
    measuring = commands.add_parser("evaluate", help="overlap with the held-out faces")
    measuring.add_argument("--data", type=Path, required=True, help="folder like data/omi")
    measuring.add_argument("--weights", type=Path, default=_EMBEDDED, help="default: the packaged")
    measuring.add_argument("--clips", type=Path, help="folder of <clip>.mp4 + landmarks478.npz")
    measuring.add_argument("--labels", type=Path, help="label maps: things are drawn on them, too")
    for command in (labelling, measuring):
        command.add_argument("--threads", type=int, default=1, help="0: torch decides")
    training = commands.add_parser("train", help="train the network")
    training.add_argument("--data", type=Path, required=True, help="folder like data/omi")
    training.add_argument("--labels", type=Path, required=True, help="label maps (.npz)")
    training.add_argument("--out", type=Path, required=True, help="weights to write, as float16")
    training.add_argument("--start", type=Path, help="weights to start from")
    training.add_argument("--steps", type=int, default=9000)
    training.add_argument("--rate", type=float, default=train.Recipe(steps=1).rate)
    training.add_argument("--seed", type=int, default=0)
    training.add_argument("--threads", type=int, default=1, help="of one process; 0: torch decides")
    add_checkpoint_options(training)
    add_place_options(training, precision="bf16")
    return parser


def _label(args: argparse.Namespace) -> dict[str, object]:
    teacher = _model(args.teacher) if args.teacher else None
    return labels.write_labels(args.data, args.out, teacher=teacher)


def _evaluate(args: argparse.Namespace) -> dict[str, object]:
    model = _model(args.weights)
    figures = evaluate.overlaps(model, args.data)
    clips = sorted(args.clips.glob("*.mp4")) if args.clips else []
    if args.labels:
        held_out = samples.load(args.data, args.labels, held_out=True)
        figures["things"] = covered.found(model, held_out)
    return figures | {"steadiness": {video.stem: _steadiness(model, video) for video in clips}}


def _steadiness(model: ParsingModel, video: Path) -> dict[str, float]:
    """Of a clip's first frames, by the mesh that was tracked over it."""
    with np.load(video.with_name(f"{video.stem}_landmarks478.npz")) as arrays:
        points = torch.from_numpy(arrays["points"][:_FRAMES, list(MESH_TO_68), :2]).float()
    capture = cv2.VideoCapture(str(video))
    shares = []
    for marks in points:
        frame = capture.read()[1]
        image = torch.from_numpy(frame[..., ::-1].copy()).permute(2, 0, 1).float() / 127.5 - 1
        shares.append(model.parse(image[None], marks[None])[0])
    return steadiness.steadiness(torch.cat(shares))


def _model(path: Path) -> ParsingModel:
    return build(load_safetensors(path)[0])


def _train(args: argparse.Namespace) -> dict[str, object]:
    pictures = samples.load(args.data, args.labels, held_out=False)
    start = None
    if args.start:
        start = ParsingNet()
        state, _ = load_safetensors(args.start)
        start.load_state_dict({k: v.float() for k, v in state.items()})
    recipe = train.Recipe(steps=args.steps, rate=args.rate, seed=args.seed)
    checkpoint, place = checkpoint_of(args), place_of(args)
    net = train.train(pictures, recipe, show, checkpoint=checkpoint, start=start, place=place)
    save(net, args.out)
    checkpoint.unlink(missing_ok=True)
    return {"pictures": len(pictures.images), "steps": args.steps, "weights": str(args.out)}


def save(net: ParsingNet, path: Path) -> None:
    """Write the weights as float16."""
    save_safetensors(path, {k: v.half() for k, v in net.state_dict().items()}, FACTS)


_COMMANDS = {"labels": _label, "evaluate": _evaluate, "train": _train}


if __name__ == "__main__":
    sys.exit(main())
