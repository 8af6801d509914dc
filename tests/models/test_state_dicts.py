"""Filling a network from a state dict."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.base import WeightsError
from models.state_dicts import expected_shapes, fill, randomised


def small() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4))


@pytest.fixture
def state() -> dict[str, Tensor]:
    return dict(randomised(small, seed=3).state_dict())


def test_shapes_are_told_without_allocating_the_weights() -> None:
    shapes = expected_shapes(lambda: nn.Linear(1_000_000, 1_000_000))  # 4 TB if it were real
    assert shapes == {"weight": (1_000_000, 1_000_000), "bias": (1_000_000,)}


def test_a_filled_network_computes_what_the_original_does(state: dict[str, Tensor]) -> None:
    original = randomised(small, seed=3)
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(fill(small, state, what="a test network")(x), original(x))


def test_tensors_are_taken_over_not_copied(state: dict[str, Tensor]) -> None:
    filled = fill(small, state, what="a test network")
    assert filled[0].weight.data_ptr() == state["0.weight"].data_ptr()


def test_half_precision_files_become_float32(state: dict[str, Tensor]) -> None:
    halves = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    linear: Any = fill(small, halves, what="a test network")[0]
    assert linear.weight.dtype == torch.float32
    assert torch.allclose(linear.weight, state["0.weight"], atol=1e-3)


def test_a_counter_that_a_converter_dropped_is_not_missed(state: dict[str, Tensor]) -> None:
    del state["1.num_batches_tracked"]
    norm: Any = fill(small, state, what="a test network")[1]
    assert int(norm.num_batches_tracked) == 0


def test_all_that_is_wrong_is_named_in_one_message(state: dict[str, Tensor]) -> None:
    del state["1.bias"]
    state["2.extra"] = torch.zeros(1)
    state["0.weight"] = torch.zeros(4, 3, 5, 5)
    with pytest.raises(WeightsError) as caught:
        fill(small, state, what="a test network")
    message = str(caught.value)
    assert "not a test network" in message
    assert "1 missing: 1.bias" in message
    assert "1 left over: 2.extra" in message
    assert "0.weight [4, 3, 5, 5] instead of [4, 3, 3, 3]" in message
