"""Say what a weight file is: every family of networks is asked, and takes out what is its own.

Families look at the content: keys, shapes, and the options stored beside them. What each of them
claims has no key in common with the others', so the order in which they are asked only orders what
is returned. Every network is built and filled before it is accepted, so missing, left-over and
misshapen tensors are named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ..base import WeightsError
from ..networks import Family, families
from ..parts import IN_PACKS, KEYS_SHOWN, Contents, Hints, Part
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
    path, hints = checkpoint.path, hints or Hints()
    known = [family for family in families().values() if hasattr(family, "detect")]
    found: dict[str, list[Contents]] = {}
    for name, content in readings(checkpoint.content):
        contents = Contents(content, path.name, checkpoint.texts, hints)
        if any(family.detect(contents) for family in known):
            found.setdefault(name, []).append(contents)
    if not found:
        names = ", ".join(family.KNOWN for family in reversed(known))
        shape = _shape_of(unwrapped(checkpoint.content))
        raise WeightsError(f"{path} is not recognised: {shape}; known: {names}")
    asked = {name: each for name, each in found.items() if _is_within(name, hints.network)}
    if not asked:
        there = ", ".join(filter(None, found)) or "one only, without a name"
        raise WeightsError(f"{path} holds no network {hints.network!r}; there are: {there}")
    understood: dict[str, tuple[Part, ...]] = {}
    complaints = []
    for name, each in asked.items():
        for contents in each:
            if any(_is_within(name, other) for other in understood):
                break
            try:
                understood[name] = _parts(known, contents)
            except (WeightsError, ValueError) as e:
                complaints.append(e)
    if not understood:
        raise WeightsError(f"{path}: {complaints[0]}") from complaints[0]
    return _only(understood, path)


def _is_within(name: str, other: str) -> bool:
    """Return whether a network is the other one, or a part of it; '' is the whole file."""
    return not other or name == other or name.startswith(f"{other}.")


def _only(networks: Mapping[str, tuple[Part, ...]], path: Path) -> tuple[Part, ...]:
    """Return the one network of a file that has a place in a pack; if none has, the only one. What
    a training keeps for its losses is taken by its name alone.

    Raises:
        WeightsError: there are several.
    """
    usable = [name for name, parts in networks.items() if any(p.role in IN_PACKS for p in parts)]
    candidates = usable or list(networks)
    if len(candidates) == 1:
        return networks[candidates[0]]
    listed = "; ".join(
        f"{name} ({', '.join(part.title for part in parts)})" for name, parts in networks.items()
    )
    raise WeightsError(
        f"{path} holds several networks: {listed}; say which one, such as --network "
        f"{candidates[0]}, and import each by a command of its own"
    )


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
