"""Grey hair: where it begins, how light it gets, and that it has no more contrast than hair has."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.imaging.hair_grey import greyed, strands_of, temples
from pipeline.imaging.hair_tones import HairTone, luma_of
from pipeline.imaging.tones import logs_of

from ..faces import drawn_face

SIDE, EYES = 240, 100.0
Floats = NDArray[np.float32]
SKIN = np.array([0.78, 0.60, 0.50], np.float32)
ALL = np.ones((SIDE, SIDE), np.float32)


def hair_of(colour: tuple[float, float, float], *, strands: float, noise: int = 0) -> Floats:
    """(3, SIDE, SIDE) in [-1, 1]: strands of a pixel or two, side by side."""
    rng = np.random.default_rng(0)
    lines = cv2.GaussianBlur(rng.normal(size=(1, SIDE)).astype(np.float32), (0, 0), 0.8)
    light = np.exp(strands * (lines / lines.std()))[None] * np.array(colour)[:, None, None]
    light = np.broadcast_to(light, (3, SIDE, SIDE))
    grain = np.random.default_rng(noise).normal(size=(1, SIDE, SIDE)) * 1.2 / 255
    return np.asarray(2 * np.clip(light + grain, 0, 1) - 1, np.float32)


def tone_of(hair: Floats) -> HairTone:
    median = np.median(logs_of(hair).reshape(3, -1), axis=1).astype(np.float32)
    skin = logs_of((2 * SKIN - 1)[:, None, None])[:, 0, 0]
    return HairTone(median, strands_of(hair, ALL, EYES), skin)


def grey(hair: Floats, strength: float, early: float = 0.0) -> Floats:
    return greyed(hair, ALL, early * ALL, tone_of(hair), EYES, strength)


def spread(picture: Floats) -> float:
    return float(luma_of(picture).std())


BLACK, BROWN, FAIR = (0.09, 0.08, 0.075), (0.36, 0.24, 0.16), (0.62, 0.50, 0.36)


@pytest.mark.parametrize("colour", [BLACK, BROWN, FAIR], ids=["black", "brown", "fair"])
@pytest.mark.parametrize("strength", [0.5, 1.0, 2.0])
def test_strands_are_kept_and_do_not_become_lines_of_ink(
    colour: tuple[float, float, float], strength: float
) -> None:
    hair = hair_of(colour, strands=0.2)
    edited = grey(hair, strength)
    both = [luma_of(p)[SIDE // 2] for p in (hair, edited)]
    assert np.corrcoef(*both)[0, 1] > 0.9
    relative = [spread(p) / float(luma_of(p).mean()) for p in (hair, edited)]
    assert 0.3 * relative[0] < relative[1] < 1.25 * relative[0]


@pytest.mark.parametrize("colour", [BLACK, BROWN, FAIR], ids=["black", "brown", "fair"])
def test_hair_gets_lighter_and_paler_with_strength_and_never_lighter_than_white_hair(
    colour: tuple[float, float, float],
) -> None:
    hair = hair_of(colour, strands=0.15)
    steps = [hair, *(grey(hair, s) for s in (0.5, 1.0, 2.0, 2.5))]
    lumas = [float(luma_of(p).mean()) for p in steps]
    assert lumas == sorted(lumas)
    assert lumas[-1] < 0.75, "of skin it is 0.64"
    chroma = [
        float(np.ptp(0.5 * p.mean((1, 2)) + 0.5)) / m for p, m in zip(steps, lumas, strict=True)
    ]
    assert chroma == sorted(chroma, reverse=True)


def test_what_is_no_more_than_noise_is_not_made_strands_of() -> None:
    frames = [hair_of(BLACK, strands=0.0, noise=n) for n in (1, 2)]
    tone = tone_of(frames[0])
    after = [greyed(f, ALL, 0 * ALL, tone, EYES, 1.0) for f in frames]
    before, changed = (float(np.std(luma_of(a) - luma_of(b))) for a, b in (frames, after))
    assert changed < 1.2 * before


def test_hair_gets_thin_towards_its_edge_instead_of_ending_in_white() -> None:
    hair = hair_of(BROWN, strands=0.0)
    matte = np.zeros((SIDE, SIDE), np.float32)
    matte[: SIDE // 2] = 1
    matte = cv2.GaussianBlur(matte, (0, 0), 1.5)
    change = luma_of(greyed(hair, matte, 0 * ALL, tone_of(hair), EYES, 1.0)) - luma_of(hair)
    rows = change.mean(1)
    assert rows[SIDE // 2 - 1] < 0.75 * rows[SIDE // 4]
    assert np.abs(np.diff(rows[: SIDE // 2])).max() < 0.3 * rows[SIDE // 4]


@pytest.mark.parametrize("skin", [(0.78, 0.60, 0.50), (0.86, 0.72, 0.70), (0.45, 0.33, 0.28)])
def test_white_hair_is_never_bluer_than_neutral(skin: tuple[float, float, float]) -> None:
    hair = hair_of(BROWN, strands=0.3)
    tone = replace(
        tone_of(hair), skin=logs_of(2 * np.array(skin, np.float32)[:, None, None] - 1)[:, 0, 0]
    )
    white = greyed(hair, ALL, 0 * ALL, tone, EYES, 2.5)
    assert (white[0] >= white[2]).all()


def test_below_0_white_strands_darken_and_blond_ones_that_shine_stay() -> None:
    golden, white = np.array([0.80, 0.68, 0.50]), np.array([0.72, 0.71, 0.69])
    for pale, stays in ((golden, True), (white, False)):
        hair = hair_of(FAIR, strands=0.05)
        tone = tone_of(hair)
        hair[:, :, ::12] = (2 * pale - 1)[:, None, None]
        edited = greyed(hair, ALL, 0 * ALL, tone, EYES, -1.0)
        change = luma_of(edited)[:, ::12] - luma_of(hair)[:, ::12]
        assert (np.abs(change).max() < 0.01) == stays
        assert stays or change.max() < -0.03


def test_white_strands_keep_relief_when_they_take_their_colour_back() -> None:
    hair = hair_of((0.62, 0.61, 0.60), strands=0.15)
    tone = replace(tone_of(hair_of(BROWN, strands=0.2)), strands=0.2)
    edited = greyed(hair, ALL, 0 * ALL, tone, EYES, -1.0)
    spreads = [float(np.log(luma_of(p)).std()) for p in (hair, edited)]
    assert spreads[1] > 0.6 * spreads[0]
    assert luma_of(edited).mean() < 0.85 * luma_of(hair).mean()


def test_temples_are_first_and_the_top_and_long_hair_last() -> None:
    points = drawn_face((SIDE / 2, SIDE / 2), EYES)
    line = np.arange(-SIDE, 2 * SIDE, dtype=np.float32)
    early = temples(points, line, line)

    def at(u: float, v: float) -> float:
        x, y = (round(SIDE / 2 + SIDE + EYES * a) for a in (u, v))
        return float(early[y, x])

    half = abs(points[0, 0] - SIDE / 2) / EYES
    assert min(at(half * 1.03, -0.2), at(-half * 1.03, -0.2)) > 0.8
    assert at(0, -0.9) < 0.05
    assert at(half * 1.03, -0.2) > at(half * 1.5, -0.2) + 0.3
    assert at(half * 1.03, -0.2) > at(half * 1.1, 1.4) + 0.3
