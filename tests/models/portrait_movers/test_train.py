"""Training on planted codes finds what was planted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from models.base import ModelError, WeightsError
from models.portrait_movers import PortraitAttribute, load_movers, save_movers
from models.portrait_movers.train import (
    CodeSet,
    forward_direction,
    read_codes,
    train_classifier,
    train_movers,
)
from models.weights import save_safetensors

NAMES = (
    "happy", "age", "weight", "gender", "skin-color", "asian", "black", "gap",
    "yaw", "pitch", "light_x", "light_y",
)  # fmt: skip
SMILE = PortraitAttribute("smile", rated="happy", covariates=("age", "gap"), exempt=("gap",))


def planted(count: int = 600) -> tuple[CodeSet, torch.Tensor]:
    """Codes that are a linear mixture of labels plus noise; happy and age are correlated."""
    generator = torch.Generator().manual_seed(5)
    labels = torch.randn(count, len(NAMES), generator=generator)
    labels[:, 1] = 0.6 * labels[:, 0] + 0.8 * labels[:, 1]
    mixing = torch.linalg.qr(torch.randn(20, len(NAMES), generator=generator)).Q.T
    w = labels @ mixing + 0.1 * torch.randn(count, 20, generator=generator)
    labels = (labels - labels.mean(0)) / labels.std(0, correction=0)
    return CodeSet(w, labels, NAMES), mixing


def test_the_direction_is_the_planted_one_in_spite_of_a_correlated_covariate() -> None:
    codes, mixing = planted()
    direction = forward_direction(codes, SMILE)
    assert torch.cosine_similarity(direction, mixing[0], dim=0) > 0.98
    assert direction.norm().item() == pytest.approx(1.0, abs=0.1)


def test_what_goes_along_is_added() -> None:
    codes, mixing = planted()
    along = PortraitAttribute("smile", rated="happy", covariates=("age",), along=(("gap", 0.5),))
    direction = forward_direction(codes, along)
    assert (direction @ mixing[7]).item() == pytest.approx(0.5, abs=0.1)


def test_the_classifier_reads_the_labels() -> None:
    codes, _ = planted()
    torch.manual_seed(0)
    logits = train_classifier(codes, epochs=15)(codes.w)
    correlation = torch.corrcoef(torch.stack([logits[:, 0], codes.labels[:, 0]]))[0, 1]
    assert correlation > 0.95


def test_training_is_repeatable_and_keeps_to_the_direction(tmp_path: Path) -> None:
    codes, mixing = planted()
    first, measures = train_movers(codes, (SMILE,), seed=3, steps=40)
    second, _ = train_movers(codes, (SMILE,), seed=3, steps=40)
    w, one = codes.w[:50], torch.ones(50)
    moved = first.mover("latent-transformer", "smile")(w, one)
    assert torch.equal(moved, second.mover("latent-transformer", "smile")(w, one))
    assert torch.cosine_similarity((moved - w).mean(0), mixing[0], dim=0) > 0.95
    assert measures["smile"]["label_sd"] == pytest.approx(1.0, abs=0.25)
    save_movers(first, tmp_path / "m.safetensors", notes={})
    loaded = load_movers(tmp_path / "m.safetensors")
    assert torch.allclose(loaded.mover("latent-transformer", "smile")(w, one), moved, atol=0.01)
    assert loaded.labels == NAMES


def test_a_code_file_is_read_back_and_a_foreign_one_refused(tmp_path: Path) -> None:
    codes, _ = planted(10)
    np.savez(
        tmp_path / "c.npz", w=codes.w.numpy(), labels=codes.labels.numpy(), names=np.array(NAMES)
    )
    assert torch.equal(read_codes(tmp_path / "c.npz").column("gap"), codes.labels[:, 7])
    np.savez(tmp_path / "d.npz", w=codes.w.numpy())
    with pytest.raises(ModelError, match=r"holds no labels|is no \.npy or \.npz"):
        read_codes(tmp_path / "d.npz")
    with pytest.raises(ModelError, match=r"holds no labels|is no \.npy or \.npz"):
        read_codes(tmp_path / "missing.npz")


def test_a_foreign_weight_file_is_refused(tmp_path: Path) -> None:
    save_safetensors(tmp_path / "x.safetensors", {"a": torch.zeros(1)}, {"format": "portrait-1"})
    with pytest.raises(WeightsError, match="expected 'latent-transformer-portrait-1'"):
        load_movers(tmp_path / "x.safetensors")
