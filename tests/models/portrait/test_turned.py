"""On a turned head the far cheek is narrow: what moves there must not crease."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from models.portrait import PortraitModel, load_portrait
from models.portrait_movers import load_movers

SIDE, EYES_PX = 340, 100.0


@pytest.fixture(scope="module")
def model() -> PortraitModel:
    return load_portrait()


def turned(model: PortraitModel, yaw: float) -> Tensor:
    """Return the 68 points (1, 68, 2) [px] of the mean head, turned."""
    cos, sin = math.cos(yaw), math.sin(yaw)
    turn = torch.tensor([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    points = (model.shape.mean[:68] @ turn.T)[:, :2] * EYES_PX
    return (points + torch.tensor([0.5 * SIDE, 0.4 * SIDE]))[None]


def areas(model: PortraitModel, yaw: float, attribute: str, strength: float) -> Tensor:
    """Return how large an area of the source every pixel (h, w) of the edit shows, in pixels."""
    landmarks, images = turned(model, yaw), torch.zeros(1, 3, SIDE, SIDE)
    w, state = model.encode(images, landmarks)
    after = load_movers().mover("latent-transformer", attribute)(w, torch.tensor([strength]))
    shifts = model.render_part(images, landmarks, w, after, state).shifts[0]
    assert shifts.abs().max() > 3
    height, width = shifts.shape[1:]
    here = torch.meshgrid(torch.arange(width), torch.arange(height), indexing="xy")
    x, y = shifts + torch.stack(here)
    (x_down, x_across), (y_down, y_across) = torch.gradient(x), torch.gradient(y)
    return x_across * y_down - x_down * y_across


@pytest.mark.parametrize("yaw", [-0.45, -0.25, 0.35])
@pytest.mark.parametrize(("attribute", "strength"), [("smile", 2), ("weight", 2), ("weight", -2)])
def test_a_turned_cheek_is_neither_folded_nor_torn(
    model: PortraitModel, yaw: float, attribute: str, strength: float
) -> None:
    with torch.inference_mode():
        shown = areas(model, yaw, attribute, strength)
    # Below 0 the skin would lie over itself, and near it is squeezed to a line.
    assert shown.min() > 0.35
    assert shown.max() < 1.9
