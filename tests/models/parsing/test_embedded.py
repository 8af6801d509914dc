"""The embedded parsing weights on the sample face."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

import models
from models.base import ModelInputError
from models.landmarks import LandmarkCascade
from models.networks import open_network
from models.parsing import LABELS, SIDE, ParsingModel

FACE_BOX = np.array([[70.0, 55.0, 160.0, 145.0]])
"""About where a detector finds the sample's face [px of 240]."""


@pytest.fixture(scope="module")
def model() -> ParsingModel:
    network = open_network("parsing")
    assert isinstance(network, ParsingModel)
    return network


@pytest.fixture(scope="module")
def face(astronaut: list[NDArray[np.uint8]]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The sample's first frame and its landmarks (68, 2) [px]."""
    found = LandmarkCascade.load().from_boxes([astronaut[0]], FACE_BOX)
    return astronaut[0], found.points[0]


def _seen(
    face: tuple[NDArray[np.uint8], NDArray[np.float32]],
    *,
    turn_deg: float = 0.0,
    scale: float = 1.0,
    shift: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """The face in a crop that is turned, larger and moved, with its landmarks."""
    image, points = face
    matrix = cv2.getRotationMatrix2D((119.5, 119.5), turn_deg, 1.0) * scale
    matrix[:, 2] += (scale - 1) / 2 + shift
    side = round(240 * scale)
    crop = cv2.warpAffine(
        image, matrix, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    moved = points.astype(np.float64) @ matrix[:, :2].T + matrix[:, 2]
    picture = torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 127.5 - 1
    return picture, torch.from_numpy(moved)[None].float()


def _label_at(parsed: tuple[Tensor, Tensor], spots: Tensor) -> list[str]:
    """Return the label of the largest share at spots (P, 2) [crop px]."""
    shares, to_grid = parsed
    grid = spots @ to_grid[0, :, :2].T + to_grid[0, :, 2]
    found = F.grid_sample(shares, grid[None, None], align_corners=False)[0, :, 0]
    return [LABELS[int(k)] for k in found.argmax(0)]


def test_it_takes_less_than_three_megabytes() -> None:
    folder = Path(models.__file__).parent / "parsing"
    assert sum(path.stat().st_size for path in folder.glob("*.safetensors")) < 3e6


def test_the_parts_of_the_sample_face_are_found(
    model: ParsingModel, face: tuple[NDArray[np.uint8], NDArray[np.float32]]
) -> None:
    picture, marks = _seen(face)
    points = marks[0]
    spots = torch.stack(
        [
            points[36:42].mean(0),
            points[42:48].mean(0),
            points[30],
            points[51] + 0.35 * (points[62] - points[51]),
            points[57] + 0.35 * (points[66] - points[57]),
            points[19],
            (points[8] + points[57]) / 2,
            # beside the brow's end; the crown of this head passes for a hat in part (CARD.md)
            points[17] + 0.3 * (points[17] - points[26]) * torch.tensor([1.0, 0.0]),
        ]
    )
    found = _label_at(model.parse(picture, marks), spots)
    assert found == ["eyes", "eyes", "nose", "lips", "lips", "brows", "skin", "hair"]


def test_shares_sum_to_one_and_cover_the_square(
    model: ParsingModel, face: tuple[NDArray[np.uint8], NDArray[np.float32]]
) -> None:
    shares, to_grid = model.parse(*_seen(face))
    assert shares.shape == (1, len(LABELS), SIDE, SIDE)
    assert shares.dtype == to_grid.dtype == torch.float32
    torch.testing.assert_close(shares.sum(1), torch.ones(1, SIDE, SIDE))


def test_a_turned_face_has_the_same_labels_in_its_own_frame(
    model: ParsingModel, face: tuple[NDArray[np.uint8], NDArray[np.float32]]
) -> None:
    upright, turned = (model.parse(*_seen(face, turn_deg=d))[0] for d in (0.0, 20.0))
    inside = slice(SIDE // 5, -SIDE // 5)
    same = (upright.argmax(1) == turned.argmax(1))[:, inside, inside]
    assert same.float().mean() > 0.97


def test_a_crop_of_twice_the_size_has_nearly_the_same_shares(
    model: ParsingModel, face: tuple[NDArray[np.uint8], NDArray[np.float32]]
) -> None:
    small, large = (model.parse(*_seen(face, scale=s))[0] for s in (1.0, 2.0))
    assert (small - large).abs().sum(1).mean() < 0.06


def test_a_face_moved_by_half_a_pixel_is_parsed_alike(
    model: ParsingModel, face: tuple[NDArray[np.uint8], NDArray[np.float32]]
) -> None:
    here, there = (model.parse(*_seen(face, shift=s))[0] for s in (0.0, 0.5))
    assert (here - there).abs().sum(1).mean() < 0.04


def test_a_face_is_parsed_the_same_alone_and_among_others(
    model: ParsingModel, face: tuple[NDArray[np.uint8], NDArray[np.float32]]
) -> None:
    seen = [_seen(face, turn_deg=d) for d in (0.0, 7.0, -30.0)]
    together = model.parse(*(torch.cat(parts) for parts in zip(*seen, strict=True)))
    for row, (picture, marks) in enumerate(seen):
        shares, to_grid = model.parse(picture, marks)
        assert torch.equal(together[0][row], shares[0])
        assert torch.equal(together[1][row], to_grid[0])


def test_no_face_is_no_error(model: ParsingModel) -> None:
    shares, to_grid = model.parse(torch.zeros(0, 3, 50, 50), torch.zeros(0, 68, 2))
    assert shares.shape == (0, len(LABELS), SIDE, SIDE)
    assert to_grid.shape == (0, 2, 3)


def test_other_shapes_are_refused(model: ParsingModel) -> None:
    with pytest.raises(ModelInputError, match="N crops"):
        model.parse(torch.zeros(1, 3, 50, 50), torch.zeros(2, 68, 2))
