"""Where the parsing network looks."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from models.base import ModelInputError
from models.parsing.square import _PLACES, _POINTS, crop_to_grid, squares


def _face(turn_deg: float, px: float, at: tuple[float, float]) -> Tensor:
    """Landmarks (1, 68, 2) of a face whose nine points lie as in the square's plan, turned and
    `px` crop px to half a side; the others anywhere."""
    c, s = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    points = torch.rand(68, 2, generator=torch.Generator().manual_seed(1)) * 500
    points[list(_POINTS)] = torch.tensor(_PLACES) @ torch.tensor([[c, s], [-s, c]]) * px
    points[list(_POINTS)] += torch.tensor(at)
    return points[None]


@pytest.mark.parametrize("turn_deg", [0.0, 20.0, -90.0, 180.0])
def test_the_square_lies_where_the_nine_points_say(turn_deg: float) -> None:
    (to_grid,) = crop_to_grid(_face(turn_deg, 70.0, (140.0, 90.0)))
    found = _face(turn_deg, 70.0, (140.0, 90.0))[0, list(_POINTS)] @ to_grid[:, :2].T
    torch.testing.assert_close(found + to_grid[:, 2], torch.tensor(_PLACES), atol=1e-5, rtol=0)


def test_a_jaw_that_drops_moves_nothing() -> None:
    face = _face(5.0, 50.0, (100.0, 100.0))
    dropped = face.clone()
    dropped[:, list(range(17))] += torch.tensor([0.0, 40.0])
    torch.testing.assert_close(crop_to_grid(dropped), crop_to_grid(face))


def test_a_square_is_cut_out_where_its_map_says() -> None:
    rows, columns = torch.meshgrid(torch.arange(80.0), torch.arange(80.0), indexing="ij")
    crop = torch.stack([columns, rows, columns + rows])[None] / 100
    to_grid = crop_to_grid(_face(30.0, 20.0, (40.0, 38.0)))
    found = squares(crop, to_grid, 40)
    # the middle of cell c has the coordinate (2 c + 1) / 40 - 1; back to crop px by the inverse
    cell = torch.tensor([(2 * 13 + 1) / 40 - 1, (2 * 25 + 1) / 40 - 1])
    px = torch.linalg.solve(to_grid[0, :, :2], cell - to_grid[0, :, 2]) / 100
    expected = torch.stack([px[0], px[1], px.sum()])
    torch.testing.assert_close(found[0, :, 25, 13], expected, atol=1e-4, rtol=0)


def test_a_large_crop_is_averaged_not_picked_from() -> None:
    board = ((torch.arange(640)[:, None] + torch.arange(640)) % 2).float() * 2 - 1
    crop = board.expand(1, 3, 640, 640)
    found = squares(crop, crop_to_grid(_face(17.0, 250.0, (310.0, 290.0))), 64)
    assert found.abs().max() < 0.15, "a checkerboard of single pixels is grey from afar"


def test_a_crop_of_twice_the_size_gives_the_same_square() -> None:
    coarse = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(5)) * 2 - 1
    small, large = (
        torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic") for side in (180, 360)
    )
    face = _face(8.0, 70.0, (90.0, 88.0))
    one = squares(small, crop_to_grid(face), 96)
    # pixel p of the small crop is pixel 2 p + 0.5 of the large one
    two = squares(large, crop_to_grid(2 * face + 0.5), 96)
    assert (one - two).abs().max() < 0.03


@pytest.mark.parametrize(("side", "px"), [(90, 40.0), (331, 210.0), (333, 300.0)])
def test_opencv_cuts_out_what_torch_does(side: int, px: float) -> None:
    coarse = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(side)) * 2 - 1
    crops = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic")
    maps = torch.cat([crop_to_grid(_face(turn, px, (0.5 * px, 0.7 * px))) for turn in (12.0, -95)])
    fast, ref = squares(crops, maps, 96), squares(crops, maps, 96, impl="ref")
    assert fast.shape == ref.shape
    assert (fast - ref).abs().max() < 4e-3  # 1/64 of a cell, by which older versions are off


def test_landmarks_that_are_no_face_are_refused() -> None:
    with pytest.raises(ModelInputError, match="one spot"):
        crop_to_grid(torch.ones(1, 68, 2))
    with pytest.raises(ModelInputError, match="68, 2"):
        crop_to_grid(torch.ones(1, 5, 2))
