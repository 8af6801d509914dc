"""The face's own frame: maps go to a face and back, and follow it wherever it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pipeline.imaging import face_regions
from pipeline.imaging.face_frame import (
    WINDOW_LEFT,
    WINDOW_SIDE,
    WINDOW_TOP,
    centres,
    head,
    in_crop,
    seen_in_frame,
    texels,
)
from pipeline.imaging.geometry import similarity, transform

from ..faces import drawn_face

SIDE = 320
WHOLE = slice(0, SIDE)


def a_face(angle_deg: float = 0.0, scale: float = 1.0) -> np.ndarray:
    turn = similarity(scale, angle_deg, 160.0, 130.0)
    return transform(turn, drawn_face(eyes=100.0))


def in_units(at: torch.Tensor) -> np.ndarray:
    """Places of `in_crop` [E]."""
    return (at[0].numpy() + 1) * (WINDOW_SIDE / 2) + (WINDOW_LEFT, WINDOW_TOP)


def test_the_head_is_symmetrical_and_lies_in_the_window() -> None:
    points = head()
    assert points[36, 0] == -0.5
    assert points[45, 0] == 0.5
    assert np.allclose(points[:17, 0], -points[16::-1, 0])
    assert (points > (WINDOW_LEFT, WINDOW_TOP)).all()
    assert (points < (WINDOW_LEFT + WINDOW_SIDE, WINDOW_TOP + WINDOW_SIDE)).all()


@pytest.mark.parametrize(("angle_deg", "scale"), [(0, 1.0), (25, 1.0), (-10, 0.6), (180, 0.8)])
def test_landmarks_lie_on_their_places_of_the_head(angle_deg: float, scale: float) -> None:
    landmarks = a_face(angle_deg, scale)
    at = in_units(in_crop(landmarks, WHOLE, WHOLE, 1))
    pixels = np.rint(landmarks[:60]).astype(int)
    found = at[pixels[:, 1], pixels[:, 0]]
    off = np.linalg.norm(found - head()[:60], axis=1)
    assert np.median(off) < 0.02
    assert off.max() < 0.07  # lids and lips are bent the most, and the plate is a little stiff


def test_a_turned_and_larger_face_has_the_same_places() -> None:
    one, other = a_face(), a_face(30, 0.7)
    there = in_units(in_crop(one, WHOLE, WHOLE, 1))
    moved = in_units(in_crop(other, WHOLE, WHOLE, 1))
    turn = similarity(0.7, 30, 160.0, 130.0)
    for x, y in ((-0.4, 0.3), (0.2, 0.6), (0.0, 0.95), (0.5, 0.2)):
        place = np.array([[100 * x, 100 * y]])
        (a,) = np.rint(place + np.array([160, 130])).astype(int)
        (b,) = np.rint(transform(turn, place)).astype(int)
        assert np.linalg.norm(there[a[1], a[0]] - moved[b[1], b[0]]) < 0.03


def test_every_second_pixel_of_a_part_is_that_of_the_whole() -> None:
    landmarks = a_face()
    whole = in_units(in_crop(landmarks, WHOLE, WHOLE, 1))
    part = in_units(in_crop(landmarks, slice(60, 260), slice(80, 240), 2))
    between = 0.5 * (whole[60:260:2, 80:240:2] + whole[61:260:2, 81:240:2])
    assert np.abs(part - between).max() < 0.01


def test_what_is_seen_in_the_frame_comes_back_to_its_pixels() -> None:
    landmarks = torch.from_numpy(a_face(12)).float()[None]
    y, x = torch.meshgrid(torch.arange(SIDE).float(), torch.arange(SIDE).float(), indexing="ij")
    picture = torch.stack([x / SIDE, y / SIDE, (x + y) / (2 * SIDE)])[None]
    seen = seen_in_frame(picture, landmarks, 256)
    at = in_crop(landmarks[0].numpy(), WHOLE, WHOLE, 1)
    back = F.grid_sample(seen, at, align_corners=False, padding_mode="border")
    inside = F.grid_sample(face_regions.open_skin(256)[None, None], at, align_corners=False) > 0.9
    assert (back - picture).abs()[inside.expand_as(picture)].max() < 0.015


def test_the_inner_lips_do_not_matter() -> None:
    opened = a_face()
    opened[60:] += 30.0
    assert np.array_equal(centres(opened), centres(a_face()))


def test_open_skin_leaves_out_eyes_brows_lips_and_what_is_beyond_the_face() -> None:
    skin, at = face_regions.open_skin(192).numpy(), texels(192)

    def value(x: float, y: float) -> float:
        nearest = np.abs(at - (x, y)).sum(-1).argmin()
        return float(skin.flat[nearest])

    closed = [(-0.35, 0.0), (0.35, -0.02), (0.4, -0.3), (0.0, 0.77), (0.25, 0.8), (0.07, 0.48)]
    assert [value(*place) for place in closed] == pytest.approx([0.0] * 6, abs=0.05)
    assert [value(*place) for place in [(1.1, 0.4), (0.0, 1.35)]] == [0.0, 0.0]
    bare = [(0.0, -0.6), (0.45, 0.35), (-0.45, 0.6), (0.0, 1.05), (0.3, 0.2), (0.0, 0.3)]
    assert [value(*place) for place in bare] == pytest.approx([1.0] * 6, abs=0.05)


def test_places_are_the_same_on_both_sides() -> None:
    for name in ("nasolabial", "crows-feet", "bags", "forehead"):
        area = face_regions.place(name, 128)
        assert torch.allclose(area, area.flip(1), atol=1e-6)
        assert area.max() > 0.95
