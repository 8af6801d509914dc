"""How much of drawn things before faces the network finds."""

from __future__ import annotations

import numpy as np
import torch

from . import augment, occluders, samples, worn
from .layers import IGNORED, Bytes, Layer, put_before
from .model import ParsingModel
from .net import LABELS, SIDE

GLASSES = "glasses"
"""Counted among the things, though they are worn."""


def found(model: ParsingModel, pictures: samples.Pictures) -> dict[str, dict[str, float]]:
    """Return, by the thing's name, the IoU, the share found (`recall`) and the share of what was
    found that is right (`precision`), over one drawing before each picture."""
    return {name: _of(model, pictures, name) for name in (*occluders.THINGS, GLASSES)}


def _of(model: ParsingModel, pictures: samples.Pictures, name: str) -> dict[str, float]:
    label = LABELS.index("glasses" if name == GLASSES else "front")
    both = truth = said = 0
    for index in range(len(pictures.images)):
        if name == GLASSES and (pictures.labels[index] == label).any():
            continue
        picture, labels = _drawn(pictures, index, name)
        image = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 127.5 - 1
        is_found = (model.shares(image)[0].argmax(0) == label).numpy()[labels != IGNORED]
        is_there = labels[labels != IGNORED] == label
        both += int((is_found & is_there).sum())
        truth += int(is_there.sum())
        said += int(is_found.sum())
    return {
        "iou": round(both / max(truth + said - both, 1), 3),
        "recall": round(both / max(truth, 1), 3),
        "precision": round(both / max(said, 1), 3),
    }


def _drawn(pictures: samples.Pictures, index: int, name: str) -> tuple[Bytes, Bytes]:
    """Return a picture's square (G, G, 3) with one thing before it, and its labels (G, G)."""
    rng = np.random.default_rng([index, 11])
    matrix = augment.to_pixels(pictures.square[index], SIDE, samples.PICTURE)
    picture = augment.warped(pictures.images[index], matrix, SIDE).astype(np.float32)
    labels = augment.warped(pictures.labels[index], matrix, SIDE, outside=IGNORED)
    sure = augment.warped(pictures.weights[index], matrix, SIDE, outside=0)
    labels = np.where(sure == 0, IGNORED, labels).astype(np.uint8)
    points = samples.moved(pictures.points[index], matrix)
    layers: list[Layer]
    if name == GLASSES:
        layers = worn.glasses(points, SIDE, rng)
    else:
        texture = samples.texture_of(pictures, rng)
        scene = occluders.Scene(picture, labels, points, texture)
        layers = [occluders.draw(scene, rng, name=name)]
    for layer in layers:
        picture, labels = put_before(picture, labels, layer)
    return np.asarray(picture.clip(0, 255), np.uint8), labels
