"""The parsing network: shapes, and its frozen form against the form that is trained."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from models.base import ModelInputError
from models.parsing.net import LABELS, SIDE, ParsingNet, folded


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


def test_folding_the_normalisations_changes_nothing(net: ParsingNet) -> None:
    fast, squares = folded(net), _squares(2)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    assert any(isinstance(module, nn.BatchNorm2d) for module in net.modules())
    with torch.no_grad():
        torch.testing.assert_close(fast(squares), net(squares), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("shape", [(1, 3, 64, 64), (3, SIDE, SIDE), (1, 4, SIDE, SIDE)])
def test_other_shapes_are_refused(net: ParsingNet, shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelInputError, match=f"takes .N, 3, {SIDE}, {SIDE}."):
        net(torch.zeros(shape))


def test_it_fits_into_three_megabytes() -> None:
    numbers = sum(v.numel() for v in ParsingNet().state_dict().values())
    assert 2 * numbers < 3e6
