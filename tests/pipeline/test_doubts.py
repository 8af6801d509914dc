"""Which frames the program trusts least, on tracks whose faults are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from pipeline.causes import IN_FRONT, NEARER
from pipeline.doubts import Doubt, doubts, in_rendered, measured, worst
from pipeline.imaging import geometry as g
from pipeline.tracking.track import RawTrack, refine
from pipeline.types import FaceOutcome, FaceState
from tests.pipeline.faces import drawn_face

COUNT = 100
TIMES = np.arange(COUNT) / 25
WHOLE = {"smile": np.ones(COUNT, np.float32)}


def raw(**more: Any) -> RawTrack:
    """A face that drifts slowly, seen well in every frame, but for what is given."""
    points = np.stack([drawn_face((200 + 0.3 * t, 200)) for t in range(COUNT)])
    usual = {
        "landmarks": points.astype(np.float32),
        "states": np.full(COUNT, FaceState.DETECTED, np.uint8),
        "scores": np.full(COUNT, 0.95, np.float32),
        "region_scores": np.full((COUNT, 2), 0.94, np.float32),
    }
    return RawTrack(0, 0, 0, **{**usual, **more})


def found_in(track: RawTrack, shares: dict[str, NDArray[np.float32]] | None = None) -> list[Doubt]:
    shares = WHOLE if shares is None else shares
    refined = refine(track, times=TIMES)
    return list(doubts(refined, measured(refined, track, shares), shares))


def test_a_face_seen_well_that_drifts_gives_no_doubt() -> None:
    assert found_in(raw()) == []


def test_scores_are_doubted_where_they_fall_and_the_text_has_the_number() -> None:
    scores = np.full(COUNT, 0.95, np.float32)
    scores[40] = 0.6
    (doubt,) = found_in(raw(scores=scores))
    assert (doubt.frame, doubt.face, doubt.reason) == (40, 0, "landmark score 0.60")
    assert doubt.size == pytest.approx(0.75)
    assert str(doubt) == "frame 40, face 0: landmark score 0.60"


def test_a_part_that_is_hardly_seen_is_named() -> None:
    regions = np.full((COUNT, 2), 0.94, np.float32)
    regions[10:12, 1] = 0.2
    assert {(d.frame, d.reason) for d in found_in(raw(region_scores=regions))} == {
        (10, "eyes hardly seen, score 0.20"),
        (11, "eyes hardly seen, score 0.20"),
    }


def test_landmarks_that_jump_beside_the_face_are_found_and_its_own_way_is_not() -> None:
    points = raw().landmarks.copy()
    points[50] += (25, 0)  # the whole face, as when a camera is knocked
    assert found_in(raw(landmarks=points)) == []
    points[70, 48:68] += (0, 10)
    jumps = found_in(raw(landmarks=points))
    assert {doubt.frame for doubt in jumps} == {69, 70, 71}
    largest = max(jumps, key=lambda doubt: doubt.size)
    assert largest.frame == 70
    eyes = float(np.linalg.norm(points[70, 45] - points[70, 36]))
    # 20 of 68 points, twice 10 px as a second difference; the mean takes some of it back.
    moved = np.zeros(68)
    moved[48:68] = 20
    expected = np.abs(moved - moved.mean()).mean() / eyes
    assert f"{expected:.1%}" in largest.reason


def test_an_edit_that_comes_or_goes_at_once_is_doubted_on_both_sides() -> None:
    share = np.ones(COUNT, np.float32)
    share[:30], share[30] = 0.1, 0.7
    doubts_of = {d.frame: d.reason for d in found_in(raw(), {"toothy-smile": share})}
    assert doubts_of == {
        29: "toothy-smile changes by 60% at once",
        30: "toothy-smile changes by 60% at once",
        31: "toothy-smile changes by 30% at once",
    }


def test_where_nothing_is_edited_there_is_nothing_to_doubt() -> None:
    scores = np.full(COUNT, 0.6, np.float32)
    assert found_in(raw(scores=scores), {"smile": np.zeros(COUNT, np.float32)}) == []
    assert len(found_in(raw(scores=scores))) == COUNT


def test_a_turned_head_is_doubted_more_the_more_it_is_turned() -> None:
    points = np.stack([drawn_face()] * COUNT)
    for t in range(COUNT):
        head = Rotation.from_euler("y", 0.4 * t, degrees=True).apply(g._HEAD_MM)
        points[t, g._RIGID] = head[:, :2]
    found = found_in(raw(landmarks=(points * 2 + 300).astype(np.float32)))
    turned = [d for d in found if "turned" in d.reason]
    assert turned[0].frame == pytest.approx(15 / 0.4, abs=3)
    assert (turned[-1].frame, turned[-1].reason) == (99, "head turned by 40 degrees")
    assert np.diff([d.size for d in turned]).min() > 0


def test_what_lies_before_a_face_is_doubted_where_the_rest_is_edited() -> None:
    outcomes = [
        FaceOutcome(0, True, left={IN_FRONT: 0.75, NEARER: 0.8}),
        FaceOutcome(1, True, left={IN_FRONT: 0.95}),
        FaceOutcome(2, False, IN_FRONT, left={IN_FRONT: 0.0}),
    ]
    (doubt,) = in_rendered(7, outcomes)
    assert (doubt.frame, doubt.face) == (7, 0)
    assert doubt.reason == "something in front of 40% of the face"


def some(*frames_and_sizes: tuple[int, float], reason: str = "score", face: int = 0) -> list[Doubt]:
    return [Doubt(frame, face, reason, size) for frame, size in frames_and_sizes]


def test_neighbours_are_told_once() -> None:
    near = some((40, 1.0), (41, 1.1), (42, 1.0), (80, 0.5))
    assert [d.frame for d in worst(near, 6, TIMES)] == [41, 80]


def test_reasons_take_turns() -> None:
    found = [
        *some((10, 1.5), (30, 1.4), (70, 1.2)),
        *some((45, 0.6), reason="turn"),
        *some((90, 0.7), reason="jump"),
    ]
    assert [d.frame for d in worst(found, 3, TIMES)] == [10, 45, 90]
    assert [d.frame for d in worst(found, 4, TIMES)] == [10, 30, 45, 90]


def test_two_faces_may_be_doubted_in_one_frame() -> None:
    found = [*some((10, 1.0)), *some((10, 0.9), face=1)]
    assert [(d.frame, d.face) for d in worst(found, 2, TIMES)] == [(10, 0), (10, 1)]


def test_fewer_are_told_where_there_is_no_more_to_doubt() -> None:
    assert worst([], 6, TIMES) == []
    assert len(worst(some((10, 1.0), (90, 0.01)), 6, TIMES)) == 1


def test_a_clip_shorter_than_the_least_distance_still_gives_some() -> None:
    short = some(*[(t, 0.5) for t in range(8)])
    assert len(worst(short, 3, TIMES[:8])) == 3
