"""What is counted of a target beside its clip, on frames whose figures are known."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.imaging.likeness import Cells, changed_cells
from pipeline.review.figures import Figures
from pipeline.types import FaceState, FaceTrack, Frame, PixelEncoding
from tests.pipeline.faces import drawn_face

SIDE = 160
GREY = PixelEncoding("gray", 8, "gray", True)


def frame(index: int, added: float = 0.0, noise: int = 0) -> Frame:
    """Return a frame; in the middle, where the face is, a level is added."""
    plane = np.full((SIDE, SIDE), 100, np.uint8)
    plane[48:112, 48:112] += np.uint8(added)
    plane[0, 0] += np.uint8(noise)
    return Frame(index, index, 1, (plane,), GREY)


def face(frames: int) -> FaceTrack:
    points = drawn_face((SIDE / 2, SIDE / 2), eyes=18.0)
    ones = np.ones(frames, np.float32)
    states = np.full(frames, FaceState.DETECTED, np.uint8)
    landmarks = np.repeat(points[None].astype(np.float32), frames, 0)
    return FaceTrack(0, 0, 0, landmarks, states, ones, ones)


def seen(levels: list[float], noise: int = 0) -> Figures:
    figures, track = Figures(), face(len(levels))
    for index, level in enumerate(levels):
        before, edited, coded = frame(index), frame(index, level), frame(index, level, noise)
        cells: Cells = changed_cells(before.planes, edited.planes)
        figures.add(before, coded, cells, [track])
    return figures


def test_an_edit_that_stays_put_has_no_jitter_and_nothing_outside_differs() -> None:
    found = seen([10] * 6).to_json()
    assert found["outside"] == {
        "psnr_db": None,
        "worst_psnr_db": None,
        "worst_frame": None,
        "ssim": 1.0,
        "largest": 0.0,
        "mean": 0.0,
    }
    assert found["inside"] == {"largest": 10.0, "mean": 10.0}
    assert found["jitter"]["largest"] == 0


def test_a_fade_has_no_jitter_and_one_frame_that_jumps_has_it_all() -> None:
    assert seen([0, 10, 20, 30, 40]).to_json()["jitter"]["largest"] == pytest.approx(0, abs=1e-3)
    figures = seen([10, 10, 10, 30, 10, 10])
    jitter = figures.to_json()["jitter"]
    assert jitter["frame"] == 3
    assert jitter["share"] == pytest.approx(20 / 30, abs=0.01)
    assert figures.strongest[1] == 3


def test_what_encoding_did_elsewhere_is_told_with_its_worst_frame() -> None:
    outside = seen([10] * 4, noise=40).to_json()["outside"]
    pixels = SIDE * SIDE - 64 * 64
    assert outside["largest"] == 40
    assert outside["mean"] == pytest.approx(40 / pixels, abs=1e-3)
    assert outside["psnr_db"] == pytest.approx(10 * np.log10(255**2 * pixels / 40**2), abs=0.01)
