"""Saving, loading, and the embedded portrait."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from models.base import WeightsError
from models.portrait import DEFAULT_FILE, load_portrait, save_portrait
from models.weights import save_safetensors
from tests.models.portrait.tiny import tiny_portrait


def test_a_saved_portrait_loads_with_bases_within_half_a_quantum(tmp_path: Path) -> None:
    model = tiny_portrait()
    save_portrait(model, tmp_path / "p.safetensors", notes={})
    again = load_portrait(tmp_path / "p.safetensors")
    quantum = model.texture.basis.abs().amax(dim=1, keepdim=True) / 127
    assert ((again.texture.basis - model.texture.basis).abs() <= quantum * 0.501).all()
    assert torch.equal(again.shape.basis, model.shape.basis)
    assert again.dimensions == model.dimensions


def test_another_kind_of_tensor_file_is_refused(tmp_path: Path) -> None:
    save_safetensors(tmp_path / "x.safetensors", {"a": torch.zeros(1)}, {"format": "something"})
    with pytest.raises(WeightsError, match="has format 'something', expected 'portrait-2'"):
        load_portrait(tmp_path / "x.safetensors")


def test_a_portrait_with_a_missing_tensor_is_refused(tmp_path: Path) -> None:
    save_portrait(tiny_portrait(), tmp_path / "p.safetensors", notes={})
    from models.weights import load_safetensors

    tensors, notes = load_safetensors(tmp_path / "p.safetensors")
    del tensors["canonical"]
    save_safetensors(tmp_path / "q.safetensors", tensors, notes)
    with pytest.raises(WeightsError, match="does not fit a portrait"):
        load_portrait(tmp_path / "q.safetensors")


def test_the_embedded_portrait_is_small_and_mirror_symmetric() -> None:
    assert DEFAULT_FILE.stat().st_size < 7.5e6
    model = load_portrait()
    assert torch.allclose(model.layer_gain, model.layer_gain.flip(1), atol=1e-6)
    assert torch.allclose(model.teeth.picture, model.teeth.picture.flip(2), atol=1e-5)
    assert not model.training
