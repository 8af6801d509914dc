"""Every kind of input that is damaged; a new one is one line here."""

from __future__ import annotations

from . import containers, side_files
from .run import Family

FAMILIES: dict[str, Family] = {
    family.name: family for family in (containers.FAMILY, *side_files.FAMILIES)
}
