"""The linear baselines of the embedded pack: fitted, listed, and working on its pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import models
from models.latent_transformer.files import load_classifier
from models.mini.baselines import baseline_entries, fit_baselines
from models.packs.opening import open_pack
from models.packs.packfile import MoverEntry
from models.weights import load_safetensors

FOLDER = Path(models.__file__).parent / "mini"
LIKE = MoverEntry("latent-transformer", "smile", "smile.safetensors", layers=(0, 2))


def test_one_boundary_and_one_component_are_fitted_per_attribute(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    z = random.standard_normal((400, 1))
    w = random.standard_normal((400, 3, 40))
    w[:, 0, :1] += 3 * z
    np.savez(tmp_path / "codes.npz", w=w, labels=z, names=["happy"])
    out = tmp_path / "baselines.safetensors"
    figures = fit_baselines(tmp_path / "codes.npz", {"smile": "happy"}, (0, 2), out, {})
    assert figures["smile"]["validated"] > 0.9
    tensors, _ = load_safetensors(out)
    assert set(tensors) == {"direction.smile.vector", "pca.smile.vector"}
    entries = baseline_entries(tmp_path, LIKE)
    assert [entry.editor for entry in entries] == ["direction", "pca"]
    assert all(entry.layers == (0, 2) for entry in entries)
    step = tensors["direction.smile.vector"][0, 0].item() * entries[0].unit
    assert step == pytest.approx(3.0, abs=1.0), "one SD of the rating"
    assert baseline_entries(tmp_path / "none", LIKE) == ()


@pytest.mark.parametrize("editor", ["latent-transformer", "direction", "pca"])
@pytest.mark.parametrize(("name", "label"), [("smile", "happy"), ("gender", "gender")])
def test_every_editor_moves_what_the_classifier_reads(editor: str, name: str, label: str) -> None:
    pack = open_pack(FOLDER)
    classifier, labels = load_classifier(FOLDER / "classifier.safetensors")
    w = load_safetensors(FOLDER / "encoder.safetensors")[0]["latent_avg"][None].float()
    move, column = pack.mover(editor, name), labels.index(label)
    down, same, up = (
        classifier(move(w, torch.tensor([strength])))[0, column] for strength in (-2.0, 0.0, 2.0)
    )
    assert down < same < up
    assert torch.equal(move(w, torch.zeros(1)), w)
