"""Fades are measured on the face, taken back, and put on again around an edit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from pipeline.imaging.fading import Fade, shares, tones, usual_tone
from pipeline.types import AlignedBatch, EditedBatch
from tests.pipeline.faces import drawn_face, natural

SIDE = 96


def batch_of(images: torch.Tensor) -> AlignedBatch:
    n = len(images)
    points = np.tile(drawn_face((47.5, 40.0), eyes=40.0), (n, 1, 1)).astype(np.float32)
    return AlignedBatch(
        images=images,
        crop_to_frame=np.tile(np.eye(3), (n, 1, 1)),
        landmarks=torch.from_numpy(points),
        frame_index=np.arange(n),
        track_id=np.zeros(n, np.int64),
        weights=torch.ones(n),
    )


def faded(images: torch.Tensor, a: float, towards: float) -> torch.Tensor:
    """The pictures on their way to black (-1) or white (1)."""
    return images * a + towards * (1 - a)


PICTURE = natural(SIDE, seed=3) * 0.8
USUAL = tones(PICTURE, batch_of(PICTURE).landmarks)


@pytest.mark.parametrize("towards", [-1.0, 1.0], ids=["black", "white"])
@pytest.mark.parametrize("a", [0.7, 0.4, 0.1, 0.02])
def test_a_fade_is_measured(a: float, towards: float) -> None:
    found = tones(faded(PICTURE, a, towards), batch_of(PICTURE).landmarks)
    left, added = shares(found, USUAL)
    assert left[0] == pytest.approx(a / 0.8, rel=0.02)
    assert added[0] == pytest.approx((1 - left[0]) * (towards > 0), abs=1e-6)


def test_blank_frames_have_nothing_left() -> None:
    for level, b in ((-1.0, 0.0), (1.0, 1.0)):
        blank = torch.full_like(PICTURE, level)
        left, added = shares(tones(blank, batch_of(PICTURE).landmarks), USUAL)
        assert (left[0], added[0]) == (0, b)


def test_what_covers_a_face_is_no_fade() -> None:
    points = batch_of(PICTURE).landmarks
    for level in (-1.0, 1.0, 0.1):
        covered = PICTURE.clone()
        covered[:, :, 44:, :] = level
        left, _ = shares(tones(covered, points), USUAL)
        assert left[0] > 0.75


def test_an_unknown_tone_means_no_fade() -> None:
    assert Fade.of(batch_of(PICTURE * 0 - 1), np.zeros((1, 2), np.float32)) is None
    assert Fade.of(batch_of(PICTURE), USUAL) is None


@pytest.mark.parametrize("towards", [-1.0, 1.0], ids=["black", "white"])
@pytest.mark.parametrize("a", [0.6, 0.3, 0.05])
def test_the_edit_of_a_faded_face_is_the_faded_edit(a: float, towards: float) -> None:
    dark = batch_of(faded(PICTURE, a, towards))
    fade = Fade.of(dark, USUAL)
    assert fade is not None
    clear = fade.taken_back(dark)
    change = 0.1 * torch.sin(torch.arange(SIDE) / 5.0)
    edited = EditedBatch(clear, (clear.images + change).clamp(-1, 1), torch.ones(1, 1, SIDE, SIDE))
    put_on = fade.put_on(edited, dark)
    assert put_on.source is dark
    assert float((put_on.images - dark.images).abs().max()) <= 0.1 * a / 0.8 + 1e-6
    assert float((put_on.images - dark.images).abs().mean()) > 0.03 * a


def test_only_the_faded_crops_of_a_batch_are_touched() -> None:
    both = batch_of(torch.cat([PICTURE, faded(PICTURE, 0.3, -1.0)]))
    fade = Fade.of(both, np.repeat(USUAL, 2, axis=0))
    assert fade is not None
    clear = fade.taken_back(both)
    assert torch.equal(clear.images[0], both.images[0])
    assert not torch.equal(clear.images[1], both.images[1])
    whole = EditedBatch(clear, clear.images * 0.9, torch.ones(2, 1, SIDE, SIDE))
    part = dataclasses.replace(
        whole, images=whole.images[..., 8:40], masks=whole.masks[..., 8:40], corner=(8, 0)
    )
    all_of_it, some = fade.put_on(whole, both), fade.put_on(part, both)
    assert torch.equal(all_of_it.images[0], both.images[0] * 0.9)
    assert torch.equal(some.images, all_of_it.images[..., 8:40])


def test_the_usual_tone_is_that_of_the_bright_frames_however_few() -> None:
    dark = np.outer(np.linspace(0, 0.9, 30), [0.5, 0.2]).astype(np.float32)
    bright = np.tile(np.array([0.5, 0.2], np.float32), (8, 1))
    assert usual_tone(np.concatenate([dark, bright])) == pytest.approx([0.5, 0.2], rel=0.1)
