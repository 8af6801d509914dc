"""Say what a weight file is: every family of networks is asked, and takes out what is its own.

Families look at the content: keys, shapes, and the options stored beside them. What each of them
claims has no key in common with the others', so the order in which they are asked only orders what
is returned. Every network is built and filled before it is accepted, so missing, left-over and
misshapen tensors are named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from ..base import WeightsError
from ..networks import Family, families
from ..parts import KEYS_SHOWN, Contents, Hints, Part
from ..reading.checkpoint import Checkpoint
from ..reading.unwrapping import readings, unwrapped

__all__ = ["Hints", "recognise"]


def recognise(checkpoint: Checkpoint, hints: Hints | None = None) -> tuple[Part, ...]:
    """Return the networks a file holds, each checked against the network it claims to be, in the
    order of their families' names.

    Raises:
        WeightsError: nothing known is in it, or its keys or shapes are not complete, or it does
            not say something that is needed (which attribute, which kind).
    """
    path = checkpoint.path
    known = [family for family in families().values() if hasattr(family, "detect")]
    found = []
    for content in readings(checkpoint.content):
        contents = Contents(content, path.name, checkpoint.texts, hints or Hints())
        if any(family.detect(contents) for family in known):
            found.append(contents)
    if not found:
        names = ", ".join(family.KNOWN for family in reversed(known))
        shape = _shape_of(unwrapped(checkpoint.content))
        raise WeightsError(f"{path} is not recognised: {shape}; known: {names}")
    complaints = []
    for contents in found:
        try:
            return _parts(known, contents)
        except (WeightsError, ValueError) as e:
            complaints.append(e)
    raise WeightsError(f"{path}: {complaints[0]}") from complaints[0]


def _parts(known: Sequence[Family], contents: Contents) -> tuple[Part, ...]:
    return _together([part for family in known for part in _taken(family, contents)])


def _taken(family: Family, contents: Contents) -> tuple[Part, ...]:
    return family.parts(contents) if family.detect(contents) else ()


def _together(parts: list[Part]) -> tuple[Part, ...]:
    """Return parts of one file bound to the generator among them; left aside is what none used."""
    generator = next((p.facts.generator for p in parts if p.role == "generator"), "")
    aside = [key for key in parts[0].left_aside if all(key in p.left_aside for p in parts)]
    return tuple(
        replace(
            part,
            left_aside=tuple(aside),
            facts=replace(part.facts, generator=generator or part.facts.generator),
        )
        for part in parts
    )


def _shape_of(content: Any) -> str:
    if isinstance(content, Tensor):
        return f"one array of shape {tuple(content.shape)}"
    if isinstance(content, Mapping):
        shown = ", ".join(str(key) for key in list(content)[:KEYS_SHOWN])
        return f"{len(content)} entries ({shown}{', …' if len(content) > KEYS_SHOWN else ''})"
    return f"a {type(content).__name__}"
