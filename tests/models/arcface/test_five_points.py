"""The five-point crop: the best rotation, scale and shift, found and applied."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from models.arcface import five_point_crop, five_points
from models.arcface.five_points import PLACES, similarity
from models.base import ModelInputError

WHERE = torch.tensor([PLACES])


def turned(points: Tensor, angle: float, scale: float, shift: tuple[float, float]) -> Tensor:
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    return points @ torch.tensor([[c, s], [-s, c]]) + torch.tensor(shift)


def test_a_known_rotation_scale_and_shift_is_found() -> None:
    found = similarity(WHERE, turned(WHERE, 0.4, 1.7, (12.0, -5.0)))
    x = torch.tensor([[[10.0, 20.0]]])
    moved = (found[:, :, :2] @ x.mT)[..., 0] + found[:, :, 2]
    torch.testing.assert_close(moved, turned(x, 0.4, 1.7, (12.0, -5.0))[0], atol=1e-4, rtol=1e-5)


def test_among_noisy_points_it_is_the_least_squares_solution() -> None:
    random = np.random.default_rng(2)
    source, target = random.normal(size=(2, 5, 2))
    rows = [[[x, -y, 1, 0], [y, x, 0, 1]] for x, y in source]
    a, b, dx, dy = np.linalg.lstsq(np.reshape(rows, (10, 4)), target.reshape(-1), rcond=None)[0]
    found = similarity(torch.from_numpy(source)[None], torch.from_numpy(target))[0].numpy()
    np.testing.assert_allclose(found, [[a, -b, dx], [b, a, dy]], atol=1e-12)


def test_points_at_their_places_leave_the_picture_as_it_is() -> None:
    picture = torch.rand(1, 3, 112, 112) * 2 - 1
    torch.testing.assert_close(five_point_crop(picture, WHERE), picture, atol=1e-4, rtol=0)


def test_a_shifted_face_gives_the_same_crop() -> None:
    picture = torch.zeros(1, 3, 160, 180)
    face = torch.rand(1, 3, 112, 112) * 2 - 1
    picture[:, :, 30:142, 50:162] = face
    crop = five_point_crop(picture, WHERE + torch.tensor([50.0, 30.0]))
    torch.testing.assert_close(crop, face, atol=1e-4, rtol=0)


def test_a_quarter_turn_is_turned_back() -> None:
    face = torch.rand(1, 3, 112, 112) * 2 - 1
    on_its_side = face.rot90(1, dims=(2, 3))  # counter-clockwise: (x, y) goes to (y, 111 - x)
    x, y = WHERE.unbind(-1)
    crop = five_point_crop(on_its_side, torch.stack([y, 111 - x], dim=-1))
    torch.testing.assert_close(crop, face, atol=1e-3, rtol=0)


def test_five_points_are_the_eyes_the_nose_and_the_mouth() -> None:
    landmarks = torch.arange(68.0)[None, :, None].expand(1, 68, 2)
    assert five_points(landmarks)[0, :, 0].tolist() == [38.5, 44.5, 30, 48, 54]


def test_missing_points_are_refused() -> None:
    with pytest.raises(ModelInputError, match=r"points \(N, 5, 2\).*\(1, 68, 2\)"):
        five_point_crop(torch.zeros(1, 3, 112, 112), torch.zeros(1, 68, 2))
