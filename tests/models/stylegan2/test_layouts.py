"""Published layouts: recognised, converted exactly, checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from models.base import WeightsError
from models.stylegan2.layouts import build, facts_of, find_generator, from_ada, layout_of
from models.stylegan2.net import default_channels, tiny
from tests.models.ada import to_ada
from tests.models.golden import manifest_keys

Tensors = dict[str, Tensor]


@pytest.fixture
def weights() -> Tensors:
    return dict(tiny(size=32).state_dict())


def meta_weights(path: Path) -> Tensors:
    return {k: torch.empty(s, device="meta") for k, s in manifest_keys(path).items()}


@pytest.mark.parametrize("size", [256, 1024])
def test_ada_manifests_convert_to_the_published_rosinality_layout(shared: Path, size: int) -> None:
    folder = shared / "golden/manifests"
    ada = meta_weights(folder / f"stylegan2_ada_generator_{size}_config_f.json")
    converted, w_avg = from_ada(ada)

    expected = manifest_keys(folder / f"stylegan2_rosinality_generator_{size}.json")
    assert {k: tuple(v.shape) for k, v in converted.items()} == expected
    assert w_avg is not None
    assert w_avg.shape == (512,)
    back = to_ada(converted, w_avg)
    assert {k: v.shape for k, v in back.items()} == {k: v.shape for k, v in ada.items()}


@pytest.mark.parametrize("size", [64, 256, 512, 1024])
def test_rosinality_manifests_are_recognised_with_their_sizes(shared: Path, size: int) -> None:
    path = shared / f"golden/manifests/stylegan2_rosinality_generator_{size}.json"
    found = find_generator({"g_ema": meta_weights(path), "latent_avg": torch.zeros(512)})
    facts = facts_of(found.tensors)
    assert (facts.size, facts.style_dim, facts.mapping_layers) == (size, 512, 8)
    assert facts.channels == default_channels(size)


def test_a_trip_through_the_ada_layout_changes_no_number(weights: Tensors) -> None:
    w_avg = torch.randn(32)
    ada = to_ada(weights, w_avg)
    assert layout_of(ada) == "ada"
    assert ada["synthesis.b8.conv0.noise_strength"].shape == ()
    found = find_generator({"G_ema": ada})

    assert found.layout == "ada"
    assert found.w_avg is not None
    assert torch.equal(found.w_avg, w_avg)
    assert found.tensors.keys() == weights.keys()
    assert all(torch.equal(found.tensors[key], weights[key]) for key in weights)


WRAPPINGS: dict[str, Callable[[Tensors], dict[str, object]]] = {
    "flat": dict,
    "g_ema": lambda w: {"g_ema": w, "latent_avg": torch.ones(32)},
    "training": lambda w: {"g": {}, "d": {}, "g_ema": w, "g_optim": {}, "args": None},
    "encoder file": lambda w: {
        "state_dict": {f"decoder.{k}": v for k, v in w.items()} | {"encoder.x": torch.ones(1)},
        "opts": {},
        "latent_avg": torch.ones(8, 32),
    },
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_a_generator_is_found_in_every_published_wrapping(weights: Tensors, wrapping: str) -> None:
    found = find_generator(WRAPPINGS[wrapping](weights))
    model = build(found.tensors)
    w = torch.randn(1, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model(w), tiny(size=32)(w))
    assert not any(p.requires_grad for p in model.parameters())
    has_average = wrapping in ("g_ema", "encoder file")
    assert (found.w_avg is not None) == has_average


def test_files_without_filters_and_noise_maps_are_completed_reproducibly(weights: Tensors) -> None:
    bare = {k: v for k, v in weights.items() if "kernel" not in k and "noises" not in k}
    first, second = (find_generator({"g_ema": bare}).tensors for _ in range(2))
    assert first.keys() == weights.keys()
    assert all(torch.equal(first[k], second[k]) for k in first)


def test_half_precision_files_become_float32(weights: Tensors) -> None:
    found = find_generator({k: v.half() for k, v in weights.items()})
    assert {v.dtype for v in found.tensors.values()} == {torch.float32}


def test_a_missing_or_strange_key_is_named(weights: Tensors) -> None:
    incomplete = {k: v for k, v in weights.items() if k != "convs.2.activate.bias"}
    with pytest.raises(WeightsError, match=r"1 missing: convs.2.activate.bias;"):
        find_generator(incomplete)
    with pytest.raises(WeightsError, match=r"1 left over: convs.9.extra;"):
        find_generator(weights | {"convs.9.extra": torch.ones(1)})
    ada = to_ada(weights)
    del ada["synthesis.b16.conv1.affine.bias"]
    with pytest.raises(WeightsError, match=r"ADA layout.*synthesis.b16.conv1.affine.bias"):
        find_generator(ada)


def test_a_wrong_shape_is_named_with_the_expected_one(weights: Tensors) -> None:
    weights["convs.1.conv.weight"] = torch.zeros(1, 16, 16, 5, 5)
    words = r"convs.1.conv.weight .* instead of \[1, 16, 16, 3, 3\]"
    with pytest.raises(WeightsError, match=words):
        find_generator(weights)


@pytest.mark.parametrize("layout", ["rosinality", "ada"])
def test_another_resampling_filter_is_refused(weights: Tensors, layout: str) -> None:
    stored = weights if layout == "rosinality" else to_ada(weights)
    key = next(k for k in stored if k.endswith(("blur.kernel", "resample_filter")))
    stored[key] = torch.ones(4, 4) / 16
    with pytest.raises(WeightsError, match="another resampling filter"):
        find_generator(stored)


def test_what_is_not_an_unconditional_stylegan2_is_refused(weights: Tensors) -> None:
    with pytest.raises(WeightsError, match=r"no StyleGAN2 generator among the keys conv\.weight"):
        find_generator({"conv.weight": torch.ones(1)})
    with pytest.raises(WeightsError, match="conditional"):
        find_generator(to_ada(weights) | {"mapping.embed.weight": torch.ones(2, 2)})
    with pytest.raises(WeightsError, match="latent_avg has shape"):
        find_generator({"g_ema": weights, "latent_avg": torch.ones(7)})
