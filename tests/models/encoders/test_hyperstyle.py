"""HyperStyle's hypernetwork: shared weights once, slots that fit the generator."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.base import ModelInputError
from models.encoders.hyperstyle import (
    HyperNetwork,
    HyperShape,
    WeightProducer,
    load_hypernetwork,
    tuned_weights,
    weight_key,
    without_aliases,
)
from models.state_dicts import randomised

SMALL = HyperShape(
    size=64,
    widths=(4, 4, 6, 8),
    units=(1, 1, 1, 1),
    generator=(8, 8, 8, 4),
    shared=8,
    inner_shared=4,
    inner=4,
)


@pytest.fixture
def state() -> dict[str, Tensor]:
    return dict(randomised(lambda: HyperNetwork(SMALL), seed=2).state_dict())


def pair() -> Tensor:
    return torch.rand(2, 6, 64, 64) * 2 - 1


def test_the_published_slots_are_all_convolutions_but_the_rgb_ones() -> None:
    shape = HyperShape()
    assert list(shape.convolutions()) == [
        0,
        2,
        3,
        5,
        6,
        8,
        9,
        11,
        12,
        14,
        15,
        17,
        18,
        20,
        21,
        23,
        24,
    ]
    assert shape.sharing() == [0, 2, 3, 5, 6, 8, 9, 11, 12]
    assert shape.convolutions()[14] == (512, 256)
    assert shape.convolutions()[24] == (32, 32)


def test_every_tuned_convolution_gets_a_change_of_its_own_shape(state: dict[str, Tensor]) -> None:
    changes = load_hypernetwork(state, SMALL)(pair())
    expected = {slot: (2, out, in_, 3, 3) for slot, (in_, out) in SMALL.convolutions().items()}
    assert {slot: tuple(change.shape) for slot, change in changes.items()} == expected


def test_shared_tensors_stay_one_however_often_the_file_lists_them(
    state: dict[str, Tensor],
) -> None:
    unique = without_aliases(state)
    assert len(state) - len(unique) == 4 * len(SMALL.sharing())
    for given in (state, unique):
        net = load_hypernetwork(given, SMALL)
        places = {
            net.state_dict()[key].data_ptr()
            for key in net.state_dict()
            if key.endswith("hypernet.w2")
        }
        assert places == {state["shared_weight_hypernet.w2"].data_ptr()}
        x = pair()
        for slot, change in load_hypernetwork(state, SMALL)(x).items():
            assert torch.equal(net(x)[slot], change)


def test_of_names_with_different_numbers_the_last_counts_as_when_torch_loads_them(
    state: dict[str, Tensor],
) -> None:
    generator = torch.Generator().manual_seed(6)
    for key in state:
        if "hypernet." in key:
            state[key] = 0.1 * torch.randn(state[key].shape, generator=generator)
    by_torch = HyperNetwork(SMALL)
    by_torch.load_state_dict(state)
    x = pair()
    found = load_hypernetwork(state, SMALL)(x)
    for slot, change in by_torch.eval()(x).items():
        torch.testing.assert_close(found[slot], change)


def test_the_weight_producer_is_two_matrix_products_read_row_by_row() -> None:
    producer = randomised(lambda: WeightProducer(4), seed=5)
    code = torch.randn(1, 4)
    w = {key: value.numpy() for key, value in producer.state_dict().items()}
    rows = (code.numpy()[0] @ w["w2"] + w["b2"]).reshape(4, 4)
    by_hand = (rows @ w["w1"] + w["b1"]).reshape(4, 4, 3, 3)
    torch.testing.assert_close(producer(code)[0], torch.from_numpy(by_hand), atol=1e-6, rtol=1e-5)


def test_changes_that_share_a_number_scale_all_nine_taps_alike(state: dict[str, Tensor]) -> None:
    changes = load_hypernetwork(state, SMALL)(pair())
    own = set(SMALL.convolutions()) - set(SMALL.sharing())
    for slot in own:
        assert torch.equal(changes[slot], changes[slot][..., :1, :1].expand_as(changes[slot]))


@pytest.mark.parametrize(
    ("slot", "key"),
    [
        (0, "conv1.conv.weight"),
        (1, "to_rgb1.conv.weight"),
        (2, "convs.0.conv.weight"),
        (3, "convs.1.conv.weight"),
        (4, "to_rgbs.0.conv.weight"),
        (24, "convs.15.conv.weight"),
        (25, "to_rgbs.7.conv.weight"),
    ],
)
def test_a_slot_names_the_generator_weight_it_tunes(slot: int, key: str) -> None:
    assert weight_key(slot) == key


def test_no_change_leaves_the_generator_as_it_is_and_one_doubles_it() -> None:
    weight = torch.randn(1, 8, 8, 3, 3)
    generator = {"conv1.conv.weight": weight, "input.input": torch.ones(1)}
    kept = tuned_weights(generator, {0: torch.zeros(1, 8, 8, 3, 3)})
    assert torch.equal(kept["conv1.conv.weight"], weight)
    assert kept["input.input"] is generator["input.input"]
    doubled = tuned_weights(generator, {0: torch.ones(1, 8, 8, 3, 3)})
    assert torch.equal(doubled["conv1.conv.weight"], 2 * weight)


def test_three_channels_are_not_enough(state: dict[str, Tensor]) -> None:
    with pytest.raises(ModelInputError, match=r"\(N, 6, 64, 64\)"):
        load_hypernetwork(state, SMALL)(torch.zeros(1, 3, 64, 64))
