"""Glasses: where they sit, what hides them, what they leave as it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pytest
import torch

from models.head.basis import Head
from pipeline.causes import WEARS_GLASSES
from pipeline.editors import Shot
from pipeline.editors._worn import Wearer
from pipeline.editors.glasses import Glasses
from pipeline.parsing import LABELS, Parsing
from pipeline.request import Edit
from pipeline.types import AlignedBatch, FaceState, FaceTrack

from .heads import Hands, embedded_head

SIDE, SCALE = 400, 90.0
MIDDLE = np.array([199.3, 190.0])
SKIN = (0.45, 0.05, -0.15)


@pytest.fixture(scope="module")
def head() -> Head:
    return embedded_head()


class Work:
    """Looks at the crops of one batch."""

    def __init__(self, batch: AlignedBatch) -> None:
        self.batch = batch

    def looked(self, look: Any, frames: Any) -> Iterator[Any]:
        yield from look(self.batch.rows(sorted(frames[0])))


def turned(head: Head, yaw_deg: float, shift: tuple[float, float] = (0, 0)) -> np.ndarray:
    """The 68 points of the mean head after a turn."""
    yaw = np.radians(yaw_deg)
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    points = head.neutral[head.landmarks68].double().numpy() @ turn.T
    return np.asarray(SCALE * points[:, :2] + MIDDLE + shift)


def crops(points: list[np.ndarray], *, hair: bool = False, glasses: float = 0.0) -> AlignedBatch:
    """Crops of nothing but skin, a little uneven."""
    count = len(points)
    torch.manual_seed(0)
    images = torch.tensor(SKIN)[None, :, None, None] + 0.01 * torch.randn(count, 3, SIDE, SIDE)
    shares = torch.zeros(count, len(LABELS), 32, 32)
    shares[:, LABELS.index("hair" if hair else "skin")] = 1 - glasses
    shares[:, LABELS.index("glasses")] = glasses
    to_grid = torch.tensor([[2 / SIDE, 0.0, -1.0], [0.0, 2 / SIDE, -1.0]])
    return AlignedBatch(
        images=images,
        crop_to_frame=np.tile(np.eye(3), (count, 1, 1)),
        landmarks=torch.from_numpy(np.stack(points)).float(),
        frame_index=np.arange(count),
        track_id=np.zeros(count, np.int64),
        weights=torch.ones(count),
        parsing=Parsing(shares, to_grid.expand(count, -1, -1)),
    )


def opened(head: Head, batch: AlignedBatch) -> tuple[Glasses, Shot, Wearer]:
    editor = Glasses(cast("Any", Hands(head)))
    n = len(batch)
    ones, found = np.ones(n, np.float32), np.full(n, FaceState.DETECTED, np.uint8)
    track = FaceTrack(0, 0, 0, batch.landmarks.numpy(), found, ones, ones)
    shot = Shot(track, np.arange(n) / 25.0, "clip")
    kept = editor.prepare_all([shot], Edit("glasses"), cast("Any", Work(batch)))[0]
    return editor, shot, editor.opened(shot, kept)


def light_lost(before: torch.Tensor, after: torch.Tensor) -> np.ndarray:
    """How much darker each pixel (S, S) became."""
    return (before - after).mean(0).numpy()


@pytest.fixture(scope="module")
def ahead(head: Head) -> tuple[AlignedBatch, Glasses, Shot, Wearer]:
    """Four frames of a head that moves to the side by 2.6 px a frame."""
    batch = crops([turned(head, 0, (2.6 * k, 0)) for k in range(4)])
    return batch, *opened(head, batch)


ROUND, SQUARE = Edit("glasses"), Edit("glasses", options=(("shape", "square"),))
SUN = Edit("sunglasses")


@pytest.mark.parametrize("edit", [ROUND, SQUARE, SUN], ids=["round", "square", "sun"])
def test_rims_lie_round_the_eyes_and_what_is_beyond_stays(ahead: Any, edit: Edit) -> None:
    batch, editor, _, wearer = ahead
    edited = editor.apply(batch, edit, torch.ones(4), wearer).whole()
    marks = batch.landmarks[0].numpy()
    lost = light_lost(batch.images[0], edited.images[0])
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    for eye in (marks[36:42].mean(0), marks[42:48].mean(0)):
        angle = np.arctan2(y - eye[1], x - eye[0])
        away = np.hypot(x - eye[0], y - eye[1]) / SCALE
        for k in range(12):
            sector = (np.abs(angle - (k - 5.5) * np.pi / 6) < 0.2) & (away > 0.13) & (away < 0.42)
            assert lost[sector].max() > 0.25, "a rim is missing"
    below = marks[48:60].min(0)[1]
    assert edited.masks[0, 0, int(below) :].max() == 0
    outside = (edited.masks[0] == 0).expand(3, -1, -1)
    assert torch.equal(edited.images[0][outside], batch.images[0][outside])


def test_lenses_are_clear_and_those_of_sunglasses_dark(ahead: Any) -> None:
    batch, editor, _, wearer = ahead
    pupil = batch.landmarks[0, 36:42].mean(0).round().long()
    lost = {}
    for edit in (ROUND, SUN):
        edited = editor.apply(batch, edit, torch.ones(4), wearer).whole()
        patch = light_lost(batch.images[0], edited.images[0])
        lost[edit.attribute] = patch[
            pupil[1] - 4 : pupil[1] + 5, pupil[0] - 4 : pupil[0] + 5
        ].mean()
    assert -0.05 < lost["glasses"] < 0.12
    assert lost["sunglasses"] > 0.5


def test_strength_fades_and_nothing_is_done_at_0_or_below(ahead: Any) -> None:
    batch, editor, _, wearer = ahead
    edited = editor.apply(batch, SQUARE, torch.tensor([0.0, -1.0, 0.5, 1.0]), wearer).whole()
    for n in (0, 1):
        assert torch.equal(edited.images[n], batch.images[n])
        assert edited.masks[n].max() == 0
    half = light_lost(batch.images[2], edited.images[2])
    whole = light_lost(batch.images[3], edited.images[3])
    assert 0.2 * whole.sum() < half.sum() < 0.7 * whole.sum()
    more = editor.apply(batch, SQUARE, torch.full((4,), 3.0), wearer).whole()
    assert torch.equal(more.images[3], edited.images[3])


def test_they_move_with_the_head_by_parts_of_a_pixel(ahead: Any) -> None:
    batch, editor, _, wearer = ahead
    edited = editor.apply(batch, SQUARE, torch.ones(4), wearer).whole()
    x = np.arange(SIDE)
    middles = []
    for n in range(4):
        lost = np.clip(light_lost(batch.images[n], edited.images[n]) - 0.1, 0, None).sum(0)
        middles.append((lost * x).sum() / lost.sum())
    np.testing.assert_allclose(np.diff(middles), 2.6, atol=0.2)


def test_a_crop_is_drawn_alike_whatever_comes_with_it(ahead: Any) -> None:
    batch, editor, _, wearer = ahead
    together = editor.apply(batch, SUN, torch.ones(4), wearer).whole()
    alone = editor.apply(batch.rows([2]), SUN, torch.ones(1), wearer).whole()
    assert torch.equal(together.images[2], alone.images[0])
    assert torch.equal(together.masks[2], alone.masks[0])


def test_the_far_temple_is_behind_the_head_and_the_near_one_before_it(head: Head) -> None:
    batch = crops([turned(head, 30)] * 2)
    editor, _, wearer = opened(head, batch)
    edited = editor.apply(batch, SQUARE, torch.ones(2), wearer).whole()
    lost = light_lost(batch.images[0], edited.images[0]) > 0.3
    marks = batch.landmarks[0].numpy()
    right, left = marks[36], marks[45]
    # The nose points to the picture's right, so the left of the picture shows the near side.
    near = lost[:, : int(right[0] - 0.35 * SCALE)].any(0).sum()
    far = lost[:, int(left[0] + 0.45 * SCALE) :].any(0).sum()
    assert near > 0.4 * SCALE
    assert far < 0.25 * SCALE


def test_hair_falls_over_the_temples_and_not_over_the_front(head: Head) -> None:
    points = [turned(head, 30)] * 2
    bare, hairy = crops(points), crops(points, hair=True)
    editor, _, wearer = opened(head, bare)
    seen, hidden = (
        light_lost(b.images[0], editor.apply(b, SQUARE, torch.ones(2), wearer).whole().images[0])
        for b in (bare, hairy)
    )
    edge = int(points[0][36, 0] - 0.45 * SCALE)
    assert (hidden[:, :edge] > 0.3).sum() < 0.2 * (seen[:, :edge] > 0.3).sum()
    front = slice(edge + int(0.3 * SCALE), None)
    np.testing.assert_allclose(hidden[:, front].sum(), seen[:, front].sum(), rtol=0.08)


def test_who_wears_glasses_gets_no_others(head: Head) -> None:
    batch = crops([turned(head, 0)] * 2, glasses=0.1)
    editor, shot, wearer = opened(head, batch)
    edited = editor.apply(batch, ROUND, torch.ones(2), wearer).whole()
    assert torch.equal(edited.images, batch.images)
    assert edited.masks.max() == 0
    assert editor.limits(shot, ROUND, wearer)[WEARS_GLASSES].max() == 0


def test_the_light_of_the_face_falls_on_the_rims(head: Head) -> None:
    points = [turned(head, 0)] * 2
    dim, bright = crops(points), crops(points)
    dim.images.sub_(0.75)
    shown = []
    for batch in (dim, bright):
        editor, _, wearer = opened(head, batch)
        edited = editor.apply(batch, SQUARE, torch.ones(2), wearer).whole()
        lost = light_lost(batch.images[0], edited.images[0])
        rim = lost > np.quantile(lost, 0.995)
        shown.append(float(edited.images[0].mean(0).numpy()[rim].mean()))
    assert shown[1] > shown[0] + 0.02
