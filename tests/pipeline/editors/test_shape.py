"""What `jaw`, `nose`, `eyes-size` and `lips` move, and what they leave where it is."""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.editors.shape import SPEC, Shape, pull_of
from pipeline.imaging.sampling import pixels, sample
from pipeline.imaging.warping import between_nodes
from pipeline.parsing import LABELS, Label, Parsing
from pipeline.request import Edit
from pipeline.types import AlignedBatch

from ..faces import drawn_face, natural

SIDE, EYES = 337, 100.0  # nodes lie on every 8th pixel: at mirrored places, too
MIDDLE = (SIDE - 1) / 2
NAMES = [attribute.name for attribute in SPEC.attributes or ()]
ENDS = [(a.name, end) for a in SPEC.attributes or () for end in (a.low, a.high)]
MIRROR = [
    *range(16, -1, -1),
    *range(26, 16, -1),
    *range(27, 31),
    *range(35, 30, -1),
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65),
]
"""The points of a mirrored face."""


def a_batch(points: Tensor, images: Tensor | None = None, parsing: Parsing | None = None) -> Any:
    count = len(points)
    return AlignedBatch(
        images=natural(SIDE, count, seed=2) if images is None else images,
        crop_to_frame=np.tile(np.eye(3), (count, 1, 1)),
        landmarks=points,
        frame_index=np.arange(count),
        track_id=np.zeros(count, np.int64),
        weights=torch.ones(count),
        parsing=parsing,
    )


def a_face(turned: float = 0.0) -> Tensor:
    """(1, 68, 2) a face in the middle of the crop; a turn draws the farther half together."""
    points = drawn_face((0.0, 0.0), EYES)
    shrunk = np.where(points[:, :1] > 0, 1 - turned, 1 + 0.3 * turned)
    points = points * np.concatenate([shrunk, np.ones_like(shrunk)], 1)
    return torch.from_numpy(points + np.array([MIDDLE, 0.37 * SIDE])).float()[None]


def fine_pull(batch: AlignedBatch, name: str, strength: float) -> Tensor:
    """(2, S, S) the pull of every pixel."""
    field = pull_of(batch, [Edit(name)], torch.full((1, 1), strength), 8)
    whole = slice(0, SIDE)
    return between_nodes(field, 8, whole, whole)[0]


def jacobian_of(pull: Tensor) -> Tensor:
    """(S, S) how much larger a pixel's source is; not above 0 where the picture folds over."""
    dx, dy = torch.gradient(pull, dim=2)[0], torch.gradient(pull, dim=1)[0]
    return (1 + dx[0]) * (1 + dy[1]) - dx[1] * dy[0]


def done(batch: AlignedBatch, *edits: tuple[str, float]) -> Any:
    with torch.inference_mode():
        amounts = torch.tensor([[strength] * len(batch) for _, strength in edits])
        editor = Shape(cast("Any", None))
        return editor.apply_row(batch, [Edit(name) for name, _ in edits], amounts, None).whole()


@pytest.mark.parametrize(("name", "strength"), ENDS)
@pytest.mark.parametrize("turned", [0.0, 0.45])
def test_no_part_of_the_picture_folds_over(name: str, strength: float, turned: float) -> None:
    pull = fine_pull(a_batch(a_face(turned)), name, strength)
    jacobian = jacobian_of(pull)
    assert jacobian.min() > 0.25
    assert jacobian.max() < 2.5


@pytest.mark.parametrize(("name", "strength"), ENDS)
def test_a_mirrored_face_moves_mirrored(name: str, strength: float) -> None:
    points = a_face(0.3)
    mirrored = points[:, MIRROR] * torch.tensor([-1.0, 1.0]) + torch.tensor([2 * MIDDLE, 0.0])
    pull = fine_pull(a_batch(points), name, strength)
    other = fine_pull(a_batch(mirrored), name, strength).flip(2)
    assert torch.allclose(other[0], -pull[0], atol=0.01)
    assert torch.allclose(other[1], pull[1], atol=0.01)


@pytest.mark.parametrize(
    ("name", "points", "axis"),
    [("jaw", (4, 12), 0), ("nose", (31, 35), 0), ("eyes-size", (37, 41), 1), ("lips", (51, 57), 1)],
)
def test_strength_above_0_takes_points_of_the_part_apart(
    name: str, points: tuple[int, int], axis: int
) -> None:
    face = a_face()
    at = face[0, list(points)].round().long()
    for strength in (1.0, -1.0):
        pull = fine_pull(a_batch(face), name, strength)
        # What comes from nearer the middle has moved outwards.
        apart = -(pull[axis, at[1, 1], at[1, 0]] - pull[axis, at[0, 1], at[0, 0]])
        assert apart * strength > 0.007 * EYES


