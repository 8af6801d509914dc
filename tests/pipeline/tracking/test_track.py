"""Tracks: who is who over time, what happens at gaps, cuts and turns."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.imaging.geometry import similarity, transform
from pipeline.tracking.track import RawTrack, TrackOptions, link, refine, with_unseen
from pipeline.types import Face, FaceState
from tests.pipeline.faces import drawn_face, found, look

TIMES = np.arange(100) / 25.0
RNG = np.random.default_rng(7)


def one(positions: Sequence[tuple[float, float] | None], score: float = 0.9) -> list[list[Face]]:
    """Frames with one face each, or none."""
    return [[] if p is None else [found(i, drawn_face(p), score)] for i, p in enumerate(positions)]


def still(count: int) -> list[list[Face]]:
    return one([(200.0, 200.0)] * count)


def test_a_face_in_every_frame_is_one_track() -> None:
    (track,) = link(still(100), times=TIMES)
    assert (track.first_frame, len(track), track.shot) == (0, 100, 0)
    assert (track.states == FaceState.DETECTED).all()


def test_two_people_who_cross_keep_their_numbers() -> None:
    faces, looks, who = [], [], []
    for i in range(100):
        a = drawn_face((100 + 5 * i, 200))
        b = drawn_face((600 - 5 * i, 215), eyes=95)
        order = [0, 1] if i % 3 else [1, 0]
        # When they meet the one in front hides the other.
        hidden = 44 <= i <= 56
        pair = [found(i, a), found(i, b)]
        faces.append([pair[k] for k in order if not (hidden and k == 1)])
        looks.append([look(k, RNG) for k in order if not (hidden and k == 1)])
        who.append(order)
    tracks = link(faces, times=TIMES, appearances=looks)
    assert len(tracks) == 2
    first, second = tracks
    assert first.landmarks[-1, :, 0].mean() > 500
    assert second.landmarks[-1, :, 0].mean() < 200
    assert len(first) == len(second) == 100
    assert (second.states[44:57] == FaceState.ABSENT).all()


def test_a_lost_track_is_not_handed_to_a_neighbour_who_takes_its_place() -> None:
    faces = [[found(i, drawn_face((200, 200)))] for i in range(40)]
    faces += [[found(i, drawn_face((210, 205)))] for i in range(45, 100)]
    faces[40:40] = [[] for _ in range(5)]
    looks = [[look(0 if i < 40 else 1, RNG)] if f else [] for i, f in enumerate(faces)]
    tracks = link(faces, times=TIMES, appearances=looks)
    assert [(t.first_frame, t.end_frame) for t in tracks] == [(0, 40), (45, 100)]


def test_without_a_gap_a_place_taken_by_someone_quite_different_is_a_new_track() -> None:
    looks = [[look(0 if i < 50 else 1, RNG)] for i in range(100)]
    tracks = link(still(100), times=TIMES, appearances=looks)
    assert [(t.first_frame, t.end_frame) for t in tracks] == [(0, 50), (50, 100)]


def test_somebody_else_is_told_apart_though_faces_are_described_now_and_then() -> None:
    looks = [[look(0 if i < 50 else 1, RNG) if i % 5 == 0 else None] for i in range(100)]
    tracks = link(still(100), times=TIMES, appearances=looks)
    assert [(t.first_frame, t.end_frame) for t in tracks] == [(0, 50), (50, 100)]


def test_looks_are_remembered_alike_described_in_every_frame_or_now_and_then() -> None:
    aging = [np.array([i / 100, 0.0], np.float32) for i in range(100)]
    dense = [[a] for a in aging]
    sparse = [[a if i % 5 == 0 else None] for i, a in enumerate(aging)]
    (a,), (b,) = (link(still(100), times=TIMES, appearances=x) for x in (dense, sparse))
    assert a.appearance == pytest.approx(b.appearance, abs=0.06)
    assert 0.5 < a.appearance[0] < 0.9, "the last seconds count most"


def test_a_person_who_comes_back_is_known_again() -> None:
    faces = one([(200, 200)] * 40 + [None] * 30 + [(260, 210)] * 30)
    looks = [[look(3, RNG)] if f else [] for f in faces]
    (track,) = link(faces, times=TIMES, appearances=looks)
    assert (track.states[40:70] == FaceState.ABSENT).all()
    assert len(track) == 100


def test_without_descriptors_a_long_gap_ends_the_track() -> None:
    faces = one([(200, 200)] * 40 + [None] * 30 + [(200, 200)] * 30)
    assert len(link(faces, times=TIMES)) == 2


def test_no_track_goes_over_a_cut() -> None:
    tracks = link(still(100), times=TIMES, cuts=(30, 31))
    assert [(t.shot, t.first_frame, t.end_frame) for t in tracks] == [
        (0, 0, 30),
        (1, 30, 31),
        (2, 31, 100),
    ]


def test_a_face_seen_for_a_moment_is_dropped_but_not_in_a_clip_of_one_frame() -> None:
    faces = one([None] * 50 + [(200, 200)] * 3 + [None] * 47)
    assert link(faces, times=TIMES) == []
    assert len(link(still(1), times=TIMES[:1])) == 1


def test_a_face_that_is_never_seen_well_is_no_track() -> None:
    assert link(one([(200, 200)] * 100, score=0.3), times=TIMES) == []


def test_tracks_are_the_same_at_half_the_frame_rate() -> None:
    faces = one([(200 + 8.0 * i, 200) for i in range(100)])
    (track,) = link(faces[::2], times=TIMES[::2])
    assert len(track) == 50


def raw_of(faces: list[list[Face]], cuts: tuple[int, ...] = ()) -> RawTrack:
    looks = [[look(0, RNG) for _ in f] for f in faces]
    (track,) = link(faces, times=TIMES, cuts=cuts, appearances=looks)
    return track


def test_smoothing_off_leaves_a_clean_track_as_it_was_found() -> None:
    raw = raw_of(still(100))
    track = refine(raw, times=TIMES, options=TrackOptions(smoothing_s=0))
    assert (track.landmarks == raw.landmarks).all()
    assert (track.weights == 1).all()


def test_a_short_gap_is_filled_and_keeps_its_edit() -> None:
    faces = one([None if 40 <= i < 46 else (200 + 2.0 * i, 200.0) for i in range(100)])
    track = refine(raw_of(faces), times=TIMES)
    assert (track.states[40:46] == FaceState.INTERPOLATED).all()
    np.testing.assert_allclose(
        track.landmarks[40:46, 30, 0], drawn_face()[30, 0] + 200 + 2 * np.arange(40, 46), atol=0.6
    )
    assert (track.weights == 1).all()


def test_a_long_gap_stays_and_the_edit_fades_out_and_in() -> None:
    faces = one([None if 40 <= i < 70 else (200.0, 200.0) for i in range(100)])
    track = refine(raw_of(faces), times=TIMES)
    assert (track.states[40:70] == FaceState.ABSENT).all()
    assert (track.weights[40:70] == 0).all()
    assert 0 < track.weights[39] < track.weights[37] < 1
    assert 0 < track.weights[70] < track.weights[72] < 1
    assert track.weights[[10, 90]].tolist() == [1, 1]


def test_a_face_that_comes_into_a_shot_fades_in_and_at_a_cut_it_does_not() -> None:
    comes = refine(raw_of(one([None] * 20 + [(200, 200)] * 80)), times=TIMES)
    assert comes.weights[0] < 0.2
    assert comes.weights[-1] == 1
    tracks = link(still(100), times=TIMES, cuts=(50,))
    for raw in tracks:
        assert (refine(raw, times=TIMES, cuts=(50,)).weights == 1).all()


def test_frames_seen_badly_count_as_not_seen() -> None:
    faces = still(100)
    for i in (50, 51):
        faces[i] = [found(i, drawn_face((230, 190)), score=0.2)]
    track = refine(raw_of(faces), times=TIMES)
    assert (track.states[50:52] == FaceState.INTERPOLATED).all()
    np.testing.assert_allclose(track.landmarks[51], drawn_face((200, 200)), atol=0.1)


def test_an_outlier_frame_is_replaced() -> None:
    faces = still(100)
    for i, f in enumerate(faces):
        noisy = f[0].landmarks + RNG.normal(size=(68, 2)) * 0.2
        faces[i] = [found(i, noisy.astype(float) + (30 if i == 60 else 0))]
    track = refine(raw_of(faces), times=TIMES)
    assert track.states[60] == FaceState.INTERPOLATED
    assert np.abs(track.landmarks[60] - drawn_face((200, 200))).max() < 1.5


def test_a_frame_set_by_hand_is_never_touched() -> None:
    raw = raw_of(still(100))
    landmarks, states = raw.landmarks.copy(), raw.states.copy()
    scores = raw.scores.copy()
    landmarks[60] += 30
    states[60], scores[60] = FaceState.MANUAL, 0.0
    edited = RawTrack(0, 0, 0, landmarks, states, scores, raw.region_scores)
    track = refine(edited, times=TIMES)
    assert track.states[60] == FaceState.MANUAL
    assert (track.landmarks[60] == landmarks[60]).all()
    assert track.weights[60] == 1


def test_the_edit_fades_as_the_head_turns_away() -> None:
    from scipy.spatial.transform import Rotation

    from pipeline.imaging import geometry as g

    faces = []
    for i in range(100):
        head = Rotation.from_euler("y", 0.6 * i, degrees=True).apply(g._HEAD_MM)
        points = drawn_face()
        points[g._RIGID] = head[:, :2]
        faces.append([found(i, points * 2 + 300)])
    weights = refine(raw_of(faces), times=TIMES).weights
    assert (weights[:38] == 1).all()
    assert (weights[80:] == 0).all()
    assert (np.diff(weights) <= 0).all()


def test_the_edit_fades_while_the_mouth_is_covered_and_not_for_a_moments_doubt() -> None:
    faces = []
    for i in range(100):
        mouth = 0.1 if 40 <= i < 60 or i == 80 else 0.9
        face = found(i, drawn_face((200, 200)))
        faces.append([Face(i, face.box, face.landmarks, 0.9, (mouth, 1.0))])
    track = refine(raw_of(faces), times=TIMES)
    smile = track.share(frozenset({"mouth"}))
    assert (smile[44:56] == 0).all()
    assert (smile[:36] == 1).all()
    assert (smile[64:] == 1).all()
    assert np.abs(np.diff(smile)).max() < 0.5, "it fades"
    assert (track.share(frozenset()) == 1).all(), "what needs no mouth stays"
    assert (track.share(frozenset({"eyes"})) == 1).all()


def test_refining_is_the_same_whatever_stands_left_or_right_in_the_picture() -> None:
    noise = RNG.normal(size=(100, 68, 2))
    move = similarity(1.0, 0.0, 300, 40)
    a = [[found(i, drawn_face((200, 200)) + noise[i])] for i in range(100)]
    b = [[found(i, transform(move, drawn_face((200, 200)) + noise[i]))] for i in range(100)]
    left, right = refine(raw_of(a), times=TIMES), refine(raw_of(b), times=TIMES)
    np.testing.assert_allclose(left.landmarks + np.array([300, 40]), right.landmarks, atol=1e-3)


def test_a_frame_that_shows_the_face_elsewhere_takes_no_edit_where_it_is_filled_in() -> None:
    for far, score in ((40, 0.3), (40, 0.9)):
        faces = still(100)
        faces[50] = [found(50, drawn_face((200.0 + far, 200)), score)]
        track = refine(raw_of(faces), times=TIMES)
        assert track.states[50] == FaceState.INTERPOLATED
        assert track.weights[50] == 0
        assert 0 < track.weights[48] < 1, "it fades"
    faces[50] = [found(50, drawn_face((205.0, 200)), 0.3)]  # badly seen, but there
    assert (refine(raw_of(faces), times=TIMES).weights == 1).all()


def test_a_face_looked_for_in_vain_takes_no_edit_and_beside_one_set_by_hand_it_does() -> None:
    faces = one([None if 40 <= i < 46 else (200 + 2.0 * i, 200.0) for i in range(100)])
    raw = with_unseen(raw_of(faces), TIMES, max_gap_s=0.5)
    assert (raw.states == FaceState.DETECTED).all()
    assert (raw.scores[40:46] == 0).all()
    weights = refine(raw, times=TIMES).weights
    assert (weights[40:46] == 0).all()
    assert weights[[30, 60]].tolist() == [1, 1]
    states = raw.states.copy()
    states[42] = FaceState.MANUAL
    by_hand = dataclasses.replace(raw, states=states)
    assert (refine(by_hand, times=TIMES).weights == 1).all()


def test_a_gap_longer_than_what_is_filled_stays_a_gap() -> None:
    faces = one([None if 40 <= i < 70 else (200.0, 200.0) for i in range(100)])
    raw = with_unseen(raw_of(faces), TIMES, max_gap_s=0.5)
    assert (raw.states[40:70] == FaceState.ABSENT).all()


def test_a_face_that_jumps_and_looks_the_same_keeps_its_track() -> None:
    faces = one([(200.0 + 160 * (i >= 50), 200.0) for i in range(100)])
    assert len(raw_of(faces)) == 100
    looks = [[look(int(i >= 50), RNG)] for i in range(100)]
    assert len(link(faces, times=TIMES, appearances=looks)) == 2
    assert len(link(faces, times=TIMES)) == 2, "unknown by looks it may be anybody"


def test_who_comes_back_with_another_expression_is_told_by_all_that_is_seen_of_them() -> None:
    faces = one([(200.0, 200.0)] * 40 + [None] * 20 + [(230.0, 200.0)] * 40)
    looks = [[look(3, RNG)] if f else [] for f in faces]
    for i in range(60, 64):  # half covered at first
        looks[i] = [look(3, RNG) + 0.9 * look(5, RNG)]
    (track,) = link(faces, times=TIMES, appearances=looks)
    assert len(track) == 100


def test_frames_seen_badly_that_lead_up_to_a_face_belong_to_its_track() -> None:
    faces = still(100)
    for i in range(10):
        faces[i] = [found(i, drawn_face((190.0 + i, 200)), score=0.3)]
    track = raw_of(faces)
    assert track.first_frame == 0
    faces[4] = []
    assert raw_of(faces).first_frame == 5
    faces[4] = [found(4, drawn_face((400, 200)), score=0.3)]
    assert raw_of(faces).first_frame == 5, "that was elsewhere"
