"""Every reference output, reached the way a user's file takes: wrapped as published, saved, brought
into the store, opened from there.

The encoders' files have 1.1 GB; they are tried when VISAGIST_BIG_TESTS is set.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.importing.bring import bring
from models.networks import families
from models.ops.upfirdn import binomial_kernel
from models.packs.store import Store
from models.weights import load_safetensors
from tests.models.golden import name_seeded

big = pytest.mark.skipif(
    not os.environ.get("VISAGIST_BIG_TESTS"), reason="1-GB files: set VISAGIST_BIG_TESTS=1"
)

FAMILIES = families()


def weights(shared: Path, case: str, prefix: str = "") -> dict[str, Tensor]:
    """Return the name-seeded tensors of a case; fixed filters keep their true value."""
    text = (shared / "golden" / f"{case}.recipe.json").read_text(encoding="utf-8")
    return {
        key.removeprefix(prefix): binomial_kernel(4.0)
        if facts is None
        else name_seeded(key.removeprefix(prefix), *facts)
        for key, facts in json.loads(text)["recipe"].items()
        if (":" in key) == bool(prefix)
    }


def reference(shared: Path, case: str) -> dict[str, Any]:
    return dict(np.load(shared / "golden" / f"{case}.npz"))


class Desk:
    """Takes a file through the store and forgets it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, Store(folder / "home")

    def opened(self, name: str, content: object) -> nn.Module:
        """Save as published, bring, remove the file, open from the store."""
        path = self.folder / name
        torch.save(content, path)
        item = bring([str(path)], self.store).brought[0]
        path.unlink()
        card = item.card
        stored, _ = load_safetensors(self.store.path_of(card.name), expected_sha256=card.sha256)
        (family,) = (f for f in FAMILIES.values() if card.role in getattr(f, "ROLES", ()))
        tensors = {key: value for key, value in stored.items() if key != "latent_avg"}
        network: nn.Module = (
            family.build(tensors, card.facts.kind)
            if card.role == "encoder"
            else family.build(tensors)
        )
        return network


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    for file in tmp_path.rglob("*.safetensors"):  # hundreds of megabytes, which pytest would keep
        file.unlink()


def test_stylegan2(shared: Path, desk: Desk) -> None:
    golden = reference(shared, "stylegan2_64")
    content = {"g_ema": weights(shared, "stylegan2_64"), "latent_avg": torch.zeros(512)}
    network = desk.opened("550000.pt", content)
    image = network(torch.from_numpy(golden["wplus"])).numpy()
    assert np.linalg.norm(image - golden["image"]) < 1e-5 * np.linalg.norm(golden["image"])


def test_latent_transformer(shared: Path, desk: Desk) -> None:
    golden = reference(shared, "latent_transformer")
    network = desk.opened("tnet_31.pth.tar", weights(shared, "latent_transformer"))
    w, strength = (torch.from_numpy(golden[key]).float() for key in ("w", "coeff"))
    np.testing.assert_allclose(network(w, strength), golden["w_edited"], rtol=1e-5, atol=1e-4)


def test_latent_classifier(shared: Path, desk: Desk) -> None:
    golden = reference(shared, "latent_transformer")
    state = weights(shared, "latent_transformer", "classifier:")
    network = desk.opened("latent_classifier_epoch_20.pth", state)
    logits = network(torch.from_numpy(golden["w"])).numpy()
    assert np.abs(logits - golden["logits"]).max() < 1e-5 * np.abs(golden["logits"]).max()


def test_arcface(shared: Path, desk: Desk) -> None:
    golden = reference(shared, "arcface_ir_se50")
    network = desk.opened("model_ir_se50.pth", weights(shared, "arcface_ir_se50"))
    embedding = network(torch.from_numpy(golden["crop112"])).numpy()
    assert np.abs(embedding - golden["embedding"]).max() < 1e-5


def test_bisenet(shared: Path, desk: Desk) -> None:
    golden = reference(shared, "bisenet")
    network = desk.opened("79999_iter.pth", weights(shared, "bisenet"))
    logits = network(torch.from_numpy(golden["x"].astype(np.float32))).numpy()
    assert np.abs(logits[:, :, ::8, ::8] - golden["logits_s8"]).max() < 1e-4
    assert (logits.argmax(1) == golden["argmax"]).mean() > 0.9999


@big
@pytest.mark.parametrize(
    ("case", "encoder_type"),
    [("psp_encoder", "GradualStyleEncoder"), ("e4e_encoder", "Encoder4Editing")],
)
def test_encoders(shared: Path, desk: Desk, case: str, encoder_type: str) -> None:
    golden = reference(shared, case)
    content = {
        "state_dict": {f"encoder.{k}": v for k, v in weights(shared, case).items()},
        "opts": {"encoder_type": encoder_type, "output_size": 1024},
        "latent_avg": torch.zeros(18, 512),
    }
    network = desk.opened("ffhq_encode.pt", content)
    assert np.abs(network(torch.from_numpy(golden["x"])).numpy() - golden["y"]).max() < 1e-4
