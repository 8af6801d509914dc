"""Diagrams show what they are given: colours, outlines and bars, read back from the pixels."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.diagrams import (
    PAINT,
    SIDE_PX,
    Gate,
    areas_of,
    beside,
    gates,
    outline_key,
    outlined,
    paint_key,
    painted,
)
from pipeline.parsing import LABELS

GREY = np.full((64, 64, 3), 128, np.uint8)


def halves(left: str, right: str) -> NDArray[np.float32]:
    """(13, 64, 64): one label left and another right, and nothing known in the last rows."""
    shares = np.zeros((len(LABELS), 64, 64), np.float32)
    shares[LABELS.index(left), :48, :32] = 1
    shares[LABELS.index(right), :48, 32:] = 1
    return shares


def test_every_label_has_a_paint_of_its_own() -> None:
    assert set(PAINT) == set(LABELS)
    colours = np.array(list(PAINT.values()), int)
    apart = np.abs(colours[:, None] - colours[None]).max(2) + 255 * np.eye(len(colours), dtype=int)
    assert apart.min() >= 40


def test_a_crop_is_painted_where_something_is_known_of_it() -> None:
    shown = painted(GREY, halves("hair", "skin"))
    assert shown.shape == (SIDE_PX, SIDE_PX, 3)
    left, right, below = shown[100, 100], shown[100, -100], shown[-20, 100]
    np.testing.assert_allclose(left, 0.45 * 128 + 0.55 * np.array(PAINT["hair"]), atol=1)
    np.testing.assert_allclose(right, 0.45 * 128 + 0.55 * np.array(PAINT["skin"]), atol=1)
    assert below.tolist() == [128, 128, 128]


def test_the_key_names_what_is_there_with_its_share_of_what_is_known() -> None:
    shares = halves("hair", "front")
    assert paint_key(shares) == [(PAINT["hair"], "hair 50.0%"), (PAINT["front"], "front 50.0%")]
    assert sum(areas_of(shares).values()) == pytest.approx(1)
    assert areas_of(np.zeros_like(shares))["skin"] == 0
    page = beside(painted(GREY, shares), paint_key(shares))
    assert page.shape[0] == SIDE_PX
    assert page.shape[1] > SIDE_PX + 100
    assert page[16, SIDE_PX + 20].tolist() == list(PAINT["hair"])


def test_outlines_lie_where_the_mask_and_the_movement_end() -> None:
    y, x = np.mgrid[:64, :64].astype(np.float32) - 31.5
    radius = np.hypot(x, y)
    mask = np.clip((24 - radius) / 8, 0, 1).astype(np.float32)
    moved = np.clip(12.0 - radius, 0, None).astype(np.float32)
    shown = outlined(GREY, mask, moved).astype(int)
    middle = shown[SIDE_PX // 2, SIDE_PX // 2 :]
    colours = {tuple(c): r for r, c in enumerate(middle.tolist())}
    ends, half, still = (colours[c] for c, _ in outline_key(moved)[:3] if c is not None)
    scale = SIDE_PX / 64
    assert ends == pytest.approx(24 * scale, abs=6)
    assert half == pytest.approx(20 * scale, abs=6)
    assert still == pytest.approx(11.9 * scale, abs=6)
    assert outline_key(moved)[3] == (None, "moved by 11.3 px at most")
    assert len(outline_key()) == 2


def test_gates_are_as_long_and_as_high_as_their_shares() -> None:
    shares = np.ones(100, np.float32)
    shares[50:] = 0.25
    rows = [
        Gate("mouth seen", shares, 0.25),
        Gate("eyes seen", np.ones(100, np.float32), 1.0),
    ]
    shown = gates(rows, 1060, 1000, width=900).astype(int)
    assert shown.shape[1] == 900
    is_green, is_orange = (
        (np.abs(shown - colour).max(2) < 3) for colour in ((70, 160, 90), (235, 160, 40))
    )
    bars, curve = slice(0, 330), slice(400, 892)
    bar = is_orange[40, bars].sum()
    assert is_green[72, bars].sum() == pytest.approx(4 * bar, abs=3)
    heights = (is_green | is_orange)[24:56, curve].sum(0)
    assert heights[-10] == pytest.approx(0.25 * heights[:100].max(), abs=1)
    assert is_green[56:88, curve].sum(0)[-10] == heights[:100].max()
    whole = np.flatnonzero(is_green[72, 335:]) + 335
    line = np.flatnonzero((shown[72, 335:] == 40).all(1)) + 335
    begin, end = whole[0], whole[-1]
    assert line.mean() == pytest.approx(begin + 0.605 * (end - begin), abs=3)
