"""What faces borrow from others lies where it belongs, and nothing else is changed."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.parsing import borrowed
from models.parsing.layers import Bytes, Floats, put_before
from models.parsing.net import LABELS
from models.topology68 import MESH_TO_68
from tests.models.parsing.drawn_face import mesh

SIDE = 256
SKIN, HAIR, CLOTHES, LIPS = (LABELS.index(n) for n in ("skin", "hair", "clothes", "lips"))
POINTS = mesh()[list(MESH_TO_68), :2].astype(np.float64)
_COLOURS = {0: 120, SKIN: 190, HAIR: 40, CLOTHES: 80, LIPS: 150}


def _face(*, beard: bool = False, hat: bool = False) -> tuple[Floats, Bytes]:
    """Return a picture of flat fields, and its labels: a bare head, or one with beard or hat."""
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    labels = np.zeros((SIDE, SIDE), np.uint8)
    labels[((x - 128) / 60) ** 2 + ((y - 135) / 80) ** 2 < 1] = SKIN
    labels[y > 225] = CLOTHES
    if beard:
        chin = borrowed.chin_of(labels.shape, POINTS)
        labels[chin & (labels == SKIN) & (y > 165) & (abs(x - 128) < 30)] = HAIR
    if hat:
        labels[(labels != CLOTHES) & (y < 90) & (y > 20) & (abs(x - 128) < 70)] = CLOTHES
    labels[(abs(x - 128) < 20) & (abs(y - 176) < 6)] = LIPS
    picture = np.zeros((SIDE, SIDE, 3), np.float32)
    for label, level in _COLOURS.items():
        picture[labels == label] = level
    return picture, labels


def _giver(**what: bool) -> borrowed.Giver:
    picture, labels = _face(**what)
    return borrowed.Giver(picture.astype(np.uint8), labels, POINTS)


def test_a_beard_comes_to_the_same_place_of_a_smaller_face() -> None:
    picture, labels = _face()
    points = (POINTS - 128) * 0.5 + 128
    small = np.pad(labels[::2, ::2], 64)
    layer = borrowed.beard(
        _giver(beard=True), np.pad(picture[::2, ::2], ((64,) * 2,) * 2 + ((0, 0),)), small, points
    )
    _, found = put_before(np.zeros((SIDE, SIDE, 3), np.float32), small, layer)
    wanted = np.pad(_face(beard=True)[1][::2, ::2], 64)
    assert (found == HAIR).sum() > 300
    assert ((found == HAIR) != (wanted == HAIR)).mean() < 0.004
    assert not (found[small == LIPS] == HAIR).any()


def test_a_beard_is_as_light_as_the_skin_it_comes_to() -> None:
    picture, labels = _face()
    layer = borrowed.beard(_giver(beard=True), picture * 0.6, labels, POINTS)
    inside = layer.share > 0.99
    assert np.abs(layer.colour[inside] - 0.6 * _COLOURS[HAIR]).max() < 2


def test_a_hat_comes_with_what_is_above_it_and_leaves_the_jacket() -> None:
    picture, labels = _face()
    labels[:60] = HAIR
    found, theirs, share = borrowed.with_hat(_giver(hat=True), picture, labels, POINTS)
    hat = _face(hat=True)[1]
    worn = (hat == CLOTHES) & (np.arange(SIDE)[:, None] < 200)
    assert (theirs[worn] == CLOTHES).mean() > 0.98
    assert (theirs[:18, 70:186] == 0).all()
    assert (share[100:] == 0).all()
    np.testing.assert_array_equal(found[100:], picture[100:])


@pytest.mark.parametrize("seed", range(12))
def test_hair_takes_another_colour_and_all_else_keeps_its_own(seed: int) -> None:
    picture, labels = _face(beard=True)
    labels[:80], picture[:80] = HAIR, 40
    other = borrowed.recoloured(picture, labels, POINTS, np.random.default_rng(seed))
    changed = np.abs(other - picture).max(-1) > 0.5
    near_hair = cv2.dilate((labels == HAIR).astype(np.uint8), np.ones((9, 9))) > 0
    assert not (changed & ~near_hair).any()
    assert changed[labels == HAIR].mean() > 0.1
