"""Age as a sum: what its parts ask of skin together."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pipeline.editors import retouch
from pipeline.imaging.face_regions import place
from pipeline.imaging.retouching import GAINS_SIDE, Skin, recipe
from pipeline.keyframes import Strength
from pipeline.sums import SUMS, Part

(AGE,) = SUMS["portrait"]
OF_SKIN = {attribute.name for attribute in retouch.SPEC.attributes}


def _constant(strength: Strength) -> float:
    assert isinstance(strength, float)
    return strength


def gains(strength: float) -> Tensor:
    """The gains (4, G, G) of the bands of detail that a strength of age asks for in all."""
    none = torch.zeros(1, 1, 8, 8)
    skin = Skin(none + 1, none, none, none, none.expand(-1, 2, -1, -1), none.expand(-1, 2, -1, -1))
    maps = [
        recipe(part.attribute, skin, _constant(part.strength(strength)))
        for part in AGE.parts
        if part.attribute in OF_SKIN
    ]
    found = [gain for m in maps for gain in m.gains or ()]
    everywhere = torch.ones(1, 1, 1, 1)
    maps_of = [torch.tensor(g.of)[:, None, None] * (everywhere if g.where is None else g.where)[0]
               for g in found]  # fmt: skip
    side = max(gain.shape[-1] for gain in maps_of)
    return sum((gain.expand(-1, side, side) for gain in maps_of), start=torch.zeros(1))


def test_a_part_begins_where_it_starts_and_turns_with_the_sign() -> None:
    part = Part("grey", below=0.5, above=2.0, start=0.5)
    assert [part.strength(total) for total in (-1.5, -0.5, 0.0, 0.5, 1.5)] == [-0.5, 0, 0, 0, 2]


@pytest.mark.parametrize("strength", [-1.0, -2.0, -3.0])
def test_younger_takes_detail_away_at_every_place_but_never_all_of_it(strength: float) -> None:
    shadows = gains(strength)[[0, 2]]
    assert float(shadows.max()) < 0
    assert float(shadows.min()) > -1


@pytest.mark.parametrize("strength", [-1.0, -1.5, -2.0, -3.0])
def test_younger_leaves_the_modelling_of_cheeks(strength: float) -> None:
    """A third of the shadows and half of the lights of folds stay, and most of what is wide."""
    side = GAINS_SIDE
    cheek = place("cheek", side) * (place("bags", side) < 0.01) * (place("nasolabial", side) < 0.01)
    asked = (gains(strength) * cheek).sum((1, 2)) / cheek.sum()
    least = torch.tensor([-0.67, -0.5, -0.4, -0.1])
    assert (asked >= least).all(), asked


def test_older_takes_detail_away_nowhere() -> None:
    for strength in (0.25, 1.0, AGE.attribute.high):
        assert float(gains(strength).min()) >= 0


@pytest.mark.parametrize("strength", [-3.0, -0.5, 0.5, 3.0])
def test_what_older_adds_younger_takes(strength: float) -> None:
    """No part works against the sum: each is of opposite signs for opposite strengths, or idle."""
    for part in AGE.parts:
        assert part.strength(strength) * part.strength(-strength) <= 0
