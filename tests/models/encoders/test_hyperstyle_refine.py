"""HyperStyle's inversion on a narrow generator: accumulated changes, weights left alone."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.base import ModelInputError
from models.encoders.hyperstyle import HyperNetwork, HyperShape, tuned_weights
from models.encoders.hyperstyle_refine import generate_tuned, refine
from models.state_dicts import randomised
from models.stylegan2.net import Generator, tiny

SHAPE = HyperShape(
    size=64,
    widths=(4, 4, 6, 16),
    units=(1, 1, 1, 1),
    generator=(16, 16, 16),
    shared=16,
    inner_shared=4,
    inner=4,
)


@pytest.fixture(scope="module")
def generator() -> Generator:
    return tiny(size=16)


@pytest.fixture(scope="module")
def net() -> HyperNetwork:
    return randomised(lambda: HyperNetwork(SHAPE), seed=3)


@pytest.fixture(scope="module")
def codes(generator: Generator) -> Tensor:
    random = torch.Generator().manual_seed(1)
    return torch.randn(2, generator.layers, generator.style_dim, generator=random)


def faces() -> Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(2)) * 2 - 1


def test_without_changes_the_generator_draws_as_ever(generator: Generator, codes: Tensor) -> None:
    assert torch.equal(generate_tuned(generator, codes, {}), generator(codes))
    zero = {0: torch.zeros(2, 16, 16, 3, 3)}
    torch.testing.assert_close(generate_tuned(generator, codes, zero), generator(codes))


def test_each_face_is_drawn_with_its_own_weights_and_the_generator_stays(
    generator: Generator, codes: Tensor
) -> None:
    before = {key: value.clone() for key, value in generator.state_dict().items()}
    changes = {2: 0.3 * torch.randn(2, 16, 16, 3, 3, generator=torch.Generator().manual_seed(4))}
    drawn = generate_tuned(generator, codes, changes)
    for index in range(2):
        tuned = copy.deepcopy(generator)
        own = {slot: change[index : index + 1] for slot, change in changes.items()}
        tuned.load_state_dict(tuned_weights(generator.state_dict(), own))
        torch.testing.assert_close(drawn[index : index + 1], tuned(codes[index : index + 1]))
    assert not torch.allclose(drawn, generator(codes), atol=1e-3)
    assert all(torch.equal(before[key], value) for key, value in generator.state_dict().items())


def test_changes_of_all_steps_add_up(
    net: HyperNetwork, generator: Generator, codes: Tensor
) -> None:
    images = faces()
    total: dict[int, Tensor] = {slot: torch.zeros(()) for slot in SHAPE.convolutions()}
    for step in range(3):
        drawn = generate_tuned(generator, codes, total if step else {})
        seen = torch.cat([images, F.adaptive_avg_pool2d(drawn, 64)], dim=1)
        total = {slot: total[slot] + change for slot, change in net(seen).items()}
    found = refine(net, generator, images, codes, steps=3)
    assert set(found) == set(total)
    for slot, change in found.items():
        torch.testing.assert_close(change, total[slot])


def test_a_hypernetwork_that_wants_no_change_leaves_the_picture(
    generator: Generator, codes: Tensor
) -> None:
    quiet = randomised(lambda: HyperNetwork(SHAPE), seed=3)
    for key, value in quiet.state_dict().items():
        if key.startswith("shared_weight_hypernet.") or ".output." in key:
            value.zero_()
    changes = refine(quiet, generator, faces(), codes)
    torch.testing.assert_close(generate_tuned(generator, codes, changes), generator(codes))


def test_faces_and_codes_that_do_not_fit_are_refused(
    net: HyperNetwork, generator: Generator, codes: Tensor
) -> None:
    with pytest.raises(ModelInputError, match=r"as many faces \(N, 3, 64, 64\) as codes"):
        refine(net, generator, faces()[:1], codes)
