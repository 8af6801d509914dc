"""Cuts are found; flashes, pans, lamps, noise and fades are not taken for cuts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.tracking.cuts import CutDetector


def found_cuts(images: Iterable[np.ndarray]) -> tuple[int, ...]:
    """Where new shots begin, from all small frames of a clip."""
    detector = CutDetector()
    for image in images:
        detector.update(image)
    return detector.finish()


def scene(seed: int, frames: int = 30, drift: float = 0.4) -> list[np.ndarray]:
    """A slow pan over a random scene of a few coloured shapes."""
    rng = np.random.default_rng(seed)
    wide = np.full((90, 400, 3), rng.integers(40, 200, 3), np.uint8)
    for _ in range(40):
        centre = (int(rng.integers(0, 400)), int(rng.integers(0, 90)))
        colour = tuple(int(v) for v in rng.integers(0, 255, 3))
        cv2.circle(wide, centre, int(rng.integers(8, 25)), colour, -1)
    wide = cv2.GaussianBlur(wide, (0, 0), 1.5)
    return [wide[9:81, int(i * drift) : int(i * drift) + 96].copy() for i in range(frames)]


def test_cuts_between_scenes_are_found_to_the_frame() -> None:
    assert found_cuts(scene(1) + scene(2, 17) + scene(3, 25)) == (30, 47)


@pytest.mark.parametrize("at", [1, 2, 4, 28, 29])
def test_a_cut_near_an_end_of_the_clip_is_found(at: int) -> None:
    assert found_cuts(scene(1, at) + scene(2, 30 - at)) == (at,)


def test_a_cut_is_found_from_either_side_of_time() -> None:
    clip = scene(1, 20) + scene(2, 30)
    assert found_cuts(clip[::-1]) == (30,)


def test_shots_of_half_a_second_are_told_apart() -> None:
    clip = [frame for seed in range(5) for frame in scene(seed, 12)]
    assert found_cuts(clip) == (12, 24, 36, 48)


@pytest.mark.parametrize("length", [1, 2])
def test_a_flash_is_no_cut(length: int) -> None:
    clip = scene(4)
    for i in range(15, 15 + length):
        clip[i] = np.full_like(clip[i], 255)
    assert found_cuts(clip) == ()


@pytest.mark.parametrize("speed", [1.0, 6.0, 9.0])
def test_a_pan_is_no_cut(speed: float) -> None:
    assert found_cuts(scene(5, 30, speed)) == ()


def test_a_lamp_switched_on_is_no_cut() -> None:
    clip = scene(6)
    lit = [(f * 0.5).astype(np.uint8) for f in clip[:15]] + clip[15:]
    assert found_cuts(lit) == ()


def test_noise_is_no_cut() -> None:
    rng = np.random.default_rng(0)
    clip = [np.clip(f + rng.normal(0, 25, f.shape), 0, 255).astype(np.uint8) for f in scene(7)]
    assert found_cuts(clip) == ()


@pytest.mark.parametrize("length", [8, 20])
def test_a_dissolve_is_no_cut(length: int) -> None:
    a, b = scene(8, 40)[0].astype(float), scene(9, 40)[0].astype(float)
    share = np.clip((np.arange(40) - 10) / length, 0, 1)
    assert found_cuts([(a * (1 - s) + b * s).astype(np.uint8) for s in share]) == ()


def test_a_fade_to_black_is_no_cut() -> None:
    clip = scene(10, 30)
    assert (
        found_cuts(
            [(f * s).astype(np.uint8) for f, s in zip(clip, np.linspace(1, 0, 30), strict=True)]
        )
        == ()
    )


def barred(
    frames: list[np.ndarray], share: tuple[float, float], colour: int = 16, noise: float = 0.0
) -> list[np.ndarray]:
    """The frames, shrunk to a share of the width and height, between bars."""
    rng, out = np.random.default_rng(0), []
    for frame in frames:
        height, width = frame.shape[:2]
        size = (round(width * share[0]), round(height * share[1]))
        whole = np.full_like(frame, colour)
        x, y = (width - size[0]) // 2, (height - size[1]) // 2
        small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        whole[y : y + size[1], x : x + size[0]] = small
        noisy = whole + rng.normal(0, noise, whole.shape)
        out.append(np.clip(noisy, 0, 255).astype(np.uint8))
    return out


def person(seed: int, frames: int = 20) -> list[np.ndarray]:
    """Somebody who moves a little before a wall: a head, hair, a shirt."""
    rng = np.random.default_rng(seed)
    tones = [tuple(int(v) for v in rng.integers(30, 220, 3)) for _ in range(4)]
    x, y, out = int(rng.integers(40, 60)), int(rng.integers(24, 34)), []
    for i in range(frames):
        picture = np.full((72, 96, 3), tones[0], np.uint8)
        cv2.ellipse(picture, (x + i % 3, y + 40), (34, 24), 0, 0, 360, tones[1], -1)
        cv2.ellipse(picture, (x + i % 3, y - 3), (19, 22), 0, 0, 360, tones[2], -1)
        cv2.ellipse(picture, (x + i % 3, y + 3), (15, 19), 0, 0, 360, tones[3], -1)
        out.append(cv2.GaussianBlur(picture, (0, 0), 1.0))
    return out


BARS = {
    "pillars": (0.4, 1.0),
    "letterbox": (1.0, 0.5),
    "window": (0.5, 0.5),
    "narrow window": (0.3, 0.6),
}


@pytest.mark.parametrize("share", BARS.values(), ids=BARS)
@pytest.mark.parametrize("colour", [0, 235])
def test_bars_do_not_hide_a_cut(share: tuple[float, float], colour: int) -> None:
    for seed in (1, 4, 7):
        clip = scene(seed, 20) + scene(seed + 1, 20)
        assert found_cuts(barred(clip, share, colour, noise=1.0)) == (20,)


@pytest.mark.parametrize("seed", [0, 2, 6, 8, 10, 14])
def test_two_people_between_pillars_are_two_shots(seed: int) -> None:
    assert found_cuts(barred(person(seed) + person(seed + 1), (0.4, 1.0))) == (20,)


def test_bars_of_other_widths_begin_another_shot() -> None:
    clip = barred(scene(1, 20), (0.4, 1.0)) + barred(scene(2, 20), (1.0, 0.7)) + scene(3, 20)
    assert found_cuts(clip) == (20, 40)


def test_a_logo_in_a_bar_leaves_it_a_bar() -> None:
    clip = barred(person(1) + person(2), (0.4, 1.0))
    for frame in clip:
        frame[4:7, 6:14] = (200, 30, 30)
    assert found_cuts(clip) == (20,)


@pytest.mark.parametrize("share", BARS.values(), ids=BARS)
def test_between_bars_too_only_cuts_are_cuts(share: tuple[float, float]) -> None:
    flash = scene(4)
    flash[15] = np.full_like(flash[15], 255)
    fade = [
        (f * s).astype(np.uint8)
        for f, s in zip(scene(10), np.abs(np.linspace(-1, 1, 30)), strict=True)
    ]
    lamp = [(f * 0.5).astype(np.uint8) for f in scene(6)[:15]] + scene(6)[15:]
    for clip in (scene(5, 30, 6.0), person(3, 30), flash, fade, lamp):
        assert found_cuts(barred(clip, share, 0)) == ()


@pytest.mark.parametrize("towards", [0, 255])
@pytest.mark.parametrize("length", [6, 12, 25])
def test_a_fade_and_back_is_no_cut_though_nothing_moves(length: int, towards: int) -> None:
    still = scene(10)[0].astype(float)
    down = np.linspace(1, 0, length + 1)
    share = np.concatenate([np.ones(8), down, np.zeros(8), down[::-1], np.ones(8)])
    assert found_cuts([(still * s + towards * (1 - s)).astype(np.uint8) for s in share]) == ()


def test_a_cut_to_black_and_one_out_of_it_are_cuts() -> None:
    black = [np.zeros((72, 96, 3), np.uint8)] * 10
    assert found_cuts(scene(1, 20) + black + scene(2, 20)) == (20, 30)


def test_uint8_and_float_pictures_are_the_same_to_it() -> None:
    clip = scene(1) + scene(2)
    assert found_cuts([f.astype(np.float32) / 255 for f in clip]) == found_cuts(clip)


def test_update_says_at_once_when_a_frame_looks_like_a_new_shot() -> None:
    detector = CutDetector()
    said = [detector.update(f) for f in scene(1, 10) + scene(2, 10)]
    assert [i for i, s in enumerate(said) if s] == [10]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_tiny_clips_have_no_cuts(count: int) -> None:
    assert found_cuts(scene(1, 5)[:count]) == ()


def test_real_clips_in_a_row_are_cut_where_they_join(shared: Path) -> None:
    clip, joins = [], []
    for name in ("d0", "d9", "d13", "s18", "d9"):
        video = cv2.VideoCapture(str(shared / f"data/clips/{name}.mp4"))
        for _ in range(15):
            ok, frame = video.read()
            assert ok
            clip.append(cv2.resize(frame[..., ::-1], (96, 72), interpolation=cv2.INTER_AREA))
        joins.append(len(clip))
    assert found_cuts(clip) == tuple(joins[:-1])
