"""Measure a portrait and its movers on held-out level pairs.

A level pair shows one generated face at two levels of one rated attribute. Neither picture was used
in training. The lower one is encoded, its code moved, and the 68 points of the edit are compared
with those of the higher one: first the points the model means to make, then those the landmark
network finds in the rendered pictures. This module stands beside the families because it needs all
of them.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from .base import command
from .landmarks import LandmarkCascade
from .ops.similarity import similarity
from .portrait import PortraitModel, load_portrait
from .portrait.data import FaceSet, read_level_pairs
from .portrait_movers import MoverPack, load_movers
from .training.command import run_command

PAIR_OF_ATTRIBUTE: Final = {
    "toothy-smile": "outgoing",
    "weight": "weight",
    "age": "age",
    "gender": "gender",
}
"""Which pairs judge an attribute. There are no pairs of happy faces; "outgoing" ones smile more at
level 2."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Faces of one level."""

    pictures: list[Tensor]
    """N pictures (3, S, S) in [-1, 1]."""
    w: Tensor
    state: Tensor
    landmarks: Tensor
    """(N, 68, 2) px."""


@torch.inference_mode()
def evaluate(
    model: PortraitModel, movers: MoverPack, cascade: LandmarkCascade, folder: Path
) -> dict[str, dict[str, float]]:
    """Return figures per attribute.

    Landmark errors are root mean squares over the 68 points in % of the outer-eye distance, after
    the best similarity between the two point sets (`_as_seen` without it). The strength is one
    number per attribute: what takes the mean reading of the attribute from the lower level to the
    higher, so no landmark was used to choose it. `side_*` is how far the classifier's other
    readings move, in SD per SD of the target.

    Raises:
        ModelError: the pairs are missing.
    """
    figures = {}
    for attribute, pair in PAIR_OF_ATTRIBUTE.items():
        low, high = (_encoded(model, faces) for faces in read_level_pairs(folder, pair))
        strength = _strength(movers, attribute, low, high)
        moved = movers.transformers[attribute](low.w, strength.expand(len(low.w)))
        figures[attribute] = {"strength": float(strength)}
        figures[attribute] |= _landmark_figures(model, low, high, moved)
        figures[attribute] |= _found_figures(model, cascade, low, high, moved)
        figures[attribute] |= _side_figures(movers, attribute, low)
    return figures


def _encoded(model: PortraitModel, faces: FaceSet) -> Encoded:
    pictures, codes, states, points = [], [], [], []
    for picture, landmarks in faces.pictures():
        w, state = model.encode(picture[None], landmarks[None])
        pictures.append(picture)
        codes.append(w)
        states.append(state)
        points.append(landmarks[None])
    return Encoded(pictures, torch.cat(codes), torch.cat(states), torch.cat(points))


def _strength(movers: MoverPack, attribute: str, low: Encoded, high: Encoded) -> Tensor:
    """Return the one strength that moves the predicted level as far as the pairs do."""
    transformer = movers.transformers[attribute]
    one = transformer(low.w, torch.ones(len(low.w))) - low.w
    reader = transformer.level[:-1]
    strength: Tensor = ((high.w - low.w) @ reader).mean() / (one @ reader).mean()
    return strength


def _landmark_figures(
    model: PortraitModel, low: Encoded, high: Encoded, moved: Tensor
) -> dict[str, float]:
    eyes = (low.landmarks[:, 36] - low.landmarks[:, 45]).norm(dim=1)
    edited = model.moved_landmarks(low.landmarks, low.w, moved, low.state)
    return {
        "faces": float(len(eyes)),
        **_compared(low.landmarks, edited, high.landmarks, eyes, ("error", "error", "faces")),
        "error_before_as_seen": float(_error(low.landmarks, high.landmarks, eyes).mean()),
        "error_after_as_seen": float(_error(edited, high.landmarks, eyes).mean()),
    }


def _found_figures(
    model: PortraitModel, cascade: LandmarkCascade, low: Encoded, high: Encoded, moved: Tensor
) -> dict[str, float]:
    """Return the same figures of the points found in the rendered pictures."""
    faces = zip(low.pictures, low.landmarks, low.w, moved, low.state, strict=True)
    rendered = [model.render(*(part[None] for part in face))[0][0] for face in faces]
    eyes = (low.landmarks[:, 36] - low.landmarks[:, 45]).norm(dim=1)
    target = _found(cascade, high.pictures, high.landmarks)
    before, after = (
        _found(cascade, pictures, low.landmarks) for pictures in (low.pictures, rendered)
    )
    return _compared(before, after, target, eyes, ("found_error", "found", "found"))


def _compared(
    points: Tensor, edited: Tensor, target: Tensor, eyes: Tensor, names: tuple[str, str, str]
) -> dict[str, float]:
    """Return errors (N, 68, 2) before and after an edit, each after the best similarity."""
    before, after = (_error(_fitted(p, target), target, eyes) for p in (points, edited))
    return {
        f"{names[0]}_before": float(before.mean()),
        f"{names[0]}_after": float(after.mean()),
        f"{names[1]}_share_left": float(after.mean() / before.mean()),
        f"{names[2]}_improved": float((after < before).float().mean()),
    }


def _found(cascade: LandmarkCascade, pictures: list[Tensor], near: Tensor) -> Tensor:
    """Return the points (N, 68, 2) the landmark network finds, looking twice."""
    images = [
        ((p.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy() for p in pictures
    ]
    first = cascade.from_points(images, near.numpy())
    return torch.from_numpy(cascade.from_points(images, first.points).points)


def _side_figures(movers: MoverPack, attribute: str, low: Encoded) -> dict[str, float]:
    card = next(a for a in movers.attributes if a.name == attribute)
    target = movers.labels.index(card.rated)
    judged = [i for i, n in enumerate(movers.labels) if i != target and n not in card.exempt]
    figures = {}
    editors = {"latent-transformer": "side_transformer", "direction": "side_baseline"}
    for editor, name in editors.items():
        moved = movers.mover(editor, attribute)(low.w, torch.ones(len(low.w)))
        change = movers.classifier(moved) - movers.classifier(low.w)
        figures[name] = float(change[:, judged].abs().mean() / change[:, target].abs().mean())
    return figures


def _error(points: Tensor, target: Tensor, eyes: Tensor) -> Tensor:
    """Return the error (N,) of points (N, 68, 2) in % of the eye distances (N,)."""
    return (points - target).square().sum(dim=2).mean(dim=1).sqrt() / eyes * 100


def _fitted(points: Tensor, target: Tensor) -> Tensor:
    """Return points (N, K, 2) moved onto the target by the least-squares similarity."""
    matrix = similarity(points, target)
    return points @ matrix[:, :, :2].mT + matrix[:, None, :, 2]


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the figures go to standard output as JSON."""
    parser = argparse.ArgumentParser(prog=command("evaluation"), description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the level pairs")
    options = parser.parse_args(arguments)
    return run_command(lambda: _rounded(options.data))


def _rounded(data: Path) -> dict[str, object]:
    figures = evaluate(load_portrait(), load_movers(), LandmarkCascade.load(), data)
    return {k: {n: round(v, 3) for n, v in f.items()} for k, f in figures.items()}


if __name__ == "__main__":
    sys.exit(main())
