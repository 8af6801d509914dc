"""Frames kept to look back at: how many, how large, and what is found in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pytest

from pipeline.tracking.following import Follower, make_face
from pipeline.tracking.recent import MOST_BYTES, RecentFrames, look_back
from pipeline.types import Frame, PixelEncoding
from tests.pipeline.faces import drawn_face, found, gray_frame

BLANK = np.zeros((300, 400), np.uint8)


def _large(width: int, height: int, bits: int, index: int = 0) -> Frame:
    kind = np.uint8 if bits == 8 else np.uint16
    ramp = np.linspace(0, (1 << bits) - 1, width).astype(kind)
    luma = np.tile(ramp, (height, 1))
    chroma = np.full(((height + 1) // 2, (width + 1) // 2), 1 << (bits - 1), kind)
    encoding = PixelEncoding("yuv420p", bits, "bt709", full_range=True)
    return Frame(index, index, 1, (luma, chroma, chroma), encoding)


@pytest.mark.parametrize(
    ("width", "height", "bits"),
    [(3840, 2160, 8), (3840, 2160, 10), (1920, 1080, 10), (2501, 1407, 8), (7680, 4320, 8)],
)
def test_large_frames_are_kept_small(width: int, height: int, bits: int) -> None:
    recent = RecentFrames(5)
    recent.add(_large(width, height, bits), [], begins=False)
    (kept,) = recent.before(1)
    assert sum(plane.nbytes for plane in kept.frame.planes) <= 1.02 * MOST_BYTES
    assert kept.frame.encoding.bits == 8
    # a place of the frame lies at its level of gray in the kept frame too
    there = np.array([0.6 * width, 0.5 * height], np.float32)
    x, y = kept.to_kept(there)
    level = float(kept.frame.planes[0][round(float(y)), round(float(x))])
    assert level == pytest.approx(0.6 * 255, abs=1.5)
    assert kept.to_frame(kept.to_kept(there)) == pytest.approx(there, abs=1e-2)


def test_a_frame_of_usual_size_is_kept_as_it_is() -> None:
    recent, frame = RecentFrames(5), _large(1920, 1080, 8)
    recent.add(frame, [], begins=False)
    (kept,) = recent.before(1)
    for plane, own in zip(frame.planes, kept.frame.planes, strict=True):
        assert np.array_equal(plane, own)
        assert not np.shares_memory(plane, own), "the decoder's memory is free"


def test_memory_is_used_again_and_none_that_is_still_kept() -> None:
    recent = RecentFrames(3)
    for index in range(8):
        recent.add(gray_frame(index, np.full((9, 7), index, np.uint8)), [], begins=False)
    assert [int(kept.frame.planes[0].max()) for kept in recent.before(8)] == [7, 6, 5]
    deep = PixelEncoding("gray10le", 10, "gray", full_range=True)
    recent.add(Frame(8, 8, 1, (np.full((9, 7), 900, np.uint16),), deep), [], begins=False)
    assert int(recent.before(9)[0].frame.planes[0].max()) == 900


def test_no_more_frames_are_kept_than_asked_for_the_last_first() -> None:
    recent = RecentFrames(3)
    for index in range(6):
        recent.add(gray_frame(index, BLANK), [], begins=False)
    assert [kept.frame.index for kept in recent.before(6)] == [5, 4, 3]
    assert [kept.frame.index for kept in recent.before(5)] == [4, 3]
    assert recent.before(9) == []


def test_frames_of_another_place_in_the_clip_or_another_size_are_forgotten() -> None:
    recent = RecentFrames(9)
    for frame in (gray_frame(0, BLANK), gray_frame(5, BLANK), gray_frame(6, BLANK[:200])):
        recent.add(frame, [], begins=False)
    assert [kept.frame.index for kept in recent.before(7)] == [6]


class Estimate(NamedTuple):
    points: np.ndarray
    score: np.ndarray
    mouth_score: np.ndarray
    eyes_score: np.ndarray


class Still:
    """A network that sees a face wherever it looks, from frame `since` on."""

    def __init__(self, since: int, score: float) -> None:
        self.since, self.seen = since, score

    def glance(self, frames: Sequence[Frame], points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen = [self.seen if frame.index >= self.since else 0.0 for frame in frames]
        return points.astype(np.float32), np.array(seen, np.float32)

    def from_points(self, frames: Sequence[Frame], points: np.ndarray) -> Estimate:
        places, scores = self.glance(frames, points)
        return Estimate(places, scores, scores, scores)

    def from_boxes(self, frames: Sequence[Frame], boxes: np.ndarray) -> Estimate:
        raise AssertionError("there is no detector")


def _indices(recent: RecentFrames, since: int, score: float = 0.9, own: float = 0.9) -> list[int]:
    """Frames in which a face of frame 12 is found, looking back."""
    face = make_face(12, drawn_face((200, 150)).astype(np.float32), own)
    follower = Follower(Still(since, score), 0.15)
    return [b.face.frame_index for b in look_back(recent, follower, face, 0.3, begins=False)]


def _twelve(known: Sequence[int] = (), begins: int = -1) -> RecentFrames:
    """Frames 0 to 11; `known`: those that show a face about there already."""
    recent = RecentFrames(20)
    for index in range(12):
        faces = [found(index, drawn_face((205, 150)))] if index in known else []
        recent.add(gray_frame(index, BLANK), faces, begins=index == begins)
    return recent


def test_a_face_is_followed_back_to_where_it_comes() -> None:
    recent = _twelve()
    assert _indices(recent, since=5) == [11, 10, 9, 8, 7, 6, 5]
    assert _indices(recent, since=5) == [], "it is known there now"


def test_the_way_back_ends_where_somebody_is_known() -> None:
    assert _indices(_twelve(known=range(8)), since=0) == [11, 10, 9, 8]


@pytest.mark.parametrize(("score", "reaches"), [(0.9, 0), (0.3, 6)])
def test_over_a_cut_only_a_face_seen_well_is_followed(score: float, reaches: int) -> None:
    assert _indices(_twelve(begins=6), since=0, score=score)[-1] == reaches


def test_a_face_seen_badly_is_not_followed_back() -> None:
    assert _indices(_twelve(), since=0, own=0.3) == []
