"""Every training on a device that is not the CPU: the losses are those of the CPU, and nothing is
left behind there. A pretended device must be there before the first gradient is taken, so this is
run by itself, after a change of a training:

    python -m pytest tests/models/training/on_device.py     # on CUDA as well, where there is one
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.landmarks import train as landmarks
from models.landmarks.net import PARTS, Part
from models.latent_transformer.train import (
    ClassifierOptions,
    Run,
    TransformerOptions,
    train_classifier,
    train_transformer,
)
from models.mini.train import MiniTrainer
from models.parsing import train as parsing
from models.training.codes import checked
from models.training.place import Place
from models.training.steps import Progress
from tests.elsewhere import DEVICES, device_of
from tests.models.encoder_recipe import test_training as encoder
from tests.models.landmarks import test_render as drawn
from tests.models.mini import test_training as mini
from tests.models.mini.faces import drawn_data
from tests.models.parsing import test_train as labelled


@pytest.fixture(params=DEVICES)
def device(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[torch.device]:
    yield from device_of(request.param, monkeypatch)


Told = list[dict[str, float]]


def compare(device: torch.device, train: Callable[[Place], Told], *, rel: float) -> None:
    here, there = train(Place()), train(Place(device))
    assert here
    for one, other in zip(here, there, strict=True):
        assert other == pytest.approx(one, rel=rel)


def kept(told: Told) -> Callable[[Progress], None]:
    return lambda progress: told.append(dict(progress.losses))


def test_movers_and_their_classifier(device: torch.device) -> None:
    w = np.random.default_rng(0).standard_normal((64, 2, 4)).astype(np.float32)
    codes = checked(w, (w[:, 0, :2] > 0) * 1.0, ("smile", "age"), where="planted")

    def train(place: Place) -> Told:
        told: Told = []
        run, few = Run(kept(told), place=place), ClassifierOptions(epochs=2, batch=16, hidden=(8,))
        classifier, _ = train_classifier(codes, few, run)
        mover, _ = train_transformer(codes, classifier, 0, TransformerOptions(epochs=2), run)
        assert {p.device.type for p in (*classifier.parameters(), *mover.parameters())} == {"cpu"}
        return told

    compare(device, train, rel=1e-3)


def test_encoder(device: torch.device, tmp_path: Path) -> None:
    encoder.draw_pictures(tmp_path, encoder.tiny(seed=1, size=encoder.SIDE))

    def train(place: Place) -> Told:
        generator, told = encoder.tiny(seed=1, size=encoder.SIDE), Told()
        run = replace(encoder.run(generator, tmp_path, report=kept(told)), place=place)
        chosen = encoder.options(generator, steps=2, every=1)
        network, _ = encoder.train_encoder(chosen, run)
        encoder.measure_encoder(network, chosen, run)
        return told

    compare(device, train, rel=1e-3)


def test_mini(device: torch.device) -> None:
    data = drawn_data()

    def train(place: Place) -> Told:
        trainer = MiniTrainer(data, mini.TINY, place.device)
        return [trainer.step(number) for number in range(3)]

    compare(device, train, rel=1e-2)


def test_parsing(device: torch.device) -> None:
    def train(place: Place) -> Told:
        told: Told = []
        parsing.train(labelled.few_pictures(), labelled.RECIPE, kept(told), place=place)
        return told

    compare(device, train, rel=2e-2)


def test_landmarks(device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PARTS, "mouth", Part((96, 64), 20, (8, 8, 8, 8, 8)))
    faces, recipe = drawn.drawn_faces(4), landmarks.Recipe(steps=2, batch=4)

    def train(place: Place) -> Told:
        told: Told = []
        run = landmarks.Run(kept(told), place=place)
        landmarks.train_part("mouth", faces, faces, recipe, run=run)
        return told

    compare(device, train, rel=2e-2)
