"""The prepared generator against its plain twin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from models.base import ModelInputError
from models.stylegan2 import fast
from models.stylegan2.fast import FastGenerator
from models.stylegan2.layouts import build, completed
from models.stylegan2.net import Generator, tiny
from tests.models.golden import recipe_weights

# Small and large maps, four-phase and folded doubling, one strip and several.
MIXED = {4: 260, 8: 256, 16: 8, 32: 8, 64: 8, 128: 8, 256: 40, 512: 9}


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.fixture(scope="module")
def mixed() -> Generator:
    torch.manual_seed(0)
    model = Generator(512, style_dim=24, mapping_layers=1, channels=MIXED)
    for name, parameter in model.named_parameters():
        if name.endswith(("noise.weight", "activate.bias")):
            torch.nn.init.normal_(parameter, 0.0, 0.3)
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def codes(mixed: Generator) -> Tensor:
    return torch.randn(2, mixed.layers, 24, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("noise", ["const", "none"])
def test_float32_equals_the_plain_generator(mixed: Generator, codes: Tensor, noise: str) -> None:
    quick = FastGenerator(mixed)
    assert sum(bool(conv.small) for conv in quick.convs) == 11, (
        "both kinds of scaling are meant here"
    )
    assert relative(quick(codes, noise=noise), mixed(codes, noise=noise, impl="ref")) < 1e-5


def test_bfloat16_stays_within_one_percent(mixed: Generator, codes: Tensor) -> None:
    quick = FastGenerator(mixed, torch.bfloat16)
    image = quick(codes)
    assert image.dtype == torch.float32
    assert {conv.folded for conv in quick.convs if conv.doubles} == {False, True}
    assert 1e-5 < relative(image, mixed(codes, impl="ref")) < 0.01


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_picture_is_the_same_alone_and_in_a_batch(
    mixed: Generator, codes: Tensor, dtype: torch.dtype
) -> None:
    quick = FastGenerator(mixed, dtype)
    threads = torch.get_num_threads()
    # Of several threads a single picture uses all, a batch one for each picture: sums then round
    # differently.
    torch.set_num_threads(1)
    try:
        together = quick(codes)
        for index in range(len(codes)):
            assert torch.equal(quick(codes[index : index + 1])[0], together[index])
    finally:
        torch.set_num_threads(threads)


def test_several_threads_change_a_picture_by_rounding_only(mixed: Generator, codes: Tensor) -> None:
    quick = FastGenerator(mixed)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = quick(codes)
        torch.set_num_threads(2)
        torch.testing.assert_close(quick(codes), alone, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(quick(codes[:1])[0], alone[0], rtol=1e-5, atol=1e-5)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("pixels", [512, 512 * 7, 512 * 512])
def test_how_a_picture_is_cut_into_strips_does_not_show(
    mixed: Generator, codes: Tensor, pixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = FastGenerator(mixed)
    expected = quick(codes[:1])
    monkeypatch.setattr(fast, "STRIP_PIXELS", pixels)
    assert relative(quick(codes[:1]), expected) < 1e-6


@pytest.mark.parametrize(("dtype", "apart"), [(torch.float32, 1e-5), (torch.bfloat16, 0.01)])
def test_a_batch_through_shared_weights_gives_the_same_pictures(
    mixed: Generator,
    codes: Tensor,
    dtype: torch.dtype,
    apart: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What devices other than a CPU do.
    monkeypatch.setattr(FastGenerator, "alone", False)
    assert relative(FastGenerator(mixed, dtype)(codes), mixed(codes, impl="ref")) < apart


@pytest.mark.parametrize("size", [8, 16, 64])
def test_small_generators_and_single_codes_work_too(size: int) -> None:
    model = tiny(size=size)
    w = torch.randn(1, 32, generator=torch.Generator().manual_seed(2))
    assert relative(FastGenerator(model)(w), model(w, impl="ref")) < 1e-5


def test_style_codes_are_those_of_the_plain_generator(mixed: Generator, codes: Tensor) -> None:
    quick = FastGenerator(mixed)
    for found, expected in zip(quick.styles(codes), mixed.styles(codes), strict=True):
        assert torch.allclose(found, expected, atol=1e-5)
    from_styles = quick.synthesize_from_styles(quick.styles(codes))
    assert relative(from_styles, quick(codes)) < 1e-6


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_pictures_side_by_side_on_threads_are_the_same_as_one_by_one(
    mixed: Generator, codes: Tensor, mode: Callable[[], AbstractContextManager[None]]
) -> None:
    quick = FastGenerator(mixed)
    torch.set_num_threads(1)
    expected = quick(codes)
    torch.set_num_threads(2)
    with mode():
        together = quick(codes.clone().requires_grad_(mode is torch.enable_grad))
    assert torch.equal(together, expected)
    assert not together.requires_grad
    assert torch.get_num_threads() == 2
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == 2


def test_the_chosen_precision_is_kept_under_autocast(mixed: Generator, codes: Tensor) -> None:
    quick = FastGenerator(mixed)
    expected = quick(codes[:1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(quick(codes[:1]), expected)


def test_the_prepared_generator_does_not_follow_later_training() -> None:
    model = tiny()
    quick = FastGenerator(model)
    before = quick(torch.zeros(1, 32))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert torch.equal(quick(torch.zeros(1, 32)), before)


def test_pictures_equal_the_reference_implementation(shared: Path) -> None:
    golden = np.load(shared / "golden/stylegan2_64.npz")
    w, expected = (torch.from_numpy(golden[name]) for name in ("wplus", "image"))
    plain = build(completed(recipe_weights(shared / "golden/stylegan2_64.recipe.json")))
    assert relative(FastGenerator(plain)(w), expected) < 1e-5
    assert relative(FastGenerator(plain, torch.bfloat16)(w), expected) < 0.01


def test_other_precisions_and_shapes_are_refused() -> None:
    with pytest.raises(ModelInputError, match=r"torch.float16.*float32 and bfloat16"):
        FastGenerator(tiny(), torch.float16)
    with pytest.raises(ModelInputError, match=r"expected codes \(N, 6, 32\)"):
        FastGenerator(tiny())(torch.zeros(2, 6, 31))
