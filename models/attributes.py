"""What users are told of an attribute: one record, from a weight file's card to the table of
`attrs`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Region = Literal["face", "hair", "hat", "ears", "neck"]
"""Part of a picture that a face parsing network tells apart."""

FacePart = Literal["mouth", "eyes"]
"""Part of a face that something may cover while the rest is seen."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One thing that can be changed in a face."""

    name: str
    """As typed: `smile`."""
    summary: str = ""
    """What strength +1 does, in one line."""
    aliases: tuple[str, ...] = ()
    low: float = -2.0
    """Lowest strength that still looks like a photograph."""
    high: float = 2.0
    """Highest strength that still looks like a photograph."""
    experimental: bool = False
    """True if it works on some faces only."""
    regions: tuple[Region, ...] = ("face",)
    """What of the picture it changes; anything but the face needs face parsing."""
    needs: tuple[FacePart, ...] = ()
    """Parts of a face without which it cannot be made: an edit fades while one is covered."""
