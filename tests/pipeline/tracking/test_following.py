"""Where a look at a face is placed, and how looks lead to a face that moved."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.config import AnalyzeOptions
from pipeline.imaging.color import frame_of_rgb
from pipeline.loading import load_finder
from pipeline.tracking import detector
from pipeline.tracking.detect import EmbeddedFinder
from pipeline.tracking.following import (
    SURE,
    Follower,
    apart,
    distinct,
    is_near,
    make_face,
    points_in,
    square_of,
)
from pipeline.types import Frame
from tests.pipeline.faces import drawn_face, found
from tests.pipeline.moving import Place, Portrait, background, clip

EYES = 50.0


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    return Portrait.of_the_sample()


@pytest.fixture(scope="module")
def follower() -> Follower:
    finder = load_finder(AnalyzeOptions(), torch.device("cpu"), rate=25.0)
    assert isinstance(finder, EmbeddedFinder)
    return Follower(finder.landmarker, finder.options.min_score)


def _frame(portrait: Portrait, place: Place, size: tuple[int, int] = (640, 480)) -> Frame:
    return frame_of_rgb(clip(portrait, [place], size)[0])


@pytest.mark.parametrize("turn_deg", [0.0, 37.0, 90.0, -120.0, 180.0])
def test_the_square_of_points_in_a_square_is_that_square(turn_deg: float) -> None:
    square = np.array([300.0, 200.0, 80.0, turn_deg])
    points = points_in(square)
    again = square_of(make_face(0, points, 1.0))
    assert again[:3] == pytest.approx(square[:3], abs=0.01)
    assert np.cos(np.radians(again[3] - turn_deg)) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("far", [0.0, 0.3, 0.5])
def test_looks_lead_to_a_face_some_way_off(
    portrait: Portrait, follower: Follower, far: float
) -> None:
    place = Place(320, 240, EYES)
    truth, frame = portrait.at(place), _frame(portrait, place)
    for angle in np.radians([0, 90, 225]):
        off = far * EYES * np.array([np.cos(angle), np.sin(angle)])
        face = follower.settle(frame, (truth + off).astype(np.float32))
        assert face is not None
        assert face.score >= SURE
        assert np.linalg.norm(face.landmarks - truth, axis=1).mean() < 0.03 * EYES


def test_looks_that_lead_nowhere_find_nobody(portrait: Portrait, follower: Follower) -> None:
    truth = portrait.at(Place(120, 120, EYES))
    nobody = frame_of_rgb(background(640, 480))
    assert follower.settle(nobody, truth.astype(np.float32)) is None


@pytest.mark.parametrize(("turn_deg", "eyes"), [(0, 50), (0, 24), (90, 60), (-150, 60), (20, 180)])
def test_a_lost_face_is_found_near_its_last_place_at_its_size_and_turn(
    portrait: Portrait, turn_deg: float, eyes: float
) -> None:
    place = Place(700, 380, eyes, turn_deg)
    last = portrait.at(Place(700 - 1.5 * eyes, 380 + eyes, eyes, turn_deg))
    square = square_of(make_face(0, last.astype(np.float32), 1.0))
    heads = detector.find_near(_frame(portrait, place, (1280, 720)), square, reach=1.5)
    middle = square_of(make_face(0, portrait.at(place).astype(np.float32), 1.0))
    assert len(heads) == 1
    assert np.linalg.norm(heads[0, :2] - middle[:2]) < 0.3 * eyes
    assert heads[0, 2] == pytest.approx(middle[2], rel=0.3)
    assert heads[0, 3] == pytest.approx(turn_deg, abs=5.0)  # the portrait is tilted by 3


def test_near_a_place_at_the_edge_or_outside_nothing_breaks(portrait: Portrait) -> None:
    frame = _frame(portrait, Place(320, 240, 40))
    for x, y in ((0, 0), (639, 479), (-500, 100), (3000, 3000)):
        assert len(detector.find_near(frame, np.array([x, y, 60.0, 0.0]), reach=1.0)) == 0


def test_who_is_near_moved_little_and_kept_the_size() -> None:
    face = found(0, drawn_face((200, 200), eyes=60))
    assert is_near(found(1, drawn_face((220, 200), eyes=60)), face)
    assert not is_near(found(1, drawn_face((290, 200), eyes=60)), face)
    assert is_near(found(1, drawn_face((290, 200), eyes=60)), face, reach=1.5)
    assert not is_near(found(1, drawn_face((200, 200), eyes=110)), face)


def test_of_faces_in_one_place_the_first_stays() -> None:
    a, b, c = (found(0, drawn_face((x, 200), eyes=60)) for x in (200, 210, 400))
    assert distinct([a, b, c], 0.3) == [a, c]
    assert apart([b, c], [a], 0.3) == [c]
