"""`turn`: where marks on a face go, what stays, and that what is worn goes along."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models.head.basis import Head
from models.head.turning import turned
from pipeline.editors import Artefact
from pipeline.editors.turn import SPEC, Turn
from pipeline.parsing import LABELS, Parsing
from pipeline.request import Edit
from pipeline.types import AlignedBatch

from ..faces import natural
from .heads import Hands, embedded_head

SIDE, SCALE = 320, 64.0
MIDDLE = np.array([159.5, 140.0])
EDIT = Edit("turn")


@pytest.fixture(scope="module")
def head() -> Head:
    return embedded_head()


@pytest.fixture(scope="module")
def turn(head: Head) -> Turn:
    return Turn(Hands(head))  # type: ignore[arg-type]  # has all that is asked for


def prepared(*, glasses: bool = False) -> Artefact:
    return Artefact({"identity": torch.zeros(40, dtype=torch.float64)}, {"glasses": glasses})


def a_batch(head: Head, images: Tensor, count: int = 1) -> AlignedBatch:
    """Crops of the mean head, looking ahead, with nothing but a person in them."""
    points = SCALE * head.points.neutral[:68, :2] + MIDDLE
    shares = torch.zeros(count, len(LABELS), 32, 32)
    shares[:, LABELS.index("skin")] = 1
    scale = 2 / (2.9 * SCALE)
    at_x, at_y = -scale * MIDDLE[0], -scale * MIDDLE[1] - 0.05
    to_grid = torch.tensor([[scale, 0.0, at_x], [0.0, scale, at_y]])
    return AlignedBatch(
        images=images,
        crop_to_frame=np.tile(np.eye(3), (count, 1, 1)),
        landmarks=torch.from_numpy(points).float().expand(count, -1, -1),
        frame_index=np.arange(count),
        track_id=np.zeros(count, np.int64),
        weights=torch.ones(count),
        parsing=Parsing(shares, to_grid.float().expand(count, -1, -1)),
    )


def place_of(image: Tensor) -> Any:
    """The middle x, y of a bright spot (3, S, S)."""
    light = (image[0] + 1).clamp(min=0).double().numpy()
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    return np.array([(light * x).sum(), (light * y).sum()]) / light.sum()


@pytest.mark.parametrize("strength", [-1.5, -0.5, 1.0])
def test_marks_on_the_face_go_where_the_turned_head_has_them(
    head: Head, turn: Turn, strength: float
) -> None:
    goals = SCALE * turned(head.neutral.numpy(), 12.5 * strength)[head.landmarks68, :2] + MIDDLE
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    for point in (30, 39, 42, 48, 54):
        batch = a_batch(head, torch.zeros(1, 3, SIDE, SIDE))
        cx, cy = batch.landmarks[0, point].tolist()
        spot = 2 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 18) - 1
        images = torch.from_numpy(spot).float().expand(1, 3, -1, -1).contiguous()
        batch = dataclasses.replace(batch, images=images)
        edited = turn.apply(batch, EDIT, torch.tensor([strength]), prepared()).whole()
        off = place_of(edited.images[0]) - goals[point]
        moved = np.linalg.norm(goals[point] - (cx, cy))
        assert np.abs(off).max() < 0.15 * moved + 1.0, point


def test_shoulders_and_the_border_stay(head: Head, turn: Turn) -> None:
    batch = a_batch(head, natural(SIDE, 1, seed=4))
    edited = turn.apply(batch, EDIT, torch.tensor([1.5]), prepared()).whole()
    shoulders = round(MIDDLE[1] + 1.75 * SCALE)
    assert torch.equal(edited.images[:, :, shoulders:], batch.images[:, :, shoulders:])
    assert not edited.masks[:, :, shoulders:].any()
    assert edited.shifts is not None
    assert float(edited.shifts[0, 0].abs().max()) > 10


def test_strength_0_is_the_source_to_the_bit(head: Head, turn: Turn) -> None:
    batch = a_batch(head, natural(SIDE, 1, seed=5))
    edited = turn.apply(batch, EDIT, torch.zeros(1), prepared()).whole()
    assert torch.equal(edited.images, batch.images)
    assert not edited.masks.any()


def test_left_is_the_mirror_image_of_right(head: Head, turn: Turn) -> None:
    images = natural(SIDE, 1, seed=6)
    right = turn.apply(a_batch(head, images), EDIT, torch.ones(1), prepared()).whole()
    left = turn.apply(a_batch(head, images.flip(-1)), EDIT, -torch.ones(1), prepared()).whole()
    assert right.shifts is not None
    assert left.shifts is not None
    difference = right.shifts[0, 0] + left.shifts[0, 0].flip(-1)
    assert float(difference.abs().quantile(0.99)) < 0.4
    assert float(difference.abs().max()) < 2.5


def test_one_by_one_is_all_at_once(head: Head, turn: Turn) -> None:
    batch = a_batch(head, natural(SIDE, 3, seed=7), 3)
    batch.landmarks[1] += 3.0
    amounts = torch.tensor([1.0, -0.7, 0.0])
    together = turn.apply(batch, EDIT, amounts, prepared()).whole()
    for n in range(3):
        alone = turn.apply(batch.rows([n]), EDIT, amounts[n : n + 1], prepared()).whole()
        assert torch.allclose(alone.images[0], together.images[n], atol=2e-5)
        assert torch.equal(alone.masks[0] > 0.5, together.masks[n] > 0.5)


def test_what_is_worn_belongs_to_what_is_turned() -> None:
    (attribute,) = SPEC.attributes or ()
    assert {"hair", "hat", "ears", "neck"} < attribute.regions
    assert attribute.needs == {"mouth", "eyes"}
