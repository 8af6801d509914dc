"""LPIPS: published layouts, the formula written out again, and what a distance must do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.base import ModelInputError, WeightsError
from models.lpips import Lpips, load, tiny
from models.lpips.net import expected

from ..golden import manifest_keys

TORCHVISION_ALEXNET = {
    "features.0.weight": (64, 3, 11, 11),
    "features.0.bias": (64,),
    "features.3.weight": (192, 64, 5, 5),
    "features.3.bias": (192,),
    "features.6.weight": (384, 192, 3, 3),
    "features.6.bias": (384,),
    "features.8.weight": (256, 384, 3, 3),
    "features.8.bias": (256,),
    "features.10.weight": (256, 256, 3, 3),
    "features.10.bias": (256,),
}
TORCHVISION_VGG16_PLACES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)


def pictures(seed: int, side: int = 64) -> Tensor:
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_the_heads_are_those_of_the_published_file(shared: Path) -> None:
    name = "lpips_alex_v0.1.alex.pth"
    assert expected("alex", "lin") == manifest_keys(shared / f"golden/manifests/{name}.json")


def test_the_networks_have_torchvision_s_layout() -> None:
    assert expected("alex", "features.") == TORCHVISION_ALEXNET
    places = {int(key.split(".")[1]) for key in expected("vgg", "features.")}
    assert places == set(TORCHVISION_VGG16_PLACES)
    assert expected("vgg", "features.")["features.28.weight"] == (512, 512, 3, 3)
    assert [shape[1] for shape in expected("vgg", "lin").values()] == [64, 128, 256, 512, 512]


def test_two_files_make_the_distance_and_the_classifier_is_not_needed() -> None:
    state = tiny().state_dict()
    heads = {key: value for key, value in state.items() if key.startswith("lin")}
    trunk = {key: value for key, value in state.items() if key.startswith("features")}
    trunk["classifier.1.weight"] = torch.zeros(4, 4)
    a, b = pictures(1), pictures(2)
    assert torch.equal(load(trunk, heads)(a, b), tiny()(a, b))
    with pytest.raises(WeightsError, match=r"LPIPS heads with their alex network: 5 missing: lin0"):
        load(trunk, {})


def test_the_distance_is_the_published_formula() -> None:
    net = tiny()
    state = {key: value.numpy() for key, value in net.state_dict().items()}
    a, b = pictures(1, 48), pictures(2, 48)
    by_hand = [_distance(state, x.numpy(), y.numpy()) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(net(a, b).numpy(), by_hand, rtol=1e-4)


def _distance(state: dict[str, NDArray[Any]], a: NDArray[Any], b: NDArray[Any]) -> float:
    """The formula in numpy, on one pair; convolutions as sums of shifted products."""
    total = 0.0
    mean = np.array([-0.030, -0.088, -0.188])[:, None, None]
    std = np.array([0.458, 0.448, 0.450])[:, None, None]
    x, y = (a - mean) / std, (b - mean) / std
    layers = [
        (0, 4, 2, False),
        (3, 1, 2, True),
        (6, 1, 1, True),
        (8, 1, 1, False),
        (10, 1, 1, False),
    ]
    for index, (place, stride, pad, pooled) in enumerate(layers):
        maps = []
        for z in (x, y):
            smaller = _max_pool(z) if pooled else z
            sums = _convolve(smaller, state[f"features.{place}.weight"], stride, pad)
            maps.append(np.maximum(sums + state[f"features.{place}.bias"][:, None, None], 0))
        x, y = maps
        unit = [z / (np.sqrt((z**2).sum(0)) + 1e-10) for z in maps]
        weights = state[f"lin{index}.model.1.weight"][0]
        total += float((weights * (unit[0] - unit[1]) ** 2).sum(0).mean())
    return total


def _convolve(x: NDArray[Any], weight: NDArray[Any], stride: int, pad: int) -> NDArray[Any]:
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    k = weight.shape[-1]
    windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(1, 2))
    return np.einsum("chwij,ocij->ohw", windows[:, ::stride, ::stride], weight)


def _max_pool(x: NDArray[Any]) -> NDArray[Any]:
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
    return windows[:, ::2, ::2].max(axis=(3, 4))


def test_a_picture_is_at_no_distance_from_itself() -> None:
    assert torch.equal(tiny()(pictures(1), pictures(1)), torch.zeros(2))


def test_the_distance_is_symmetric_and_grows_with_the_difference() -> None:
    net, a, b = tiny(), pictures(1), pictures(2)
    torch.testing.assert_close(net(a, b), net(b, a))
    distances = [float(net(a, a + (b - a) * share).sum()) for share in (0.1, 0.3, 1.0)]
    assert distances == sorted(distances)
    assert distances[0] > 0


def test_vgg_maps_shrink_by_two_from_tap_to_tap() -> None:
    with torch.device("meta"):
        shapes = [m.shape[1:] for m in Lpips("vgg").maps(torch.zeros(1, 3, 32, 32))]
    assert shapes == [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 2, 2)]


def test_black_features_do_not_break_training() -> None:
    net = tiny()
    for key, value in net.state_dict().items():
        if key.startswith("features"):
            value.zero_()
    a = pictures(1).requires_grad_()
    net(a, pictures(2)).sum().backward()
    assert a.grad is not None
    assert bool(a.grad.isfinite().all())


def test_pictures_of_different_shape_are_refused() -> None:
    with pytest.raises(ModelInputError, match="pictures of one shape"):
        tiny()(torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 32, 32))
    with pytest.raises(ModelInputError, match=r"\(N, 3, H, W\)"):
        tiny()(torch.zeros(1, 1, 64, 64), torch.zeros(1, 1, 64, 64))
