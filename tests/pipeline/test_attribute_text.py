"""What `--attr` takes: a kind of mover, a name, a strength, and rows of the code."""

from __future__ import annotations

import pytest

from pipeline.attribute_text import Typed, read_attribute, row_window
from pipeline.curve_text import read_curve
from pipeline.errors import UsageError


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("smile", Typed("smile")),
        (" Smooth_Skin =1", Typed("smooth-skin", value="1")),
        ("pca:3=2@rows=2-5", Typed("3", "pca", "2", "2-5")),
        ("pca:3@rows=4", Typed("3", "pca", None, "4")),
        ("direction:smile=-1", Typed("smile", "direction", "-1")),
        ("smile=0:0 24:0.8@in-out", Typed("smile", value="0:0 24:0.8@in-out")),
        ("smile->0.8", Typed("smile", level="0.8")),
        ("direction:smile -> 0.25@rows=0-6", Typed("smile", "direction", None, "0-6", "0.25")),
        ("pca:3=0:0 24:2@in-out@rows=2-5", Typed("3", "pca", "0:0 24:2@in-out", "2-5")),
    ],
)
def test_a_text_is_taken_apart(text: str, typed: Typed) -> None:
    assert read_attribute(text) == typed


def test_the_easing_of_the_last_key_stays_beside_rows() -> None:
    value = read_attribute("smile=0:0 24:2@in-out@rows=2-5").value
    assert value is not None
    assert read_curve(value).keys[-1].easing == "in-out"


@pytest.mark.parametrize("rows", ["5-2", "two", "1-2-3", "-1", "2-"])
def test_rows_that_are_none_are_refused_with_the_form(rows: str) -> None:
    with pytest.raises(UsageError, match="try @rows=2-5"):
        read_attribute(f"smile=1@rows={rows}")


@pytest.mark.parametrize("level", ["", "1", "0", "high", "nan", "-0.2", "0.5=1"])
def test_a_level_that_is_none_is_refused_with_the_form(level: str) -> None:
    with pytest.raises(UsageError, match=r"no number between 0 and 1; try 'smile->0\.8'"):
        read_attribute(f"smile->{level}")


def test_rows_are_counted_from_the_first_to_the_last() -> None:
    assert row_window("2-5") == (2, 6)
    assert row_window("3") == (3, 4)
    assert row_window("") is None
