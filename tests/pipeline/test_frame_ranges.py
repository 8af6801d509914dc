"""Ranges of frames as they are typed, and the timecodes of their ends."""

from __future__ import annotations

from fractions import Fraction

import pytest

from pipeline.errors import UsageError
from pipeline.ranges import check_range, frame_range
from pipeline.timecode import Timecode

NTSC = Fraction(30000, 1001)


def chosen(text: str | None, *, timecode: str = "", rate: Fraction = Fraction(25)) -> range:
    return frame_range(text, 100, timecode=timecode, rate=rate)


def test_both_ends_belong_to_the_range() -> None:
    assert chosen("24-48") == range(24, 49)
    assert chosen(" 7 - 7 ") == range(7, 8)
    assert chosen(None) == range(100)


def test_timecodes_count_from_that_of_the_clip() -> None:
    text = "01:00:10:05-01:00:11:00"
    assert chosen(text, timecode="01:00:10:00") == range(5, 26)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("12", "accepted is FIRST-LAST"),
        ("a-b", "accepted is FIRST-LAST"),
        ("-3-5", "accepted is FIRST-LAST"),
        ("9-3", "the last comes before the first"),
        ("00:00:01:00-40", "accepted is FIRST-LAST"),
    ],
)
def test_what_cannot_be_read_is_refused_before_the_clip_is_known(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_range(text)


def test_frames_that_are_not_there_are_refused_and_those_that_are_named() -> None:
    with pytest.raises(UsageError, match=r"there are 0 to 99$"):
        chosen("90-100")
    with pytest.raises(UsageError, match=r"0 to 99 \(01:00:00:00 to 01:00:03:24\)"):
        chosen("01:00:03:00-01:00:05:00", timecode="01:00:00:00")
    with pytest.raises(UsageError, match="has no timecode"):
        chosen("01:00:03:00-01:00:05:00")


@pytest.mark.parametrize("rate", [NTSC, 2 * NTSC])
def test_drop_frame_timecodes_name_every_frame_and_keep_up_with_the_clock(rate: Fraction) -> None:
    begin = Timecode.read("00:00:00;00")
    assert begin is not None
    named = [str(begin.later(count, rate)) for count in range(20_000)]
    assert all(
        (known := Timecode.read(name)) is not None and known.count(rate) == count
        for count, name in enumerate(named)
    )
    dropped = round(rate / 15)
    assert named[60 * round(rate)] == f"00:01:00;{dropped:02}"
    assert str(begin.later(round(600 * rate), rate)) == "00:10:00;00"  # ten minutes by the clock
