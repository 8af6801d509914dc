"""The parsing network: shapes, and its frozen form against the form that is trained."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from models.base import ModelInputError
from models.parsing.fast import FastNet
from models.parsing.model import ParsingModel
from models.parsing.net import LABELS, SIDE, ParsingNet


@pytest.fixture(scope="module")
def net() -> ParsingNet:
    """A network whose normalisations have seen something: fresh ones fold into nothing."""
    torch.manual_seed(3)
    made = ParsingNet()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
    with torch.no_grad():
        for _ in range(3):
            made(_squares(4) + 0.2)
    return made.eval()


def _squares(count: int) -> Tensor:
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(count)) * 2 - 1


def test_every_pixel_of_the_square_gets_a_logit_of_every_label(net: ParsingNet) -> None:
    logits = net(_squares(2))
    assert logits.shape == (2, len(LABELS), SIDE, SIDE)
    assert logits.dtype == torch.float32


def test_folded_cells_hold_the_logits_of_their_four_pixels(net: ParsingNet) -> None:
    squares = _squares(1)
    logits, cells = net(squares), net.cells(squares)
    for row in (0, 1):
        for column in (0, 1):
            apart = logits[0, :, row::2, column::2].permute(1, 2, 0)
            torch.testing.assert_close(cells[0, ..., row, column], apart)


def _shares(net: ParsingNet, squares: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.softmax(net(squares), 1)


def test_the_fast_twin_says_what_the_network_says(net: ParsingNet) -> None:
    fast, squares = FastNet(net, torch.float32), _squares(2)
    torch.testing.assert_close(fast(squares), _shares(net, squares), atol=1e-4, rtol=1e-4)


def test_fewer_bits_change_little(net: ParsingNet) -> None:
    off = (FastNet(net, torch.bfloat16)(_squares(2)) - _shares(net, _squares(2))).abs()
    assert off.mean() < 5e-3
    assert off.max() < 0.15  # of noise read by weights of noise


def test_a_frozen_model_says_the_same_alone_and_among_others(net: ParsingNet) -> None:
    model, squares = ParsingModel(net), _squares(3)
    plain, frozen = model.shares(squares), model.frozen().shares(squares)
    torch.testing.assert_close(frozen, plain, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(frozen[1:2], model.shares(squares[1:2]), atol=0, rtol=0)


@pytest.mark.parametrize("shape", [(1, 3, 64, 64), (3, SIDE, SIDE), (1, 4, SIDE, SIDE)])
def test_other_shapes_are_refused(net: ParsingNet, shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelInputError, match=f"takes .N, 3, {SIDE}, {SIDE}."):
        net(torch.zeros(shape))
    with pytest.raises(ModelInputError, match=f"takes .N, 3, {SIDE}, {SIDE}."):
        FastNet(net, torch.float32)(torch.zeros(shape))


def test_it_fits_into_three_megabytes() -> None:
    numbers = sum(v.numel() for v in ParsingNet().state_dict().values())
    assert 2 * numbers < 3e6
