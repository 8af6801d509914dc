"""Smoothing, gaps and gates in time: known truths, invariants, scipy as oracle."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from pipeline.imaging import temporal as t
from pipeline.imaging.geometry import ffhq_quad, similarity, transform
from tests.pipeline.faces import drawn_face

RNG = np.random.default_rng(2)
EVEN = np.arange(60) / 25.0
UNEVEN = np.sort(RNG.random(60)) * 2.4


def test_strength_zero_is_the_identity_to_the_bit() -> None:
    values = RNG.normal(size=(60, 3))
    assert (t.smooth(values, EVEN, strength_s=0) == values).all()


@pytest.mark.parametrize("times", [EVEN, UNEVEN], ids=["even", "uneven"])
def test_a_parabola_passes_through_unchanged_up_to_both_ends(times: np.ndarray) -> None:
    values = np.stack([3 + 2 * times - 4 * times**2, times, np.ones_like(times)], 1)
    np.testing.assert_allclose(t.smooth(values, times, strength_s=0.15), values, atol=1e-6)


def test_time_reversal_reverses_the_result() -> None:
    values = RNG.normal(size=(60, 2))
    forwards = t.smooth(values, UNEVEN, strength_s=0.1)
    backwards = t.smooth(values[::-1], -UNEVEN[::-1], strength_s=0.1)
    np.testing.assert_allclose(forwards, backwards[::-1], atol=1e-9)


def test_noise_is_damped_as_stated() -> None:
    times = np.arange(4000) / 25.0
    out = t.smooth(RNG.normal(size=4000), times, strength_s=0.2)
    assert out.std() == pytest.approx(0.69 / np.sqrt(25 * 0.2), rel=0.08)


def test_a_wide_even_window_comes_near_savitzky_golay_of_the_same_noise() -> None:
    # Both fit a parabola; with weights of matched noise gain they must tell much the same story.
    truth = np.sin(2 * np.pi * 0.8 * EVEN)
    noisy = truth + 0.1 * RNG.normal(size=60)
    ours = t.smooth(noisy, EVEN, strength_s=0.127)
    theirs = signal.savgol_filter(noisy, 15, 2)
    assert np.abs(ours - theirs)[8:-8].max() < 0.06
    assert np.abs(ours - truth)[8:-8].mean() < np.abs(noisy - truth)[8:-8].mean()


def test_strength_is_in_seconds_not_in_frames() -> None:
    slow, fast = np.arange(50) / 25.0, np.arange(100) / 50.0
    wave = lambda x: np.sin(2 * np.pi * 3 * x)  # noqa: E731
    a = t.smooth(wave(slow), slow, strength_s=0.08)
    b = t.smooth(wave(fast), fast, strength_s=0.08)
    assert np.abs(a - b[::2])[8:-8].max() < 0.02


@pytest.mark.parametrize("times", [EVEN, UNEVEN], ids=["even", "uneven"])
def test_smoothing_in_blocks_is_smoothing_at_once_to_the_bit(
    monkeypatch: pytest.MonkeyPatch, times: np.ndarray
) -> None:
    values, believed = RNG.normal(size=(60, 3)), RNG.random(60) > 0.3
    whole = t.smooth(values, times, strength_s=0.1, valid=believed)
    monkeypatch.setattr(t, "_BLOCK", 7)
    assert (t.smooth(values, times, strength_s=0.1, valid=believed) == whole).all()


def test_values_not_believed_give_nothing() -> None:
    valid = np.ones(60, bool)
    valid[[10, 11, 40]] = False
    values = RNG.normal(size=60)
    wild = np.where(valid, values, 1e6)
    a = t.smooth(values, EVEN, strength_s=0.1, valid=valid)
    assert (a == t.smooth(wild, EVEN, strength_s=0.1, valid=valid)).all()
    assert np.abs(a).max() < 10


@pytest.mark.parametrize("count", [1, 2, 3])
def test_very_short_tracks_survive(count: int) -> None:
    values = RNG.normal(size=(count, 68, 2))
    assert np.isfinite(t.smooth(values, EVEN[:count], strength_s=0.1)).all()


def test_the_shake_of_the_camera_stays_and_the_shake_of_the_shape_goes() -> None:
    shake = RNG.normal(size=(60, 1, 2)) * 8
    noise = RNG.normal(size=(60, 68, 2)) * 0.5
    steady = drawn_face((300, 300)) + shake
    out = t.smooth_landmarks(steady + noise, EVEN, strength_s=0.06)
    # One pixel of 100 between the eyes would be seen; eight pixels of camera shake are not touched.
    left, slow = out - steady, np.setdiff1d(np.arange(68), t.FAST_POINTS)
    assert left[:, slow].std() < 0.65 * noise[:, slow].std()
    assert left[:, t.FAST_POINTS].std() < 0.9 * noise[:, t.FAST_POINTS].std()
    assert np.abs((out - steady).mean((1, 2))).max() < 0.3


def test_lips_and_lids_are_smoothed_less_than_the_rest() -> None:
    blink = np.zeros((60, 68, 2))
    blink[28:33, :, 1] = np.array([0.5, 1, 1, 1, 0.5])[:, None] * 5
    faces = drawn_face() + blink * 0
    for points in (np.array([37, 38, 43, 44]), np.array([57]), np.array([24])):
        faces[:, points] += blink[:, points]
    out = t.smooth_landmarks(faces, EVEN, strength_s=0.06) - drawn_face()
    assert out[30, 37, 1] > 0.93 * 5
    assert out[30, 57, 1] > 0.93 * 5
    assert out[30, 24, 1] < out[30, 57, 1]


def test_a_frame_set_by_hand_comes_back_to_the_bit() -> None:
    faces = drawn_face() + RNG.normal(size=(60, 68, 2))
    pinned = np.zeros(60, bool)
    pinned[20] = True
    out = t.smooth_landmarks(faces, EVEN, strength_s=0.1, pinned=pinned)
    assert (out[20] == faces[20]).all()
    assert (out[21] != faces[21]).any()


def test_smoothing_moves_with_the_face() -> None:
    faces = drawn_face() + RNG.normal(size=(60, 68, 2))
    move = similarity(1.3, 25, 40, -10)
    a = transform(move, t.smooth_landmarks(faces, EVEN, strength_s=0.1))
    np.testing.assert_allclose(
        a, t.smooth_landmarks(transform(move, faces), EVEN, strength_s=0.1), atol=1e-8
    )


def test_smoothed_quads_stay_squares_and_zero_is_the_identity() -> None:
    quads = ffhq_quad(drawn_face((200, 200)) + RNG.normal(size=(60, 68, 2)) * 3)
    np.testing.assert_allclose(t.smooth_quads(quads, EVEN, strength_s=0), quads, atol=1e-9)
    out = t.smooth_quads(quads, EVEN, strength_s=0.12)
    x, y = out[:, 3] - out[:, 0], out[:, 1] - out[:, 0]
    np.testing.assert_allclose((x * y).sum(1), 0, atol=1e-6)
    np.testing.assert_allclose(np.hypot(*x.T), np.hypot(*y.T))
    assert np.diff(out, axis=0).std() < 0.6 * np.diff(quads, axis=0).std()


def moving_face() -> np.ndarray:
    """A face that crosses the picture, grows and turns, talking."""
    faces = []
    for s in EVEN:
        face = drawn_face()
        face[60:68, 1] += 6 * np.sin(2 * np.pi * 3 * s)
        faces.append(transform(similarity(1 + 0.2 * s, 15 * s, 200 + 120 * s, 150 + 20 * s), face))
    return np.array(faces)


def test_a_frame_that_jumps_away_is_an_outlier_and_motion_is_not() -> None:
    faces = moving_face() + RNG.normal(size=(60, 68, 2)) * 0.4
    assert not t.outliers(faces, EVEN).any()
    faces[17] += (25, -10)
    faces[40] = faces[40] * 1.2 - 40
    assert np.flatnonzero(t.outliers(faces, EVEN)).tolist() == [17, 40]


@pytest.mark.parametrize("jump", [0.0, 0.05, 0.09, 0.3])
def test_outliers_are_the_same_whether_clips_without_any_are_told_early(
    monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        faces = drawn_face((200, 200)) + rng.normal(0, 0.4, (40, 68, 2))
        faces[rng.integers(2, 38, 3)] += jump * 100
        faces += np.cumsum(rng.normal(0, 1.5, (40, 1, 2)), axis=0)
        early = t.outliers(faces, EVEN[:40])
        with monkeypatch.context() as m:
            m.setattr(t, "_off_neighbours", lambda points, times: np.full(1, np.inf))
            assert (t.outliers(faces, EVEN[:40]) == early).all()


def test_a_quick_nod_is_no_outlier() -> None:
    nod = 40 * np.exp(-(((EVEN - 1.2) / 0.15) ** 2))
    faces = (
        drawn_face() + np.stack([0 * nod, nod], -1)[:, None] + RNG.normal(size=(60, 68, 2)) * 0.3
    )
    assert not t.outliers(faces, EVEN).any()


def test_a_gap_is_bridged_along_the_motion() -> None:
    faces, valid = moving_face(), np.ones(60, bool)
    valid[20:28] = False
    out, filled = t.fill(np.where(valid[:, None, None], faces, 0), valid, EVEN, max_gap_s=0.5)
    assert filled.tolist() == (~valid).tolist()
    rigid = np.r_[0:60]
    assert np.abs(out[20:28, rigid] - faces[20:28, rigid]).max() < 2.0
    assert (out[valid] == faces[valid]).all()


def test_a_gap_is_bridged_the_same_in_reversed_time() -> None:
    faces, valid = moving_face(), np.ones(60, bool)
    valid[20:28] = False
    forwards, _ = t.fill(faces, valid, EVEN, max_gap_s=0.5)
    backwards, _ = t.fill(faces[::-1], valid[::-1], -EVEN[::-1], max_gap_s=0.5)
    np.testing.assert_allclose(forwards, backwards[::-1], atol=0.05)


def test_long_gaps_and_open_ends_are_left() -> None:
    valid = np.ones(60, bool)
    valid[:4] = valid[20:40] = valid[57:] = False
    _, filled = t.fill(moving_face(), valid, EVEN, max_gap_s=0.5)
    assert not filled.any()


def test_fade_rises_after_and_falls_before_every_gap() -> None:
    present = np.ones(60, bool)
    present[30:33] = False
    weights = t.fade(present, EVEN, ramp_s=0.2, start_fades=False, end_fades=True)
    assert (weights[30:33] == 0).all()
    assert (weights[:24] == 1).all()
    assert (np.diff(weights[24:31]) <= 0).all()
    assert (np.diff(weights[32:39]) >= 0).all()
    assert 0 < weights[59] < weights[55]
    assert weights[45] == 1


def test_hold_switches_only_beyond_both_thresholds_and_for_long_enough() -> None:
    values = np.full(60, 0.5)
    values[10:30] = 0.9
    values[18:20] = 0.1  # too short to count
    values[40:] = 0.1
    states = t.hold(values, EVEN, low=0.3, high=0.7, min_duration_s=0.3)
    assert states[:40].all()
    assert not states[40:].any()


def test_hold_never_flickers_on_noise() -> None:
    states = t.hold(RNG.random(500), np.arange(500) / 25, low=0.4, high=0.6, min_duration_s=0.4)
    changes = np.flatnonzero(np.diff(states.astype(int)))
    assert len(changes) == 0 or np.diff(changes).min() >= 10


def test_hold_is_the_same_in_reversed_time_when_every_sample_is_decided() -> None:
    values = np.repeat(RNG.integers(0, 2, 12), 5).astype(float)
    a = t.hold(values, EVEN, low=0.4, high=0.6, min_duration_s=0.19)
    b = t.hold(values[::-1], -EVEN[::-1], low=0.4, high=0.6, min_duration_s=0.19)
    assert (a == b[::-1]).all()


def test_soften_states_ramps_evenly_round_a_change() -> None:
    states = EVEN >= 1.0
    soft = t.soften_states(states, EVEN, ramp_s=0.2)
    assert soft[EVEN < 0.87].max() == 0
    assert soft[EVEN > 1.09].min() == 1
    np.testing.assert_allclose(soft[20:30] + soft[20:30][::-1], 1, atol=1e-9)


def test_runs_are_the_stretches_of_true() -> None:
    present = np.array([0, 1, 1, 0, 1], bool)
    assert t.runs(present) == [slice(1, 3), slice(4, 5)]


TURNED_AT_ONCE = similarity(1.0, 90, 500, 40)
CUT_CLOSER = similarity(1.4, 0, -30, -60)


@pytest.mark.parametrize("step", [TURNED_AT_ONCE, CUT_CLOSER], ids=["turned", "closer"])
def test_what_changes_at_once_is_not_smoothed_over(step: np.ndarray) -> None:
    faces = moving_face() + RNG.normal(size=(60, 68, 2)) * 0.3
    after = faces.copy()
    after[30:] = transform(step, faces[30:])
    kept = t.smooth_landmarks(after, EVEN, strength_s=0.06)
    size = np.linalg.norm(after[:, 45] - after[:, 36], axis=1)
    off = np.linalg.norm(kept - after, axis=2).mean(1) / size
    assert off.max() < 0.02
    alone = t.smooth_landmarks(after[30:], EVEN[30:], strength_s=0.06)
    np.testing.assert_allclose(kept[30:], alone, atol=1e-9)


@pytest.mark.parametrize(
    "step",
    [TURNED_AT_ONCE, CUT_CLOSER, similarity(1.0, 0, 90, 0)],
    ids=["turned", "closer", "aside"],
)
def test_squares_follow_what_changes_at_once(step: np.ndarray) -> None:
    quads = ffhq_quad(moving_face())
    quads[30:] = transform(step, quads[30:])
    out = t.smooth_quads(quads, EVEN, strength_s=0.12)
    side = np.linalg.norm(quads[:, 3] - quads[:, 0], axis=1)
    assert (np.linalg.norm(out - quads, axis=2).max(1) / side).max() < 0.02
