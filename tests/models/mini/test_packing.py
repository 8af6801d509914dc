"""Packing: networks and codes written, movers named, figures measured on faces held out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from models.base import ModelError
from models.latent_transformer.classifier import WPlusClassifier
from models.latent_transformer.files import MoverFacts, save_classifier, save_mover
from models.latent_transformer.net import WPlusTransformer
from models.mini.augment import resized
from models.mini.data import MiniData
from models.mini.networks import new_networks
from models.mini.packing import ATTRIBUTES, CLASSIFIER_FILE, LABELS, RATED, export, pack
from models.packs.opening import open_pack

from .faces import drawn_data
from .test_training import TINY


@pytest.fixture
def data() -> MiniData:
    drawn = drawn_data()
    random = torch.Generator().manual_seed(0)
    return MiniData(
        drawn.train,
        drawn.held,
        drawn.levels,
        drawn.levels_held,
        LABELS,
        torch.randn(len(drawn.train), len(LABELS), generator=random),
        torch.randn(len(drawn.held), len(LABELS), generator=random),
    )


@pytest.fixture
def folder(data: MiniData, tmp_path: Path) -> Path:
    torch.manual_seed(0)
    generator, encoder = new_networks(TINY)
    export(generator.eval(), encoder.eval(), data, tmp_path / "pack", tmp_path / "codes.npz")
    return tmp_path / "pack"


def test_the_written_codes_are_those_the_opened_pack_gives(data: MiniData, folder: Path) -> None:
    opened = open_pack(folder)

    with np.load(folder.parent / "codes.npz") as archive:
        w, labels, names = archive["w"], archive["labels"], archive["names"]

    assert len(w) == 2 * (len(data.train) + len(data.held))
    held = opened.encode(resized(data.held.images, 32)).numpy()
    np.testing.assert_allclose(w[2 * len(data.train) :][: len(data.held)], held, atol=1e-5)
    np.testing.assert_allclose(labels[: len(data.train), :-1], data.ratings)
    assert tuple(names) == (*LABELS, "turned")


def test_the_mean_code_of_the_faces_learnt_from_is_the_packs_mean(
    data: MiniData, folder: Path
) -> None:
    opened = open_pack(folder)

    codes = opened.encode(resized(data.train.images, 32))

    torch.testing.assert_close(codes.mean(0), opened._inverter.latent_avg, atol=2e-3, rtol=0)


def test_without_movers_the_missing_file_is_named(data: MiniData, folder: Path) -> None:
    with pytest.raises(ModelError, match=r"classifier\.safetensors is missing; train it with"):
        pack(data, folder)


def test_a_complete_pack_offers_its_movers_and_figures(data: MiniData, folder: Path) -> None:
    torch.manual_seed(1)
    save_classifier(folder / CLASSIFIER_FILE, WPlusClassifier(128, 3, (8,)), ("a", "b", "c"), {})
    for name in RATED:
        save_mover(
            folder / f"{name}.safetensors", WPlusTransformer(8, 16), MoverFacts(name, unit=0.5)
        )

    figures = pack(data, folder)

    assert [a.name for a in open_pack(folder).attributes] == list(RATED)
    assert open_pack(folder).facts.movers[0].unit == 0.5
    assert set(figures) == {"reconstruction", "reader", "edits"}


def test_the_ratings_that_stand_for_the_attributes_are_among_those_of_the_codes() -> None:
    assert tuple(RATED) == tuple(attribute.name for attribute in ATTRIBUTES)
    assert set(RATED.values()) <= set(LABELS)
