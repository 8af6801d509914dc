"""The generator: published layouts, reference outputs, and the two ways to compute it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.base import ModelInputError
from models.stylegan2.net import Generator, tiny
from tests.models.golden import manifest_keys, recipe_weights

Golden = dict[str, NDArray[np.float32]]


def relative(found: Tensor, expected: Tensor | NDArray[np.float32]) -> float:
    expected = torch.as_tensor(expected)
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("size", [64, 256, 512, 1024])
def test_keys_and_shapes_are_those_of_the_published_layout(shared: Path, size: int) -> None:
    with torch.device("meta"):
        found = {k: tuple(v.shape) for k, v in Generator(size).state_dict().items()}

    name = f"stylegan2_rosinality_generator_{size}.json"
    assert found == manifest_keys(shared / "golden/manifests" / name)


@pytest.fixture(scope="module")
def reference(shared: Path) -> tuple[Generator, Golden]:
    model = Generator(64).requires_grad_(False).eval()
    kernels = {k: v for k, v in model.state_dict().items() if k.endswith(".kernel")}
    weights = recipe_weights(shared / "golden/stylegan2_64.recipe.json")
    model.load_state_dict(kernels | weights)
    return model, dict(np.load(shared / "golden/stylegan2_64.npz"))


@pytest.mark.parametrize("impl", ["ref", "fast"])
def test_pictures_equal_the_reference_implementation(
    reference: tuple[Generator, Golden], impl: str
) -> None:
    model, golden = reference
    image = model(torch.from_numpy(golden["wplus"]), impl=impl)
    assert relative(image, golden["image"]) < 1e-5


def test_mapping_and_truncation_equal_the_reference_implementation(
    reference: tuple[Generator, Golden],
) -> None:
    model, golden = reference
    w = model.mapping(torch.from_numpy(golden["z"]))
    assert relative(w, golden["w"]) < 1e-5

    # The reference run took the mean of its own two codes as the centre.
    moved = torch.lerp(w.mean(dim=0).expand_as(w), w, 0.7)
    expected = golden["latents_psi07"]
    assert relative(moved[:, None].expand(expected.shape), expected) < 1e-5
    assert relative(model(moved), golden["image_from_z_psi07"]) < 1e-5


@pytest.mark.parametrize("size", [8, 16, 64])
@pytest.mark.parametrize("noise", ["const", "none"])
def test_fast_and_plain_generator_agree(size: int, noise: str) -> None:
    model = tiny(size=size)
    w = torch.randn(3, model.layers, 32, generator=torch.Generator().manual_seed(1))
    assert relative(model(w, noise=noise), model(w, noise=noise, impl="ref")) < 1e-6


def test_fast_and_plain_generator_have_the_same_gradients() -> None:
    model = tiny(size=16).requires_grad_(True)
    w = torch.randn(2, model.layers, 32, generator=torch.Generator().manual_seed(2))
    w.requires_grad_(True)
    target = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    # The mapping network is not on the way from W+ to the picture.
    parameters = [p for name, p in model.named_parameters() if not name.startswith("style.")]

    def gradients(impl: str) -> tuple[Tensor, ...]:
        loss = (model(w, impl=impl) - target).square().mean()
        return torch.autograd.grad(loss, [w, *parameters])

    for fast, plain in zip(gradients("fast"), gradients("ref"), strict=True):
        assert relative(fast, plain) < 1e-4


def test_a_narrow_generator_learns_a_picture_under_autocast() -> None:
    model = tiny(size=16).requires_grad_(True)
    target = torch.linspace(-1, 1, 16).expand(2, 3, 16, 16)
    w = torch.randn(2, 32, generator=torch.Generator().manual_seed(4))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(30):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = (model(model.mapping(w)) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


def test_a_picture_does_not_depend_on_its_batch() -> None:
    model = tiny(size=32)
    w = torch.randn(5, model.layers, 32, generator=torch.Generator().manual_seed(5))
    together = model(w)
    for index in range(5):
        assert relative(model(w[index : index + 1]), together[index : index + 1]) < 1e-6


def test_noise_repeats_and_can_be_left_out() -> None:
    model = tiny()
    w = torch.zeros(1, 32)
    assert torch.equal(model(w), model(w))
    assert not torch.equal(model(w), model(w, noise="none"))
    for i in range(model.layers - 1):
        model.noises.get_buffer(f"noise_{i}").zero_()
    torch.testing.assert_close(model(w), model(w, noise="none"))
    torch.testing.assert_close(model(w), model(w, noise="none"))


def test_each_row_of_a_code_reaches_the_layers_it_should() -> None:
    model = tiny(size=16)
    base = torch.zeros(1, model.layers, 32)
    before = model.styles(base)
    reached = []
    for row in range(model.layers):
        moved = base.clone()
        moved[:, row] = 1
        after = model.styles(moved)
        reached.append([i for i in range(len(before)) if not torch.equal(before[i], after[i])])
    # Order of S: conv1 0, rgb1 1, then 8 px: 2 3 4, 16 px: 5 6 7. Rows 3 and 5 close a resolution.
    assert reached == [[0], [1, 2], [3], [4, 5], [6], [7]]


def test_style_codes_have_the_published_sizes() -> None:
    with torch.device("meta"):
        sizes = Generator(1024).style_sizes()
    assert sizes == [512] * 15 + [256] * 3 + [128] * 3 + [64] * 3 + [32] * 2
    assert sum(sizes) == 9088


def test_a_w_code_is_the_same_w_plus_row_everywhere() -> None:
    model = tiny()
    w = torch.randn(2, 32, generator=torch.Generator().manual_seed(6))
    assert torch.equal(model(w), model(w[:, None].repeat(1, model.layers, 1)))


def test_another_resampling_filter_is_refused_and_a_missing_one_is_not() -> None:
    model = tiny()
    weights = dict(model.state_dict())
    key = "convs.0.conv.blur.kernel"
    del weights[key]
    model.load_state_dict(weights)
    weights[key] = torch.ones(4, 4) / 4
    with pytest.raises(RuntimeError, match="another resampling filter"):
        model.load_state_dict(weights)


@pytest.mark.parametrize("size", [0, 4, 48, -64])
def test_a_size_that_cannot_be_is_refused(size: int) -> None:
    with pytest.raises(ModelInputError, match="power of two"):
        Generator(size)


def test_wrong_codes_are_refused_with_their_shapes() -> None:
    model = tiny()
    with pytest.raises(ModelInputError, match=r"expected codes \(N, 6, 32\).*\(1, 5, 32\)"):
        model(torch.zeros(1, 5, 32))
    with pytest.raises(ModelInputError, match="style codes of sizes"):
        model.synthesize_from_styles(model.styles(torch.zeros(1, 32))[:-1])
    with pytest.raises(ModelInputError, match="lack the resolutions"):
        Generator(16, channels={4: 8, 8: 8})
