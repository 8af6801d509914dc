"""What a parsing says of pixels, against sums written out."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from models.parsing import net
from pipeline.parsing import LABELS, Parsing


def a_parsing(shares: Tensor, matrix: list[list[float]]) -> Parsing:
    return Parsing(shares, torch.tensor(matrix)[None].expand(len(shares), -1, -1))


def ramp(count: int = 1, side: int = 8) -> Tensor:
    """Shares: background falls from left to right, skin rises, the rest is nothing."""
    shares = torch.zeros(count, len(LABELS), side, side)
    across = (torch.arange(side) + 0.5) / side
    shares[:, LABELS.index("skin")] = across
    shares[:, LABELS.index("background")] = 1 - across
    return shares


def over(side: int) -> list[list[float]]:
    """The grid over the whole crop of a side: pixel centres to -1 … 1."""
    return [[2 / side, 0.0, 1 / side - 1], [0.0, 2 / side, 1 / side - 1]]


def test_a_share_is_found_where_the_pixel_lies_on_the_grid() -> None:
    parsing = a_parsing(ramp(), over(32))
    skin = parsing.share("skin", rows=slice(0, 32), columns=slice(0, 32))
    expected = ((torch.arange(32) + 0.5) / 32).clamp(0.5 / 8, 1 - 0.5 / 8)
    assert torch.allclose(skin[0, 0], expected.expand(32, 32), atol=1e-5)


def test_shares_of_labels_add_up() -> None:
    parsing = a_parsing(ramp(), over(16))
    rows, columns = slice(3, 9), slice(2, 14)
    both = parsing.share("skin", "background", rows=rows, columns=columns)
    assert both.shape == (1, 1, 6, 12)
    assert torch.allclose(both, torch.ones_like(both))


def test_a_part_and_every_second_pixel_are_those_of_the_whole() -> None:
    parsing = a_parsing(ramp(), over(20))
    whole = parsing.share("skin", rows=slice(0, 20), columns=slice(0, 20))
    part = parsing.share("skin", rows=slice(4, 15), columns=slice(1, 20), step=2)
    assert torch.allclose(part, whole[:, :, 4:15:2, 1:20:2], atol=1e-6)


def test_a_turned_grid_is_read_turned() -> None:
    angle = math.radians(90)
    turn = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    side = 16
    scale, middle = 2 / side, (side - 1) / 2
    matrix = [
        [scale * turn[0][0], scale * turn[0][1], -scale * middle * (turn[0][0] + turn[0][1])],
        [scale * turn[1][0], scale * turn[1][1], -scale * middle * (turn[1][0] + turn[1][1])],
    ]
    whole = slice(0, side)
    level = a_parsing(ramp(), over(side)).share("skin", rows=whole, columns=whole)
    turned = a_parsing(ramp(), matrix).share("skin", rows=whole, columns=whole)
    assert torch.allclose(turned, level.rot90(1, (2, 3)), atol=1e-5)


def test_rows_of_a_parsing_are_those_faces() -> None:
    parsings = [a_parsing(ramp(), over(n)) for n in (8, 16, 24)]
    both = Parsing(
        torch.cat([parsing.shares for parsing in parsings]),
        torch.cat([parsing.crop_to_grid for parsing in parsings]),
    )
    assert len(both) == 3
    assert torch.equal(both[[2, 0]].crop_to_grid[0], parsings[2].crop_to_grid[0])


def test_labels_are_the_greatest_shares() -> None:
    parsing, whole = a_parsing(ramp(), over(8)), slice(0, 8)
    labels = parsing.sampled(parsing.shares, whole, whole).argmax(1)
    assert labels[0, 0].tolist() == [LABELS.index("background")] * 4 + [LABELS.index("skin")] * 4


def test_labels_have_the_order_of_the_embedded_network() -> None:
    assert LABELS == net.LABELS


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (1, 13, 8, 9), (13, 8, 8)])
def test_shares_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="shares"):
        Parsing(torch.zeros(shape), torch.zeros(1, 2, 3))


def test_one_affine_for_each_face() -> None:
    with pytest.raises(ValueError, match="crop_to_grid"):
        Parsing(torch.zeros(2, 13, 8, 8), torch.zeros(1, 2, 3))
