"""Strengths over time: easings as CSS has them, smooth without overshoot, Nuke's form, VFR."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.curve_text import read_curve
from pipeline.curves import in_frames
from pipeline.curves import values as values_of
from pipeline.edits import Catalogue, moved_by, numbered, resolve_edits
from pipeline.errors import UsageError
from pipeline.keyframes import BEZIERS, Curve, Key, Response
from pipeline.loading import load_pack
from pipeline.request import Edit, EditRequest
from pipeline.timecode import Timecode

CATALOGUE = Catalogue(load_pack("portrait", torch.device("cpu")))
AT_25 = np.arange(101) / 25.0


def values(text: str, times: NDArray[np.float64] = AT_25) -> NDArray[np.float64]:
    return values_of(read_curve(text), times)


def resolved(*attributes: str) -> tuple[Edit, ...]:
    return resolve_edits(EditRequest(Path("clip.mp4"), attributes), CATALOGUE)


@pytest.mark.parametrize(
    ("easing", "share", "way"),
    [
        ("in-out", 25, 0.1292),  # the values that browsers compute
        ("in-out", 50, 0.5),
        ("in-out", 75, 0.8708),
        ("in", 50, 0.3154),
        ("out", 50, 0.6846),
        ("(0.25,0.1,0.25,1)", 50, 0.8024),  # CSS's `ease`
        ("linear", 30, 0.3),
        ("hold", 99, 0.0),
    ],
)
def test_easings_are_those_of_css(easing: str, share: int, way: float) -> None:
    assert values(f"0:0@{easing} 100:1")[share] == pytest.approx(way, abs=5e-5)


@pytest.mark.parametrize("handles", [*BEZIERS.values(), (0.1, 1.7, 0.3, -0.6), (0.9, 0.2, 0.1, 1)])
def test_a_bezier_is_where_its_polynomial_says(handles: tuple[float, float, float, float]) -> None:
    x1, y1, x2, y2 = handles
    found = values_of(Curve((Key(0.0, 0.0, handles), Key(100.0, 1.0))), AT_25)
    for share in (3, 20, 50, 81, 97):
        roots = np.roots([1 + 3 * x1 - 3 * x2, 3 * x2 - 6 * x1, 3 * x1, -share / 100])
        (t,) = {round(r.real, 6) for r in roots if abs(r.imag) < 1e-5 and -1e-9 <= r.real <= 1}
        wanted = 3 * t * (1 - t) ** 2 * y1 + 3 * t**2 * (1 - t) * y2 + t**3
        assert found[share] == pytest.approx(wanted, abs=2e-5)


def test_beyond_its_keys_a_value_holds() -> None:
    found = values("20:0.25 40:0.5")
    assert set(found[:21]) == {0.25}
    assert set(found[40:]) == {0.5}


def test_at_a_key_and_between_equal_ones_the_value_is_exact() -> None:
    found = values("0:0 24:0.8@in-out 60:0.8@smooth 70:0.8@(0.3,2,0.7,-1) 80:0.8 90:0")
    assert set(found[24:81]) == {0.8}


def test_smooth_never_overshoots_and_has_no_corner() -> None:
    rng = np.random.default_rng(5)
    times = np.arange(20_001) / 5000
    for _ in range(20):
        frames = np.sort(rng.choice(np.arange(1, 19_999), 5, replace=False))
        heights = rng.uniform(-3, 3, 5)
        keys = [Key(float(f), float(v), "smooth") for f, v in zip(frames, heights, strict=True)]
        found = values_of(Curve(tuple(keys)), times)
        for k in range(4):
            part = found[frames[k] : frames[k + 1] + 1]
            rise = np.diff(part) * np.sign(heights[k + 1] - heights[k])
            assert (rise >= -1e-12).all(), "not monotone, or beyond its keys"
        slopes = np.diff(found) * 5000
        near = np.array([[slopes[f - 1], slopes[f]] for f in frames])
        steepest = np.abs(slopes).max()
        assert np.abs(np.diff(near)).max() < 0.05 * steepest


def test_smooth_rises_through_a_key_that_lies_between_its_neighbours() -> None:
    found = values("0:0@smooth 50:1@smooth 100:2")
    assert found[51] - found[49] == pytest.approx(2 * 2 / 100, rel=3e-2), "Catmull and Rom's slope"
    assert found[1] < 0.002, "level at its first key"


@pytest.mark.parametrize(
    ("nuke", "own"),
    [
        ("{curve x1009 0 x1030 0.5}", "1009:0@smooth 1030:0.5@smooth"),
        ("{{curve L x1009 0 x1030 0.5}}", "1009:0 1030:0.5"),
        ("{curve K x10 1 L x20 0.5 S x30.5 -0.25}", "10:1@hold 20:0.5 30.5:-0.25@smooth"),
        ("{curve i L 1 2 x10 3 4}", "0:1 1:2 10:3 19:4"),
    ],
)
def test_a_curve_pasted_from_nuke_is_the_same_as_in_the_own_form(nuke: str, own: str) -> None:
    assert read_curve(nuke) == read_curve(own)
    (edit,) = resolved(f"smile={nuke}") if "4" not in nuke else (Edit("smile", read_curve(nuke)),)
    assert edit.strength == read_curve(own)


@pytest.mark.parametrize("text", ["0:0 24:0.8@in-out 1.5s:2", "01:00:10:00:0.8@(0.4,0.1,0.2,1)"])
def test_a_curve_as_text_can_be_read_back(text: str) -> None:
    assert str(read_curve(text)) == text
    spaced = text.replace(",", ", ").replace(" 1.5s", "\n\t1.5s")
    assert read_curve(spaced) == read_curve(text)


def test_a_curve_goes_by_time_where_frames_come_at_any() -> None:
    times = 7.0 + np.array([0.0, 0.1, 0.5, 0.6, 1.0, 1.7])
    assert values("0s:0 1s:1", times) == pytest.approx([0, 0.1, 0.5, 0.6, 1, 1])
    assert values("0:0 4:1", times) == pytest.approx([0, 0.1, 0.5, 0.6, 1, 1])
    assert values("0:0 1.5:1", times)[1] == pytest.approx(0.1 / 0.3)


def test_keys_before_and_beyond_the_clip_are_at_the_mean_distance_of_its_frames() -> None:
    times = np.arange(11) / 10
    assert values("-10:0 20:3", times) == pytest.approx(np.linspace(1, 2, 11))
    assert values("5:1", np.zeros(1)) == pytest.approx([1])


def test_a_key_in_seconds_is_that_of_a_frame_stored_in_milliseconds() -> None:
    times = np.round(np.arange(48) / 24, 3)  # 0.042, 0.083, 0.125 …
    assert values(f"0:0@hold {1 / 24}s:1", times).tolist() == [0.0] + [1.0] * 47


@pytest.mark.parametrize(
    ("text", "rate", "count"),
    [
        ("01:00:00:00", Fraction(24), 86_400),
        ("00:00:10:12", Fraction(24_000, 1001), 252),
        ("00:01:00;02", Fraction(30_000, 1001), 1800),  # 00:00:59;29 is 1799
        ("00:10:00;00", Fraction(30_000, 1001), 17_982),
        ("01:00:00;00", Fraction(60_000, 1001), 215_784),
    ],
)
def test_timecodes_count_frames_as_smpte_does(text: str, rate: Fraction, count: int) -> None:
    timecode = Timecode.read(text)
    assert timecode is not None
    assert timecode.count(rate) == count
    assert str(timecode) == text


def test_frames_are_counted_from_the_clip_s_own_number_and_timecode() -> None:
    edit = Edit("smile", read_curve("1009:0 01:00:02:00:1 3s:2"))
    (here,) = numbered([edit], 1001, timecode="01:00:00:00", rate=Fraction(24))
    assert str(here.strength) == "8:0 48:1 3s:2"
    with pytest.raises(UsageError, match="the clip has none"):
        numbered([edit], 1001, timecode="", rate=Fraction(24))
    with pytest.raises(ValueError, match="has to be turned"):
        values_of(Curve((Key(Timecode(1, 0, 0, 0), 1.0),)), AT_25)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("smile=0:0 24:0,8", "the key '24:0,8': the value '0,8' is not a number"),
        ("smile=0:0 24", "the key '24' lacks a time or a value"),
        ("smile=0:0 :1", "the key ':1' lacks a time or a value"),
        ("smile=0:0 1m:1", "'1m' is no time; WHEN is a frame"),
        ("smile=0:0 nan:1", "'nan' is no time"),
        ("smile=0:0 1:inf", "'inf' is not a number"),
        ("smile=0:0@slow 9:1", "the easing 'slow' is unknown; accepted: linear, hold, smooth"),
        ("smile=0:0@(2,0,1,1) 9:1", "x1 and x2 from 0 to 1"),
        ("smile=0:0@(0,0,1) 9:1", "is unknown"),
        ("smile=9:0 9:1", "the key 9:1 is not after 9:0"),
        ("smile=2s:0 1s:1", "the key 1s:1 is not after 2s:0"),
        ("smile=0:0 24:4", "strength 4 of 'smile' at the key 24:4 is out of range; accepted: -3"),
        ("smile=0:0@(0.2,3,0.6,3) 9:2", "between the keys"),
        ("age=0:0 24:3.2", "of 'age' at the key 24:3.2 is out of range"),
        ("smile={curve x1 0 s0 x9 1}", "'s0' in a curve of Nuke is a slope set by hand"),
        ("smile={curve C x1 0 x9 1}", "goes beyond its keys"),
        ("smile={curve l x1 0 x9 1}", "add a key there"),
        ("smile={curve x1 0 x9}", "its last key lacks a value"),
        ("smile={frame/100}", "is no curve of Nuke"),
        ("smile={curve}", "has no key"),
    ],
)
def test_what_cannot_be_a_curve_is_refused_by_its_key(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=r".") as caught:
        resolved(text)
    assert words in str(caught.value)


def test_keys_that_are_in_order_only_by_the_clip_s_times_are_refused_then() -> None:
    with pytest.raises(UsageError, match="the key 10:1 is not after 2s:0"):
        values("2s:0 10:1")


def test_a_curve_of_nothing_is_nothing() -> None:
    assert not read_curve("0:0 9:0")
    assert read_curve("0:0@(0.2,1,0.6,-1) 9:1")
    assert in_frames(0.8, AT_25) == 0.8


def test_a_sum_carries_its_curve_to_its_parts() -> None:
    (edit,) = resolved("age=0:-1 50:0@in-out 100:2")
    assert isinstance(edit.strength, Curve)
    total = values_of(edit.strength, AT_25)
    assert total[75] == pytest.approx(1.0)
    for part in CATALOGUE.parts_of(edit):
        assert isinstance(part.strength, Curve)
        for frame in (0, 10, 50, 60, 75, 90, 100):
            alone = CATALOGUE.parts_of(Edit("age", float(total[frame])))
            wanted = {p.attribute: p.strength for p in alone}.get(part.attribute, 0.0)
            assert values_of(part.strength, AT_25)[frame] == pytest.approx(wanted)
    (young,) = resolved("age=0:-1 50:0")
    assert "hair-grey" not in {part.attribute for part in CATALOGUE.parts_of(young)}


def test_a_part_begins_where_it_is_told_to() -> None:
    grey = Curve((Key(0.0, 0.0), Key(100.0, 2.0))).answered(Response(0.0, 0.5, start=1.0))
    assert values_of(grey, AT_25)[[0, 50, 75, 100]] == pytest.approx([0, 0, 0.25, 0.5])
    assert grey
    assert not Curve((Key(0.0, 0.9),)).answered(Response(0.0, 0.5, start=1.0))
    ended = Curve((Key(0.0, 0.0), Key(100.0, 2.0))).answered(Response(0.0, 0.5, most_above=0.6))
    assert values_of(ended, AT_25)[[0, 50, 75, 100]] == pytest.approx([0, 0.5, 0.6, 0.6])


def test_a_curve_is_multiplied_key_by_key_and_checked() -> None:
    (edit,) = resolved("smile=0:0 24:0.8@in-out 90:-1")
    assert moved_by(edit, -1.0, CATALOGUE).strength == read_curve("0:0 24:-0.8@in-out 90:1")
    with pytest.raises(UsageError, match=r"at the key 24:3\.2"):
        moved_by(edit, 4.0, CATALOGUE)
