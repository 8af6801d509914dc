"""What hides a face: things of another colour are told, skin in any light is not taken for one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pipeline.imaging.masks import face_mask
from pipeline.imaging.occlusion import hidden_by_colour
from tests.pipeline.faces import drawn_face

SIDE, EYES = 256, 80.0
FACE = drawn_face((128, 100), EYES)


def painted(skin: tuple[int, int, int] = (205, 160, 140), light: float = 0.0) -> np.ndarray:
    """(S, S, 3) uint8 drawn face; `light` 0–1 darkens its left side."""
    rng = np.random.default_rng(0)
    picture = np.full((SIDE, SIDE, 3), (90, 110, 130), np.float32)
    outline = np.rint(np.r_[FACE[:17], [[190, 40], [128, 10], [66, 40]]]).astype(np.int32)
    cv2.fillPoly(picture, [outline], skin)
    for part, colour in (
        (FACE[36:42], (40, 30, 30)),
        (FACE[42:48], (40, 30, 30)),
        (FACE[48:60], (170, 70, 70)),
    ):
        cv2.fillPoly(picture, [np.rint(part).astype(np.int32)], colour)
    for brow in (FACE[17:22], FACE[22:27]):
        cv2.polylines(picture, [np.rint(brow).astype(np.int32)], False, (50, 35, 30), 5)
    picture *= 1 - light * np.clip((150 - np.arange(SIDE)) / 60, 0, 1)[None, :, None]
    return (picture + rng.normal(0, 3, picture.shape)).clip(0, 255).astype(np.uint8)


def visible(picture: np.ndarray, points: np.ndarray = FACE) -> np.ndarray:
    image = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 127.5 - 1
    hidden = hidden_by_colour(image, torch.from_numpy(points[None].astype(np.float32)))
    return np.ones(picture.shape[:2]) if hidden is None else 1 - hidden[0, 0].numpy()


@pytest.mark.parametrize(
    "skin", [(235, 200, 180), (205, 160, 140), (150, 105, 80), (85, 58, 46)], ids=str
)
@pytest.mark.parametrize("light", [0.0, 0.8])
def test_skin_of_any_tone_is_visible_also_in_light_from_the_side(
    skin: tuple[int, int, int], light: float
) -> None:
    assert visible(painted(skin, light)).min() == 1.0


def test_glasses_stubble_and_painted_lips_are_face() -> None:
    picture = painted()
    for eye in (FACE[36:42], FACE[42:48]):
        cv2.circle(picture, tuple(int(v) for v in eye.mean(0)), 17, (20, 20, 20), 3)
    beard = np.rint(np.r_[FACE[4:13], FACE[54:55], FACE[48:49]]).astype(np.int32)
    over = cv2.fillPoly(picture.copy(), [beard], (60, 48, 44))
    picture = cv2.addWeighted(picture, 0.4, over, 0.6, 0)
    cv2.fillPoly(picture, [np.rint(FACE[48:60]).astype(np.int32)], (200, 20, 50))
    assert visible(picture).min() == 1.0


@pytest.mark.parametrize(
    ("corner", "opposite", "colour"),
    [
        ((70, 140), (135, 256), (40, 80, 170)),  # a blue cup before mouth and chin
        ((60, 10), (196, 62), (25, 20, 20)),  # dark hair over the forehead
        ((110, 140), (152, 256), (25, 25, 28)),  # a black microphone before the mouth
        ((152, 126), (190, 165), (60, 150, 70)),  # something green on a cheek
    ],
)
def test_a_thing_before_the_face_is_hidden_and_the_rest_is_not(
    corner: tuple[int, int], opposite: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    picture = cv2.rectangle(painted(), corner, opposite, colour, -1)
    thing = cv2.rectangle(np.zeros((SIDE, SIDE), np.uint8), corner, opposite, 1, -1) > 0
    face = (
        face_mask(torch.from_numpy(FACE[None].astype(np.float32)), SIDE, feather=0.05)[0, 0].numpy()
        > 0.99
    )
    seen = visible(picture)
    inner = cv2.erode((thing & face).astype(np.uint8), np.ones((7, 7))) > 0
    beyond = cv2.dilate(thing.astype(np.uint8), np.ones((25, 25))) == 0
    assert seen[inner].mean() < 0.15
    assert seen[face & beyond].mean() > 0.99


def test_the_mask_is_smooth() -> None:
    picture = cv2.rectangle(painted(), (70, 140), (135, 256), (40, 80, 170), -1)
    seen = visible(picture)
    assert np.abs(np.diff(seen, axis=0)).max() < 0.25
    assert np.abs(np.diff(seen, axis=1)).max() < 0.25


def test_a_thing_over_most_of_the_face_is_not_guessed_at() -> None:
    picture = cv2.rectangle(painted(), (60, 0), (165, 256), (200, 205, 200), -1)
    assert visible(picture).min() == 1.0


def test_real_faces_without_anything_before_them_are_visible(shared: Path) -> None:
    from models.topology68 import MESH_TO_68

    for name in ("d0", "d13", "s18"):
        mesh = np.load(shared / f"data/clips/{name}_landmarks478.npz")["points"][0]
        points = mesh[np.array(MESH_TO_68), :2]
        ok, frame = cv2.VideoCapture(str(shared / f"data/clips/{name}.mp4")).read()
        assert ok
        side = min(frame.shape[:2])
        x, y = np.clip(points.mean(0) - side / 2, 0, np.array(frame.shape[1::-1]) - side).astype(
            int
        )
        crop = np.ascontiguousarray(frame[y : y + side, x : x + side, ::-1])
        assert visible(crop, points - (x, y)).min() == 1.0, name


def test_hair_over_the_forehead_of_a_real_face_is_told(shared: Path) -> None:
    from models.topology68 import MESH_TO_68

    mesh = np.load(shared / "data/clips/d9_landmarks478.npz")["points"][0]
    points = mesh[np.array(MESH_TO_68), :2]
    ok, frame = cv2.VideoCapture(str(shared / "data/clips/d9.mp4")).read()
    assert ok
    crop = np.ascontiguousarray(frame[:480, 16:496, ::-1])
    seen = visible(crop, points - (16, 0))
    brows = points[17:27].mean(0) - (16, 0)
    up = points[33] - points[27]
    x, y = np.rint(brows - 0.9 * up).astype(int)
    assert seen[y, x] < 0.5
    assert seen[int(brows[1]) + 40 :].min() > 0.95
