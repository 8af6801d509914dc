"""Print over the lower face is told from skin, teeth and beards, and taken out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.imaging.filling import filled
from pipeline.imaging.overlays import printed
from tests.pipeline.faces import drawn_face

SIDE = 384
POINTS = drawn_face((192.0, 100.0), eyes=150.0)
FACE = torch.from_numpy(POINTS[None].astype(np.float32))


def skin() -> np.ndarray:
    """(S, S, 3) uint8: a face of shaded skin with teeth in a dark mouth and a highlight."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    shade = 1 - 0.3 * np.abs(x - 192) / 192 + 0.2 * np.exp(-((x - 240) ** 2 + (y - 190) ** 2) / 200)
    picture = np.clip(np.array([205, 160, 140]) * shade[..., None], 0, 255).astype(np.uint8)
    lips = np.rint(POINTS[48:60]).astype(np.int32)
    cv2.fillPoly(picture, [lips], (150, 60, 60))
    cv2.fillPoly(picture, [np.rint(POINTS[60:68]).astype(np.int32)], (30, 10, 12))
    cv2.line(picture, (180, 214), (204, 214), (250, 250, 245), 2)
    return picture


def crops(picture: np.ndarray) -> Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 127.5 - 1


def written(colour: tuple[int, int, int], outline: tuple[int, int, int] | None) -> np.ndarray:
    """The face with a word over its chin."""
    letters = np.zeros((SIDE, SIDE), np.uint8)
    cv2.putText(letters, "SAID THAT", (122, 262), cv2.FONT_HERSHEY_DUPLEX, 0.9, 255, 2)
    around = cv2.dilate(letters, np.ones((7, 7), np.uint8))
    picture = skin()
    for tone, mask in ((outline, around), (colour, letters)):
        if tone is not None:
            picture[mask > 127] = tone
    return picture


def test_a_face_with_teeth_and_highlights_has_no_print() -> None:
    assert printed(crops(skin()), FACE) is None


@pytest.mark.parametrize(
    ("colour", "outline"),
    [
        ((255, 255, 255), (0, 0, 0)),
        ((255, 240, 40), (0, 0, 0)),
        ((250, 250, 250), None),
        ((255, 230, 0), None),
    ],
    ids=["outlined", "yellow", "white", "yellow-alone"],
)
def test_print_is_found_and_its_place_filled(
    colour: tuple[int, int, int], outline: tuple[int, int, int] | None
) -> None:
    picture = written(colour, outline)
    letters = printed(crops(picture), FACE)
    assert letters is not None
    changed = np.abs(picture.astype(int) - skin()).max(2) > 40
    assert float(letters[0, 0].numpy()[changed].mean()) > 0.85
    assert float(letters.mean()) < 0.2
    bare = filled(crops(picture), letters)
    assert torch.equal(bare[:, :, :200], crops(picture)[:, :, :200])
    off = (bare - crops(skin())).abs()[0].numpy()[:, changed]
    assert off.mean() < 0.25, "where letters were is about the skin beside them"


def test_a_face_in_yellow_light_has_no_print() -> None:
    lit = np.clip(skin() * np.array([1.25, 1.35, 0.45]), 0, 255).astype(np.uint8)
    assert printed(crops(lit), FACE) is None


def test_print_over_a_forehead_is_not_judged() -> None:
    picture = skin()
    cv2.putText(picture, "NEWS", (70, 40), cv2.FONT_HERSHEY_DUPLEX, 0.9, (0, 0, 0), 5)
    cv2.putText(picture, "NEWS", (70, 40), cv2.FONT_HERSHEY_DUPLEX, 0.9, (255, 255, 255), 2)
    assert printed(crops(picture), FACE) is None
