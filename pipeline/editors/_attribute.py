"""What can be changed in a face."""

from __future__ import annotations

from dataclasses import dataclass

from ..imaging.parsing import Region
from ..types import Needs

FACE: frozenset[Region] = frozenset({"face"})


@dataclass(frozen=True, slots=True)
class Attribute:
    """One thing that can be changed in a face."""

    name: str
    summary: str
    """What strength +1 does, in one line."""
    aliases: tuple[str, ...] = ()
    low: float = -3.0
    """Lowest strength that still looks like a photograph."""
    high: float = 3.0
    """Highest strength that still looks like a photograph."""
    experimental: bool = False
    """True if it works on some faces only."""
    regions: frozenset[Region] = FACE
    """What of the picture it changes."""
    needs: Needs = frozenset()
    """Parts of a face without which it fades; while others are covered, only they stay as they
    are."""
