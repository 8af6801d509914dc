"""Cards: what is known of a stored weight file, beside it as TOML."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import tomli_w

from .. import tensorfile
from ..base import WeightsError
from ..files import write_whole
from ..parts import IN_PACKS, Facts, Licence, Part
from . import toml
from .packfile import lifted


@dataclass(frozen=True, slots=True)
class Card:
    """The facts of one stored weight file."""

    name: str
    role: str
    title: str
    sha256: str
    bytes: int
    licence: Licence
    source: str
    """Name of the file it came in."""
    source_sha256: str
    facts: Facts = field(default_factory=Facts)

    @property
    def has_place(self) -> bool:
        """Whether a pack has a place for it."""
        return self.role in IN_PACKS


def card_of(part: Part, source: Path, source_sha256: str) -> Card:
    """Return the card a part will have; its name holds the hash of its content.

    Raises:
        WeightsError: a number is not finite.
    """
    texts = texts_of(part)
    digest = tensorfile.hash_of(part.tensors, texts)
    return Card(
        name=f"{part.slug}-{digest[:8]}",
        role=part.role,
        title=part.title,
        sha256=digest,
        bytes=tensorfile.size_of(part.tensors, texts),
        licence=part.licence,
        source=source.name,
        source_sha256=source_sha256,
        facts=part.facts,
    )


def texts_of(part: Part) -> dict[str, str]:
    """Return the text metadata of a part's file; nothing that depends on when or where."""
    return {"role": part.role, "title": part.title}


def write_card(card: Card, folder: Path) -> None:
    """Write or replace the card of a weight file.

    Raises:
        OSError: it cannot be written.
    """
    licence = {"licence": card.licence.name, "commercial": card.licence.commercial}
    text = tomli_w.dumps({**toml.plain(card), **licence})
    write_whole(folder / f"{card.name}.toml", text)


def read_card(path: Path) -> Card:
    """Return the card of a file.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        table = toml.read(path)
        facts = table.setdefault("facts", {})
        if told := lifted(facts):
            facts["attribute"] = told
        licence = {"name": table.get("licence"), "commercial": table.get("commercial")}
        return toml.record(Card, {**table, "licence": licence})
    except (WeightsError, OSError, ValueError) as e:
        raise WeightsError(f"the card {path} cannot be read ({e}); import the weights again") from e


def bound(card: Card, generator: str) -> Card:
    """Return a card bound to the latent space of a generator.

    Raises:
        WeightsError: it is bound to another.
    """
    if card.facts.generator not in ("", generator):
        raise WeightsError(
            f"{card.name} ({card.source}) moves codes of generator {card.facts.generator}; the "
            f"pack's generator is {generator}, whose codes mean other things. Use it with the pack "
            "it was imported for, or bring one made for this generator"
        )
    return replace(card, facts=replace(card.facts, generator=generator))
