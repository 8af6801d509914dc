"""Descriptors of faces: steady for one face, different for others."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.imaging.color import frame_to_rgb
from pipeline.imaging.geometry import similarity, transform
from pipeline.tracking.appearance import describe, describe_in, distance
from pipeline.tracking.linking import SAME_LOOK
from pipeline.types import Frame, PixelEncoding
from tests.pipeline.faces import drawn_face


def omi(shared: Path, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    from models.topology68 import MESH_TO_68

    data = np.load(shared / "data/omi/images_landmarks478.npz")
    out = []
    for name, mesh in list(zip(data["names"], data["points"], strict=True))[:count]:
        path = shared / "data/omi/images" / (f"{name}".removesuffix(".jpg") + ".jpg")
        picture = cv2.imread(str(path))
        assert picture is not None, path
        out.append((picture[..., ::-1], mesh[np.array(MESH_TO_68), :2] * 512 - 0.5))
    return out


def test_a_face_is_like_itself_moved_shrunk_and_darkened(shared: Path) -> None:
    for image, points in omi(shared, 6):
        move = similarity(0.5, 9, 60, 20)
        moved = cv2.warpAffine(
            np.ascontiguousarray(image), move[:2], (400, 400), flags=cv2.INTER_AREA
        )
        dark = (moved * 0.7).astype(np.uint8)
        assert distance(describe(image, points), describe(dark, transform(move, points))) < 0.45


def test_other_people_are_further_away_than_one_person_a_moment_later(shared: Path) -> None:
    looks = [describe(image, points) for image, points in omi(shared, 30)]
    apart = [distance(a, b) for i, a in enumerate(looks) for b in looks[:i]]
    assert np.quantile(apart, 0.05) > SAME_LOOK


def test_bytes_and_floats_are_the_same_to_it(shared: Path) -> None:
    image, points = omi(shared, 1)[0]
    a, b = describe(image, points), describe(image.astype(np.float32) / np.float32(255), points)
    np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_face_at_the_edge_of_the_frame_has_a_descriptor(shared: Path) -> None:
    image, points = omi(shared, 1)[0]
    cropped = np.ascontiguousarray(image[250:])
    assert np.isfinite(describe(cropped, points - (0, 250))).all()


@pytest.mark.parametrize("centre", [(150, 120), (20, 15), (290, 230)], ids=str)
def test_a_face_of_a_frame_is_described_as_in_the_whole_picture(centre: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    noise = [rng.integers(60, 190, shape, dtype=np.uint8) for shape in ((240, 300), (120, 150))]
    planes = (noise[0], noise[1], noise[1].copy())
    frame = Frame(0, 0, 1, planes, PixelEncoding("yuv420p", 8, "bt709", full_range=False))
    points = drawn_face(centre, eyes=60)
    whole = describe(frame_to_rgb(frame), points, pixel_aspect=1.2)
    np.testing.assert_allclose(describe_in(frame, points, pixel_aspect=1.2), whole, atol=1e-5)
