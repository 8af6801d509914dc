"""Cards: what is known of a stored weight file, beside it as TOML."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args

from ..base import WeightsError
from ..files import write_whole
from . import tensorfile, toml
from .parts import IN_PACKS, Facts, Licence, Part, Role


@dataclass(frozen=True, slots=True)
class Card:
    """The facts of one stored weight file."""

    name: str
    role: Role
    title: str
    sha256: str
    bytes: int
    licence: Licence
    source: str
    """Name of the file it came in."""
    source_sha256: str
    facts: Facts

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
    path = folder / f"{card.name}.toml"
    table: dict[str, Any] = {
        f.name: getattr(card, f.name) for f in fields(Card) if f.name not in ("licence", "facts")
    }
    table |= {"licence": card.licence.name, "commercial": card.licence.commercial}
    default = Facts()
    known = {k: v for k, v in asdict(card.facts).items() if v != getattr(default, k)}
    write_whole(path, toml.dumps({**table, "facts": known}))


def read_card(path: Path) -> Card:
    """Return the card of a file.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        table = toml.read(path)
        known = {f.name: f for f in fields(Facts)}
        facts: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in table.pop("facts", {}).items()
            if key in known
        }
        licence = Licence(table.pop("licence"), table.pop("commercial"))
        if table["role"] not in get_args(Role):
            raise ValueError(f"role {table['role']!r}")
        card = Card(**table, licence=licence, facts=Facts(**facts))
        _check_types(card, ("licence", "facts", "role"))
        _check_types(licence, ())
        _check_types(card.facts, ())
    except (WeightsError, OSError, *_MALFORMED) as e:
        raise WeightsError(f"the card {path} cannot be read ({e}); import the weights again") from e
    return card


_MALFORMED = (AttributeError, KeyError, TypeError, ValueError)
"""What a table of another shape raises."""


def _check_types(entry: Card | Licence | Facts, but: tuple[str, ...]) -> None:
    """Refuse values of other types than a card's; lists need only hold texts and numbers."""
    for field in fields(entry):
        value, wanted = getattr(entry, field.name), toml.PLAIN_TYPES.get(str(field.type))
        is_right = isinstance(value, wanted or tuple) or (value is None and wanted is None)
        if isinstance(value, bool) and field.type != "bool":
            is_right = False
        if isinstance(value, tuple):
            is_right &= all(isinstance(part, str | int) for part in value)
        if field.name not in but and not is_right:
            raise ValueError(f"{field.name} is not a {field.type}")


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
