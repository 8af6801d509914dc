"""Attributes that are sums: what was asked for stays as it was, its parts are drawn."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from pipeline.edits import Catalogue, moved_by, resolve_edits
from pipeline.errors import UsageError
from pipeline.loading import load_pack
from pipeline.request import Edit, EditRequest
from pipeline.sums import SUMS, Part

PORTRAIT = Catalogue(load_pack("portrait", torch.device("cpu")))
MINI = Catalogue(load_pack("mini", torch.device("cpu")))
AGE = SUMS["portrait"][0]


def resolved(catalogue: Catalogue, *attributes: str, **options: object) -> tuple[Edit, ...]:
    request = EditRequest(Path("clip.mp4"), attributes, **options)  # type: ignore[arg-type]
    return resolve_edits(request, catalogue)


def test_a_sum_is_what_was_asked_for() -> None:
    (edit,) = resolved(PORTRAIT, "older=1.5")
    assert (edit.attribute, edit.strength) == ("age", 1.5)
    assert moved_by(edit, -1.0, PORTRAIT).strength == -1.5
    assert [a.name for a in PORTRAIT.attributes].count("age") == 1
    assert PORTRAIT["age"] == AGE.attribute


@pytest.mark.parametrize("strength", [1.5, -1.0])
def test_its_parts_have_their_own_strengths_on_both_sides(strength: float) -> None:
    (edit,) = resolved(PORTRAIT, f"age={strength}")
    drawn = {part.attribute: part.strength for part in PORTRAIT.parts_of(edit)}
    for part in AGE.parts:
        beyond = abs(strength) - part.start
        share, most = (
            (part.above, part.most_above) if strength > 0 else (-part.below, part.most_below)
        )
        wanted = math.copysign(min(abs(share) * beyond, most), share)
        assert drawn.get(part.attribute, 0.0) == pytest.approx(wanted)


def test_nothing_of_a_sum_is_nothing() -> None:
    (edit,) = resolved(PORTRAIT, "age=0")
    assert all(part.strength == 0 for part in PORTRAIT.parts_of(edit))


def test_other_attributes_and_other_packs_are_drawn_as_they_are() -> None:
    smile, age = resolved(MINI, "smile=1", "age=1")
    assert MINI.drawn([smile, age]) == (smile, age)
    (own,) = resolved(PORTRAIT, "smile=1")
    assert PORTRAIT.parts_of(own) == (own,)


def test_options_reach_the_parts_of_their_editor_only() -> None:
    (edit,) = resolved(PORTRAIT, "age=1", settings=("retouch.moles=true", "latent.mover=direction"))
    options = {part.attribute: part.options for part in PORTRAIT.parts_of(edit)}
    assert options["age"] == (("mover", "direction"),)
    assert options["wrinkles"] == (("moles", True),)


def test_a_sum_has_a_range_of_its_own() -> None:
    with pytest.raises(UsageError, match=r"-2 to 2"):
        resolved(PORTRAIT, "age=3.5")


def test_every_sum_is_of_attributes_that_are_offered() -> None:
    offered = {a.name for a in PORTRAIT.attributes}
    for known in SUMS["portrait"]:
        assert {part.attribute for part in known.parts} <= offered
        assert known.attribute.low < 0 < known.attribute.high


def test_a_part_starts_where_it_is_told_to() -> None:
    grey = Part("grey", below=0.0, above=0.5, start=1.0)
    assert [grey.strength(s) for s in (-2.0, 0.5, 1.0, 2.0)] == [0.0, 0.0, 0.0, 0.5]


def test_a_part_grows_to_its_most_on_either_side_and_no_further() -> None:
    part = Part("tone", below=-0.5, above=-0.25, most_below=0.6, most_above=0.3)
    assert [part.strength(s) for s in (-3.0, -1.0, 1.0, 3.0)] == [0.6, 0.5, -0.25, -0.3]
