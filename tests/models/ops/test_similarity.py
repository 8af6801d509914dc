"""The best rotation, scale and shift between points."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from models.ops.similarity import similarity

WHERE = torch.tensor([[[38.0, 52.0], [74.0, 51.0], [56.0, 72.0], [42.0, 92.0], [71.0, 92.0]]])


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
