"""Movers trained and used: `python samples/notebook/train.py CODES LABEL [VIDEO [PICTURE]]`.

CODES is an .npz with `w`, `labels` and `names`, of `mini` here; `w` and `files` are what `python -m
models.encoder_recipe encode` writes, and a table of labels can lie beside it (`read_labelled`).
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run from a checkout

from models.directions import DirectionMover
from models.directions.boundary import fit_boundary
from models.latent_transformer import MoverFacts, WPlusMover, save_mover
from models.latent_transformer.train import (
    ClassifierOptions,
    Run,
    TransformerOptions,
    train_classifier,
    train_transformer,
)
from models.packs.layers import codes_of
from models.training.calibration import unit_of_one_sd
from models.training.codes import read_labelled
from pipeline import open_clip

SAMPLE = Path(__file__).resolve().parents[1] / "astronaut.mp4"


def main(arguments: list[str]) -> None:
    """Fit a direction and train a transformer for one label, and show both on a frame."""
    labelled = read_labelled(Path(arguments[0]))
    label = arguments[1]
    video = arguments[2] if len(arguments) > 2 else SAMPLE
    output = Path(arguments[3] if len(arguments) > 3 else f"{label}.png")
    target = labelled.column(label)
    seen, _ = labelled.split()  # the last tenth is for measuring

    # A linear boundary (InterFaceGAN); strength 1 is one standard deviation of the label.
    boundary = fit_boundary(seen.w, seen.labels[:, target], share=0.25)
    layers = seen.w.shape[1]
    unit, correlation = unit_of_one_sd(DirectionMover(boundary.normal, layers), seen, target)
    direction = DirectionMover(boundary.normal, layers, unit=unit)
    print(f"direction: accuracy {boundary.accuracy}, correlation {correlation:.2f}")

    # A latent transformer: the classifier of the codes says how far to go. Few codes, few epochs.
    run = Run(report=lambda _: None)
    classifier, _ = train_classifier(seen, ClassifierOptions(epochs=8, hidden=(128,), lr=1e-3), run)
    options = TransformerOptions(epochs=2, start="direction", lr=3e-4)
    network, history = train_transformer(seen, classifier, target, options, run)
    transformer = WPlusMover(network)
    print(f"transformer: loss {history[0]['loss']:.3f} to {history[-1]['loss']:.3f}")

    # Whatever maps w (N, L, D) and strengths (N,) to codes moves them; nothing need be installed.
    clip = open_clip(video, pack="mini", faces="largest")
    number = clip.frame_count // 2
    (face,) = clip.faces(number)
    before = clip.codes(face)
    pictures = [clip.frame(number)]
    for mover in (direction, transformer):
        after = clip.move(before, mover, 2.0)
        pictures.append(clip.blend(number, [clip.render(face, before, after)]))
    cv2.imwrite(str(output), np.hstack(pictures)[..., ::-1])

    # For the command line: `visagist models import FILE --as mini`.
    file = output.with_suffix(".safetensors")
    save_mover(file, network, MoverFacts(label, generator=codes_of("mini")))
    print(f"source | direction | transformer: {output}; {file}")


if __name__ == "__main__":
    main(sys.argv[1:])
