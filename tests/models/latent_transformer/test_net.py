"""The published transformer: identity, linearity, order, restored layers, files."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from models.base import ModelInputError, WeightsError
from models.latent_transformer.celeba import CELEBA_ATTRIBUTES, celeba_attribute
from models.latent_transformer.classifier import WPlusClassifier
from models.latent_transformer.files import (
    MoverFacts,
    load_classifier,
    load_mover,
    save_classifier,
    save_mover,
)
from models.latent_transformer.net import (
    WPlusMover,
    WPlusTransformer,
    default_range,
)


def transformer(seed: int, layers: int = 6, dimensions: int = 5) -> WPlusTransformer:
    torch.manual_seed(seed)
    net = WPlusTransformer(layers, dimensions)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter)
    return net.requires_grad_(False)


def mover(seed: int, **settings: object) -> WPlusMover:
    return WPlusMover(transformer(seed), layers=(1, 4), **settings)  # type: ignore[arg-type]


def codes(count: int = 3) -> Tensor:
    return 3 * torch.randn(count, 6, 5, generator=torch.Generator().manual_seed(9))


def test_strength_zero_is_the_identity_bit_for_bit() -> None:
    w = codes()
    assert torch.equal(mover(0)(w, torch.zeros(3)), w)


def test_the_move_is_the_formula_written_out_in_float64() -> None:
    net, w = transformer(1), codes()
    moved = net(w, torch.tensor([0.5, -1.0, 2.0])).numpy()
    for n, alpha in enumerate((0.5, -1.0, 2.0)):
        for layer, linear in enumerate(net.dense):
            weight = linear.weight.double().numpy()
            row = w[n, layer].double().numpy()
            expected = row + alpha * (weight @ row / np.sqrt(5) + linear.bias.double().numpy())
            np.testing.assert_allclose(moved[n, layer], expected, rtol=1e-5, atol=1e-5)


def test_fast_and_plain_direction_agree() -> None:
    net, w = transformer(2), codes()
    torch.testing.assert_close(net.direction(w), net.direction(w, impl="ref"))


def test_the_change_is_proportional_to_the_strength() -> None:
    w, move = codes(), mover(3)
    one = move(w, torch.ones(3)) - w
    torch.testing.assert_close(move(w, torch.full((3,), -1.7)) - w, -1.7 * one)


def test_a_unit_scales_and_turns_the_strength() -> None:
    w = codes()
    torch.testing.assert_close(
        mover(3, unit=-0.5)(w, torch.full((3,), 2.0)), mover(3)(w, torch.full((3,), -1.0))
    )


def test_layers_outside_the_range_stay_bit_for_bit() -> None:
    w = codes()
    moved = mover(4)(w, torch.ones(3))
    assert torch.equal(moved[:, :1], w[:, :1])
    assert torch.equal(moved[:, 4:], w[:, 4:])
    assert not torch.isclose(moved[:, 1:4], w[:, 1:4]).any(dim=2).all()


def test_layers_up_to_128_pixels_move_whatever_the_generator() -> None:
    assert [default_range(n) for n in (10, 12, 14, 18)] == [(0, 10), (0, 11), (0, 11), (0, 11)]


def test_the_order_of_edits_matters() -> None:
    w, a, b = codes(), mover(5), mover(6)
    one = torch.ones(len(w))
    assert not torch.allclose(b(a(w, one), one), a(b(w, one), one), atol=1e-2)


def test_wrong_codes_strengths_and_ranges_are_named() -> None:
    with pytest.raises(ModelInputError, match=r"expected codes \(N, 6, 5\), got \(3, 5, 5\)"):
        mover(0)(codes()[:, 1:], torch.zeros(3))
    with pytest.raises(ModelInputError, match=r"one strength per code, \(3,\)"):
        mover(0)(codes(), torch.zeros(1))
    with pytest.raises(ModelInputError, match="layers 4 to 9 do not lie within 0 to 6"):
        WPlusMover(transformer(0), layers=(4, 9))


def test_state_dicts_size_the_networks_and_foreign_ones_are_refused() -> None:
    net = WPlusTransformer.from_state(transformer(0, 4, 7).state_dict())
    assert (net.layers, net.dimensions) == (4, 7)
    read = WPlusClassifier.from_state(WPlusClassifier(30, 4, (8, 6)).state_dict())
    assert (read.inputs, read.attributes) == (30, 4)
    with pytest.raises(WeightsError, match="no latent transformer"):
        WPlusTransformer.from_state(read.state_dict())
    with pytest.raises(WeightsError, match="no latent classifier"):
        WPlusClassifier.from_state(net.state_dict())
    with pytest.raises(WeightsError, match="not a latent transformer of 4 layers"):
        WPlusTransformer.from_state({**net.state_dict(), "extra.weight.x": torch.zeros(1)})


def test_files_keep_the_published_keys_and_what_strength_1_means(tmp_path: Path) -> None:
    facts = MoverFacts("smile", -0.25, (1, 4), "abc")
    noted = replace(facts, notes=(("licence", "CC0"),))
    save_mover(tmp_path / "m.safetensors", transformer(8), noted)
    move, read = load_mover(tmp_path / "m.safetensors")
    assert read == facts
    assert (move.unit, move.layers) == (-0.25, (1, 4))
    w = codes()
    torch.testing.assert_close(
        move(w, torch.ones(3)), mover(8, unit=-0.25)(w, torch.ones(3)), rtol=2e-3, atol=2e-3
    )
    save_classifier(tmp_path / "c.safetensors", WPlusClassifier(30, 2, (4,)), ("a", "b"), {})
    assert load_classifier(tmp_path / "c.safetensors")[1] == ("a", "b")
    with pytest.raises(WeightsError, match="is no mover of W\\+ codes"):
        load_mover(tmp_path / "c.safetensors")


def test_forty_attributes_stand_in_alphabetical_order_under_plain_names() -> None:
    labels = [a.label for a in CELEBA_ATTRIBUTES]
    attributes = [a.attribute for a in CELEBA_ATTRIBUTES]
    assert labels == sorted(labels)
    assert [a.index for a in CELEBA_ATTRIBUTES] == list(range(40))
    typed = [n for a in attributes for n in (a.name, *a.aliases)]
    assert len(typed) == len(set(typed))
    assert celeba_attribute("smile").index == 31
    assert celeba_attribute("Eyeglasses").attribute.name == "glasses"
    assert [celeba_attribute(n).sign for n in ("age", "beard", "gender")] == [-1, -1, 1]
    assert {a.name for a in attributes if "hair" in a.name} <= {
        a.name for a in attributes if a.regions != ("face",)
    }
    with pytest.raises(ModelInputError, match="no CelebA attribute 'wings'"):
        celeba_attribute("wings")


def from_recipe(path: Path, prefix: str) -> dict[str, Tensor]:
    """Weights seeded by tensor names, as the goldens' README says."""
    recipe = json.loads(path.read_text())["recipe"]
    state = {}
    for key, (shape, mean, std) in recipe.items():
        if (":" in key) != bool(prefix):
            continue
        name = key.removeprefix(prefix)
        generator = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()) ^ 0x5EED))
        values = mean + std * generator.standard_normal(shape, np.float32)
        state[name] = torch.from_numpy(values.astype(np.float32))
    return state


def test_moved_codes_and_logits_are_those_of_the_reference(shared: Path) -> None:
    golden = np.load(shared / "golden/latent_transformer.npz")
    recipe = shared / "golden/latent_transformer.recipe.json"
    w = torch.from_numpy(golden["w"])
    net = WPlusTransformer.from_state(from_recipe(recipe, ""))
    edited = net(w, torch.from_numpy(golden["coeff"]).float())
    np.testing.assert_allclose(edited, golden["w_edited"], rtol=1e-5, atol=1e-4)
    assert np.abs(edited.numpy() - golden["w_edited"]).max() < 1e-5 * np.abs(edited.numpy()).max()
    logits = WPlusClassifier.from_state(from_recipe(recipe, "classifier:"))(w)
    assert np.abs(logits.numpy() - golden["logits"]).max() < 1e-5 * np.abs(golden["logits"]).max()
