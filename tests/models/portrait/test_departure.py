"""What is in front of a face is told by colour that is not there for most of the shot."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.portrait import CROP_SIDE, Departures, load_portrait
from models.portrait.departure import LOOK_SIDE, LookRegions, departed, look_regions
from models.portrait.net import PortraitModel

Floats = NDArray[np.float32]
CHEEK = (slice(18, 28), slice(23, 31))


@pytest.fixture(scope="module")
def model() -> PortraitModel:
    return load_portrait()


@pytest.fixture(scope="module")
def regions(model: PortraitModel) -> LookRegions:
    return look_regions(model.canonical)


def usual() -> Floats:
    return np.random.default_rng(3).normal(0, 0.05, (3, LOOK_SIDE, LOOK_SIDE)).astype(np.float32)


def found(look: Floats, regions: LookRegions, *, yaw: float = 0.0) -> Floats:
    noise = np.random.default_rng(4).normal(0, 0.01, look.shape).astype(np.float32)
    return departed((look + noise).ravel(), usual().ravel(), yaw, regions)


def test_the_usual_look_is_no_departure_under_any_light(regions: LookRegions) -> None:
    slope = np.linspace(-0.6, 0.6, LOOK_SIDE, dtype=np.float32)
    for light in (0.0, slope, slope[:, None] - 0.4):
        look = usual()
        look[0] += light
        look[1] += 0.2 * np.float32(light)
        assert not found(look, regions).any()


@pytest.mark.parametrize("colour", [(0.3, -0.25, 0.2), (-0.9, -0.2, 0.15)], ids=["paper", "phone"])
def test_a_thing_of_another_colour_on_a_cheek_is_found_where_it_is(
    regions: LookRegions, colour: tuple[float, float, float]
) -> None:
    look = usual()
    look[:, *CHEEK] += np.array(colour, np.float32)[:, None, None]
    mask = found(look, regions)
    assert (mask[CHEEK][regions.judged[CHEEK]] == 1).mean() > 0.9
    mask[16:30, 21:33] = 0
    assert not mask[~regions.outside].any()


def test_shade_without_colour_is_none(regions: LookRegions) -> None:
    look = usual()
    look[0, *CHEEK] -= 1.0
    assert not found(look, regions).any()


@pytest.mark.parametrize(
    "place",
    [(slice(22, 24), slice(26, 28)), (slice(28, 32), slice(17, 23))],
    ids=["a mole", "the lips"],
)
def test_what_is_small_or_only_on_the_lips_is_no_thing(
    regions: LookRegions, place: tuple[slice, slice]
) -> None:
    look = usual()
    look[1:, *place] -= 0.3
    assert not found(look, regions).any()


def test_the_far_cheek_of_a_turned_head_is_not_judged(regions: LookRegions) -> None:
    look = usual()
    far = regions.across > 0.5
    look[1:, far] -= 0.3
    assert found(look, regions).any()
    assert not found(look, regions, yaw=0.5).any()


def test_a_thing_is_drawn_where_it_is_in_the_crop(model: PortraitModel) -> None:
    side, eyes = 272, 80
    landmarks = (model.shape.mean[:68, :2] * eyes + torch.tensor([136.0, 110.0]))[None]
    images = torch.tensor([0.4, 0.0, -0.2])[None, :, None, None].repeat(1, 1, side, side)
    assert abs(side / CROP_SIDE - eyes) < 1
    departures = Departures(model)
    look = departures.look(images, landmarks)
    assert departures.hidden(images, landmarks, look) is None
    rows, columns = slice(130, 172), slice(141, 173)
    images[:, :, rows, columns] = 0.6
    found = departures.hidden(images, landmarks, look)
    assert found is not None
    hidden = found[0, 0]
    assert hidden[rows, columns].mean() > 0.9
    near = 20  # grown and softened; towards the rim of the face it reaches out further
    assert not (hidden[: rows.start - near] > 0.02).any()
    assert not (hidden[:, : columns.start - near] > 0.02).any()