@pytest.mark.parametrize("name", NAMES)
def test_only_the_part_and_what_is_next_to_it_moves(name: str) -> None:
    edited = done(a_batch(a_face()), (name, 2.0))
    face = a_face()[0]
    part = {"jaw": slice(0, 17), "nose": slice(27, 36), "eyes-size": slice(36, 48)}
    near = face[part.get(name, slice(48, 68))]
    rows, columns = torch.nonzero(edited.masks[0, 0]).T
    moved = torch.stack([columns, rows], -1).float()
    assert len(moved)
    assert torch.cdist(moved, near).amin(1).max() < 0.7 * EYES
    still = edited.masks[0].expand(3, -1, -1) == 0
    assert torch.equal(edited.images[0][still], edited.source.images[0][still])


def test_an_edit_says_where_its_pixels_came_from() -> None:
    batch = a_batch(a_face())
    edited = done(batch, ("jaw", -2.0))
    assert torch.allclose(edited.shifts[0], fine_pull(batch, "jaw", -2.0), atol=0.1)
    places = pixels(SIDE, batch.images) + edited.shifts.permute(0, 2, 3, 1)
    again = sample(batch.images, places).clamp(-1, 1)
    whole = edited.masks.expand(-1, 3, -1, -1) == 1
    assert torch.allclose(edited.images[whole], again[whole], atol=1e-3)


def test_an_iris_stays_round() -> None:
    face = a_face()
    centre = face[0, 36:42].mean(0).tolist()
    picture = np.zeros((SIDE, SIDE), np.float32)
    fixed = [round(16 * c) for c in centre]
    cv2.circle(picture, (fixed[0], fixed[1]), round(16 * 7.0), 1.0, -1, cv2.LINE_AA, 4)
    images = torch.from_numpy(picture).expand(1, 3, -1, -1).contiguous()
    for strength in (-2.0, 2.0):
        disc = done(a_batch(face, images), ("eyes-size", strength)).images[0, 0].clamp(0, 1)
        y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
        mean = [(disc * v).sum() / disc.sum() for v in (x, y)]
        wide = (disc * (x - mean[0]) ** 2).sum().sqrt()
        high = (disc * (y - mean[1]) ** 2).sum().sqrt()
        assert abs(wide / high - 1) < 0.02
        assert disc.sum() / images[0, 0].sum() == pytest.approx(
            (1 + 0.08 * strength) ** 2, rel=0.03
        )


def test_the_inside_of_the_mouth_keeps_its_place_under_fuller_lips() -> None:
    face = a_face()
    pull = fine_pull(a_batch(face), "lips", 2.0)
    inner = face[0, 61:64].round().long()
    assert pull[:, inner[:, 1], inner[:, 0]].abs().max() < 0.5


@pytest.mark.parametrize("thing", ["front", "clothes"])
def test_what_is_not_of_the_face_holds_its_place_and_nothing_folds_beside_it(thing: Label) -> None:
    shares = torch.zeros(1, len(LABELS), 96, 96)
    shares[:, LABELS.index("skin")] = 1.0
    hand = (slice(None), slice(60, 84), slice(14, 34))  # over the jaw
    shares[:, LABELS.index("skin")][hand] = 0.0
    shares[:, LABELS.index(thing)][hand] = 1.0
    over = torch.tensor([[[2 / SIDE, 0.0, 1 / SIDE - 1], [0.0, 2 / SIDE, 1 / SIDE - 1]]])
    pull = fine_pull(a_batch(a_face(), parsing=Parsing(shares, over)), "jaw", 2.0)
    free = fine_pull(a_batch(a_face()), "jaw", 2.0)
    rows, columns = slice(round(60 / 96 * SIDE), round(84 / 96 * SIDE)), slice(50, 118)
    assert free[:, rows, columns].abs().max() > 5
    assert pull[:, rows, columns].abs().max() < 0.7
    assert jacobian_of(pull).min() > 0.15
    assert torch.allclose(pull[..., 200:], free[..., 200:], atol=1e-5)


def test_edits_in_a_row_are_one_move_of_the_sum() -> None:
    batch = a_batch(a_face())
    both = done(batch, ("jaw", -1.0), ("lips", 1.0))
    pull = fine_pull(batch, "jaw", -1.0) + fine_pull(batch, "lips", 1.0)
    together = pull_of(batch, [Edit("jaw"), Edit("lips")], torch.tensor([[-1.0], [1.0]]), 8)
    whole = slice(0, SIDE)
    assert torch.allclose(between_nodes(together, 8, whole, whole)[0], pull, atol=1e-5)
    assert (both.images != batch.images).any()


def test_a_crop_is_edited_alike_beside_any_others() -> None:
    points = torch.cat([a_face(), a_face(0.4)])
    batch = a_batch(points)
    whole = done(batch, ("jaw", 1.5), ("eyes-size", -1.0))
    for n in range(2):
        one = done(batch.rows([n]), ("jaw", 1.5), ("eyes-size", -1.0))
        assert torch.equal(one.images[0], whole.images[n])
        assert torch.equal(one.masks[0], whole.masks[n])
