"""W, W+ and S."""

from __future__ import annotations

import pytest
import torch

from models.base import ModelInputError
from models.stylegan2.net import Generator, tiny
from models.stylegan2.spaces import StyleSpace, to_wplus


def test_the_published_generator_has_9088_style_dimensions_6048_of_them_not_colours() -> None:
    with torch.device("meta"):
        generator = Generator(1024)
    space = StyleSpace.of(generator)
    assert space.size == 9088
    assert int((~space.is_colour()).sum()) == 6048
    assert list(space.sizes) == [512] * 15 + [256] * 3 + [128] * 3 + [64] * 3 + [32] * 2


def test_the_names_are_those_of_the_state_dict() -> None:
    generator = tiny(size=32)
    weights = generator.state_dict()
    space = StyleSpace.of(generator)
    for name, size in zip(space.names, space.sizes, strict=True):
        assert len(weights[f"{name}.conv.modulation.bias"]) == size


def test_a_flat_code_gives_the_same_picture_as_the_w_code_it_came_from() -> None:
    generator = tiny(size=32)
    w = torch.randn(2, 32, generator=torch.Generator().manual_seed(0))
    space = StyleSpace.of(generator)
    flat = space.joined(generator.styles(w))
    assert torch.equal(generator.synthesize_from_styles(space.split(flat)), generator(w))


def test_a_located_dimension_moves_that_channel_alone() -> None:
    generator = tiny(size=16)
    space = StyleSpace.of(generator)
    flat = torch.zeros(1, space.size)
    flat[0, 70] = 1.0
    moved = {n: s for n, s in zip(space.names, space.split(flat), strict=True) if bool(s.any())}
    assert space.locate(70) == ("to_rgbs.0", 6)
    assert list(moved) == ["to_rgbs.0"]
    assert moved["to_rgbs.0"].nonzero().tolist() == [[0, 6]]


def test_w_becomes_w_plus_by_repeating_and_w_plus_stays() -> None:
    w = torch.randn(3, 8)
    wplus = to_wplus(w, 4)
    assert wplus.shape == (3, 4, 8)
    assert all(torch.equal(wplus[:, row], w) for row in range(4))
    assert torch.equal(to_wplus(wplus, 4), wplus)


def test_wrong_shapes_are_refused() -> None:
    space = StyleSpace.of(tiny(size=16))
    with pytest.raises(ModelInputError, match="expected S codes"):
        space.split(torch.zeros(1, 3))
    with pytest.raises(ModelInputError, match="expected styles of sizes"):
        space.joined([torch.zeros(1, 3)])
    with pytest.raises(ModelInputError, match="dimensions 0 to 127, not 128"):
        space.locate(space.size)
    with pytest.raises(ModelInputError, match="expected codes"):
        to_wplus(torch.zeros(1, 3, 8), 4)
