"""Attributes that are sums of others, as data: `--attr age=1` asks for all that ageing does.

A sum takes the name of an attribute of a pack, and may have that as one of its parts. What users
see, in `attrs`, reports and file names, is the sum; what is drawn are its parts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .editors import Attribute
from .keyframes import Curve, Response, Strength


@dataclass(frozen=True, slots=True)
class Part:
    """One attribute of a sum, and its strength per unit of the sum."""

    attribute: str
    below: float
    """Where the sum's strength is negative …"""
    above: float
    """… and where it is positive."""
    start: float = 0.0
    """Size of the sum's strength from which the part begins."""
    most_below: float = math.inf
    """Size of its own strength where the part stops growing, where the sum's is negative …"""
    most_above: float = math.inf
    """… and where it is positive."""

    @property
    def response(self) -> Response:
        """What it makes of a number."""
        return Response(self.below, self.above, self.start, self.most_below, self.most_above)

    def strength(self, total: Strength) -> Strength:
        """Return the part's strength for the sum's."""
        return total.answered(self.response) if isinstance(total, Curve) else self.response(total)


@dataclass(frozen=True, slots=True)
class Sum:
    """An attribute made of others."""

    attribute: Attribute
    parts: tuple[Part, ...]
    """In the order in which they are drawn."""


SUMS: Final[Mapping[str, tuple[Sum, ...]]] = {
    "portrait": (
        Sum(
            Attribute(
                "age",
                "older by five to ten years: folds that this face has or would have, uneven skin, "
                "looser contour; -1 four to eight years younger, smoother, cheeks stay modelled",
                aliases=("old", "older"),
                low=-2.0,
                high=2.0,
            ),
            (
                Part("wrinkles", below=0.65, above=0.8, most_below=0.65, most_above=1.3),
                Part("eye-bags", below=0.3, above=0.3, most_below=0.3),
                Part("skin-tone", below=-0.5, above=-0.25, most_below=0.5),
                Part("smooth-skin", below=-0.45, above=-0.45, most_below=0.45, most_above=0.8),
                Part("age", below=1.5, above=1.0),
                Part("hair-grey", below=0.0, above=0.4, start=0.5, most_above=0.45),
            ),
        ),
    ),
}
"""By the name of the pack."""
