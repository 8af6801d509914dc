"""Lapses: which frames took less than half of an edit, and why, on tracks made up for it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.causes import (
    ELSEWHERE,
    EXCLUDED,
    FADED,
    IN_FRONT,
    NO_CHOSEN,
    NO_FACE,
    NOT_FOUND,
    NOTHING,
    SMALL,
    TURNED,
    UNCLEAR,
    Demand,
    in_track,
    why_not,
)
from pipeline.lapses import Lapse, summary, told
from pipeline.ledger import Ledger
from pipeline.types import FaceOutcome, FaceState, FaceTrack, Frame, Needs
from tests.pipeline.faces import drawn_face, rgb_frame

COUNT = 100
TIMES = 7.0 + np.arange(COUNT) / 25
MOUTH: Needs = frozenset({"mouth"})
RISE = np.array([0.07, 0.26, 0.5, 0.74, 0.93], np.float32)


def track(count: int = COUNT, first: int = 0, face: int = 0, **more: Any) -> FaceTrack:
    """A face seen well in every frame, but for what is given."""
    points = np.stack([drawn_face()] * count).astype(np.float32)
    usual = {
        "landmarks": points,
        "states": np.full(count, FaceState.DETECTED, np.uint8),
        "scores": np.full(count, 0.9, np.float32),
        "weights": np.ones(count, np.float32),
    }
    return FaceTrack(face, 0, first, **{**usual, **more})


def gap(begin: int, end: int) -> NDArray[np.float32]:
    """(T,) 1, but 0 from one frame to before another, with fades before and after."""
    shares = np.ones(COUNT, np.float32)
    shares[begin:end] = 0
    shares[end : end + 5], shares[begin - 5 : begin] = RISE, RISE[::-1]
    return shares


def covered(mouth: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.stack([mouth, np.ones_like(mouth)], 1)


PICTURE = np.random.default_rng(0).integers(0, 255, (32, 32, 3)).astype(np.uint8)


def lapses_of(
    *tracks: FaceTrack,
    needs: dict[str, Needs] | None = None,
    outcomes: dict[int, FaceOutcome] | None = None,
    frames: dict[int, Frame] | None = None,
    **more: Any,
) -> list[Lapse]:
    """What a run over all frames comes to; usual outcome: edited."""
    needs = {"smile": MOUTH, "age": frozenset()} if needs is None else needs
    limits = more.pop("limits", {})
    usual = {"times": TIMES, "shots": [(0, COUNT)]}
    ledger = Ledger(tracks, needs, limits, **{**usual, **more})
    for index in range(COUNT):
        here = [t for t in tracks if t.first_frame <= index < t.end_frame]
        taken = [(outcomes or {}).get(index, FaceOutcome(t.track_id, edited=True)) for t in here]
        ledger.add((frames or {}).get(index, rgb_frame(index, PICTURE)), taken)
    return ledger.lapses()


def spans(lapses: list[Lapse]) -> list[tuple[int, int, str, set[str]]]:
    return [(p.first_frame, p.last_frame, p.cause, set(p.least)) for p in lapses]


def test_a_face_seen_well_throughout_has_no_lapse() -> None:
    assert lapses_of(track()) == []


def test_a_covered_mouth_takes_what_needs_it_and_is_told_with_its_time() -> None:
    (lapse,) = lapses_of(track(parts=covered(gap(31, 50))))
    # The frames beside it in which less than nine tenths are left belong to it.
    assert spans([lapse]) == [(27, 53, "mouth covered", {"smile"})]
    assert (lapse.start_s, lapse.end_s) == (1.08, 2.12)
    assert lapse.least == {"smile": 0}
    # 19 frames and twice half of a fade, of one of two edits.
    assert lapse.lost_s == pytest.approx((19 + 4.86) / 25 / 2, abs=0.03)


def test_a_short_dip_that_leaves_more_than_half_is_no_lapse() -> None:
    assert lapses_of(track(parts=covered(np.maximum(gap(40, 44), np.float32(0.6))))) == []


def test_shares_that_shake_about_a_half_are_one_lapse() -> None:
    shaking = np.where(np.arange(COUNT) % 4 < 2, 0.45, 0.55).astype(np.float32)
    shaking[:30], shaking[60:] = 1, 1
    assert spans(lapses_of(track(parts=covered(shaking)))) == [(30, 59, "mouth covered", {"smile"})]


@pytest.mark.parametrize(
    ("score", "state", "excluded", "cause"),
    [
        (0.0, FaceState.ABSENT, False, NOT_FOUND),
        (0.3, FaceState.ABSENT, False, UNCLEAR),
        (0.3, FaceState.INTERPOLATED, False, ELSEWHERE),
        (0.0, FaceState.INTERPOLATED, False, NOT_FOUND),
        (0.9, FaceState.ABSENT, True, EXCLUDED),
    ],
)
def test_a_gap_and_its_fades_have_the_cause_of_the_gap(
    score: float, state: FaceState, excluded: bool, cause: str
) -> None:
    rows = slice(40, 60)
    lost = track(
        weights=gap(40, 60), excluded=frozenset(range(40, 60)) if excluded else frozenset()
    )
    lost.states[rows], lost.scores[rows] = state, score
    assert spans(lapses_of(lost)) == [(36, 63, cause, {"smile", "age"})]
    assert why_not(lost, 50, [Demand(MOUTH)]) == cause


def test_a_face_that_was_small_before_it_was_lost_is_too_small() -> None:
    lost = track(weights=gap(40, 60))
    lost.states[40:60], lost.scores[40:60] = FaceState.ABSENT, 0
    lost.landmarks[:] *= 15 / np.linalg.norm(lost.landmarks[0, 45] - lost.landmarks[0, 36])
    lost.landmarks[40:60] = 0
    assert {lapse.cause for lapse in lapses_of(lost)} == {SMALL}


def test_a_turned_head_is_told_from_a_face_that_goes() -> None:
    turned = gap(40, 60)
    (lapse,) = lapses_of(track(weights=turned, turned=turned))
    assert lapse.cause == TURNED
    assert in_track(track(weights=turned, turned=turned)).keys() == {TURNED}


def test_what_takes_most_is_the_cause_and_other_causes_count_too() -> None:
    half = np.full(COUNT, 0.7, np.float32)
    (lapse,) = lapses_of(
        track(weights=half, turned=half, parts=covered(np.full(COUNT, 0.6, np.float32)))
    )
    assert spans([lapse]) == [(0, 99, "mouth covered", {"smile"})]
    assert lapse.mean["smile"] == pytest.approx(0.42)


def test_the_editors_own_limits_are_of_one_attribute() -> None:
    limits = {(0, "age"): {"mouth busy": gap(20, 30)}}
    assert spans(lapses_of(track(), limits=limits)) == [(16, 33, "mouth busy", {"age"})]


def test_a_hand_for_a_moment_is_not_put_down_to_a_weaker_edit_around_it() -> None:
    limits = {(0, "smile"): {"near its limit": np.full(COUNT, 0.7, np.float32)}}
    lapses = lapses_of(track(parts=covered(gap(50, 53))), limits=limits)
    assert [lapse.cause for lapse in lapses] == ["mouth covered"]
    assert lapses[0].last_frame - lapses[0].first_frame < 12


def test_lapses_of_one_cause_close_together_are_one_and_far_apart_two() -> None:
    near = np.minimum(gap(30, 40), gap(46, 52))
    far = np.minimum(gap(30, 40), gap(70, 80))
    assert spans(lapses_of(track(parts=covered(near)))) == [(26, 55, "mouth covered", {"smile"})]
    assert len(lapses_of(track(parts=covered(far)))) == 2


def test_what_the_render_pass_finds_is_told() -> None:
    left = {i: FaceOutcome(0, True, left={IN_FRONT: 0.2}) for i in range(10, 20)}
    dark = {i: FaceOutcome(0, True, left={FADED: 0.1}) for i in range(50, 60)}
    still = {i: FaceOutcome(0, False, NOTHING) for i in range(80, 85)}
    found = lapses_of(track(), outcomes={**left, **dark, **still})
    both = {"smile", "age"}
    assert spans(found) == [
        (10, 19, IN_FRONT, both),
        (50, 59, FADED, both),
        (80, 84, NOTHING, both),
    ]


def test_black_frames_are_dark_and_not_without_a_face() -> None:
    lost = track(weights=gap(40, 60))
    lost.states[40:60], lost.scores[40:60] = FaceState.INTERPOLATED, 0
    black = np.zeros((32, 32, 3), np.uint8)
    skipped = {i: FaceOutcome(0, False, NOT_FOUND) for i in range(40, 60)}
    frames = {i: rgb_frame(i, black) for i in range(40, 60)}
    found = lapses_of(lost, outcomes=skipped, frames=frames)
    assert spans(found) == [(36, 63, FADED, {"smile", "age"})]


def test_frames_without_a_face_and_without_a_chosen_one_are_told_apart() -> None:
    found = lapses_of(track(60), others=frozenset(range(60, 98)))
    assert [(p.first_frame, p.last_frame, p.cause, p.face) for p in found] == [
        (60, 97, NO_CHOSEN, None),
        (98, 99, NO_FACE, None),
    ]


def test_a_shot_that_shows_two_faces_lacks_one_where_it_shows_one() -> None:
    tracks = [track(50), track(50, first=50, face=1), track(60, face=2)]
    (lapse,) = lapses_of(*tracks)
    assert (lapse.first_frame, lapse.last_frame) == (60, 99)
    assert lapse.cause == "1 of 2 faces found"
    # In a shot of its own, one face is all there is.
    assert lapses_of(track(60), track(40, 60, 1), shots=[(0, 60), (60, 100)]) == []


def test_frames_that_were_not_rendered_are_not_told() -> None:
    ledger = Ledger(
        [track(parts=covered(gap(31, 50)))],
        {"smile": MOUTH},
        {},
        times=TIMES,
        shots=[(0, COUNT)],
    )
    for index in range(40):
        ledger.add(rgb_frame(index, PICTURE), [FaceOutcome(0, True)])
    (lapse,) = ledger.lapses()
    assert (lapse.first_frame, lapse.last_frame) == (27, 39)


def test_a_strength_of_nothing_has_no_lapses() -> None:
    assert lapses_of(track(10), needs={}) == []


LAPSE = Lapse(31, 52, 1.24, 2.08, 2, "mouth covered", {"smile": 0.0}, {"smile": 0.3}, 0.6)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "frames 31–52 (1.24–2.08 s), face 2: mouth covered; smile fades out"),
        (
            {"last_frame": 31, "end_s": 1.24, "mean": {"smile": 0.0}},
            "frame 31 (1.24 s), face 2: mouth covered; no smile",
        ),
        (
            {"least": {"smile": 0.31}},
            "frames 31–52 (1.24–2.08 s), face 2: mouth covered; smile down to 31%",
        ),
        (
            {"least": {"smile": 0.0, "age": 0.0}, "mean": {"smile": 0.1, "age": 0.1}},
            "frames 31–52 (1.24–2.08 s), face 2: mouth covered; nothing edited",
        ),
        (
            {"least": {"smile": 0.0, "age": 0.01}, "mean": {"smile": 0.3, "age": 0.3}},
            "frames 31–52 (1.24–2.08 s), face 2: mouth covered; all edits fade out",
        ),
        ({"face": None, "cause": NO_FACE}, "frames 31–52 (1.24–2.08 s): no face found"),
    ],
)
def test_a_lapse_is_told_in_one_line(changes: dict[str, Any], line: str) -> None:
    assert told(dataclasses.replace(LAPSE, **changes), ["smile", "age"], faces=3) == line


def test_a_summary_tells_the_longest_in_order_and_counts_the_others() -> None:
    lapses = [
        dataclasses.replace(LAPSE, first_frame=100 * k, last_frame=100 * k + 9, lost_s=lost)
        for k, lost in enumerate([0.1, 3.0, 0.2, 1.0, 2.0, 0.3, 0.9])
    ]
    lines = summary(lapses, ["smile"], 1)
    assert [line.split()[1] for line in lines[1:5]] == ["100–109", "300–309", "400–409", "600–609"]
    assert lines[5:] == ["  and 3 shorter stretches (mouth covered): see --report FILE"]
    assert summary([], ["smile"], 1) == []
