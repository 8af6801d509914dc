"""Teeth, lips and what counts as one's own mouth."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from models.portrait.mouth import (
    LOWER_LIP,
    UPPER_LIP,
    TeethLook,
    curve_height,
    inner_gap,
    mouth_frame,
    own_teeth,
    visible_lips,
)
from models.portrait.texture import to_log_channels
from tests.models.portrait.tiny import tiny_portrait


def vertices(*, scale: float = 100.0, roll: float = 0.0) -> Tensor:
    """The drawn face's vertices (1, V, 2) px, turned by `roll` radians."""
    face = tiny_portrait().shape.mean[:, :2]
    turn = torch.tensor([[math.cos(roll), -math.sin(roll)], [math.sin(roll), math.cos(roll)]])
    return (face @ turn.T * scale + 200)[None]


def test_lip_curves_pass_near_their_vertices_and_meet_at_the_corners() -> None:
    points = vertices()
    frame = mouth_frame(points)
    assert torch.allclose(curve_height(frame.upper, torch.tensor([[-1.0, 1.0]])), torch.zeros(1, 2))
    middle = points[0, UPPER_LIP[2], 1] - frame.origin[0, 1]
    assert (curve_height(frame.upper, torch.zeros(1, 1))[0, 0] - middle).abs() < 0.8


def test_the_gap_is_measured_along_the_heads_own_axis() -> None:
    model = tiny_portrait()
    for roll in (0.0, 0.6):
        points = vertices(roll=roll)
        fit = model.shape.fit(points[:, :68])
        assert torch.allclose(inner_gap(points, fit.camera)[:, 2], torch.tensor([0.05]), atol=1e-3)


def look_of(skin: Tensor, **known: Tensor) -> TeethLook:
    """Teeth of which nothing is known but the skin (N, 3) around them."""
    nothing = torch.zeros(len(skin))
    return TeethLook(skin, torch.zeros_like(skin), nothing, nothing, nothing)._replace(**known)


def test_grey_skin_gets_grey_teeth_and_dark_skin_no_glowing_ones() -> None:
    teeth = tiny_portrait().teeth
    teeth.colour.copy_(torch.tensor([[-0.1, 0.5], [0.07, 0.3], [-0.03, 0.5]]))
    skin = torch.tensor([[-0.5, 0.0, 0.0], [-0.5, 0.3, -0.1], [-2.0, 0.3, -0.1]])
    grey, coloured, dark = teeth.colours_for(look_of(skin))
    assert grey[1:].tolist() == [0.0, 0.0]
    assert coloured[1] > 0.1
    assert dark[0] <= -2.0 + 0.31
    assert coloured[0] > -0.5


def painted(colour: tuple[float, float, float]) -> Tensor:
    """A skin-coloured picture with one colour between the drawn face's lips."""
    picture = torch.tensor([0.4, 0.0, -0.2])[:, None, None].expand(3, 400, 400).clone()
    picture[:, 270:282, 176:224] = torch.tensor(colour)[:, None, None]
    return picture[None]


def test_bright_pale_texels_between_parted_lips_are_own_teeth() -> None:
    points = vertices()
    open_lips = torch.full((1, 5), 0.06)
    bright, dark = painted((0.6, 0.5, 0.4)), painted((-0.9, -0.95, -0.95))
    assert own_teeth(bright, points, open_lips).shown > 0.8
    assert own_teeth(bright, points, open_lips).clear > 0.8
    assert own_teeth(dark, points, open_lips).shown < 0.1
    assert own_teeth(bright, points, torch.zeros(1, 5)).shown == 0


def test_teeth_that_were_seen_are_drawn_in_their_own_colour() -> None:
    points = vertices()
    open_lips = torch.full((1, 5), 0.06)
    picture = painted((0.6, 0.5, 0.4))
    own = own_teeth(picture, points, open_lips)
    skin = to_log_channels(picture[:, :, :1, :1])[:, :, 0, 0]
    look = look_of(skin, own=own.colour, certain=torch.ones(1))
    wanted = to_log_channels(picture[:, :, 276:277, 200:201])[:, :, 0, 0]
    torch.testing.assert_close(tiny_portrait().teeth.colours_for(look), wanted, atol=0.02, rtol=0)


def test_the_lips_own_red_is_measured_without_what_is_between_them() -> None:
    model = tiny_portrait()
    for roll in (0.0, 0.6):
        points = vertices(roll=roll)
        fit = model.shape.fit(points[:, :68])
        assert torch.allclose(visible_lips(points, fit.camera), torch.tensor(0.17), atol=2e-3)


def test_lip_vertices_face_each_other() -> None:
    points = vertices()[0]
    assert (points[list(UPPER_LIP), 0] - points[list(LOWER_LIP), 0]).abs().max() < 1
    assert (points[list(UPPER_LIP), 1] < points[list(LOWER_LIP), 1]).all()


def test_a_softer_face_gets_softer_teeth_of_the_same_mean() -> None:
    teeth = tiny_portrait().teeth
    pictures = teeth.softened(torch.tensor([0.0, 0.005, 0.02, 0.05]))
    assert torch.equal(pictures[0], teeth.picture)
    spread = pictures[:, 0, 20:50, 40:120].std(dim=(1, 2))
    assert (spread[:-1] > spread[1:]).all()
    means = pictures[:, 0, 20:50, 40:120].mean(dim=(1, 2))
    assert torch.allclose(means, means[:1].expand(4), atol=0.02)
