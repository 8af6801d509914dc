"""Put stored weights together to a pack; refuse what does not belong together.

Codes of one generator mean nothing to another, and a direction file does not say which it was made
for. So the first pack it is put into decides, and any pack with another generator is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from ..attributes import Attribute
from ..base import PackError
from ..movers.files import PREFIX
from ..packs.cards import Card, bound
from ..packs.layers import Layer, codes_of, replaced, shape_of
from ..packs.packfile import (
    ClassifierEntry,
    EncoderEntry,
    FileEntry,
    GeneratorEntry,
    MoverEntry,
    PackFile,
    attributes_of,
)
from ..packs.store import Store
from ..parts import MOVERS

P = TypeVar("P", PackFile, Layer)

COMPONENTS_OFFERED: Final = 10
"""Of GANSpace components, as attributes pca-0, pca-1, ...; `pack.toml` takes more."""


def assembled(
    name: str, existing: PackFile | None, new: Sequence[Card], known: Mapping[str, Card]
) -> tuple[PackFile, dict[str, Card]]:
    """Return a pack with cards put into it, and the cards that are bound to its generator by that.

    Args:
        name: of the pack.
        existing: the pack as it is, if there is one.
        new: what is put in; cards that have no place in a pack are passed over.
        known: all cards of the store.

    Raises:
        PackError: there is no generator, or a part does not fit it.
        WeightsError: a part is bound to another generator.
    """
    useful = [card for card in new if card.has_place]
    generators = [card for card in useful if card.role == "generator"]
    pack = existing or _begun(name, generators)
    generator = _generator_of(pack, generators, known)
    bound_cards: dict[str, Card] = {}
    for card in useful:
        if card.role != "generator":
            _check_fit(card, pack, generator)
            bound_cards[card.name] = bound(card, pack.generator.id)
        pack = _with(pack, bound_cards.get(card.name, card))
    return _licensed(pack, {**known, **{c.name: c for c in new}}), bound_cards


def layered(
    base: str, existing: Layer | None, new: Sequence[Card], known: Mapping[str, Card]
) -> tuple[Layer, dict[str, Card]]:
    """Return what was added to a pack of the program, with cards added, and the cards bound by it.

    Args:
        base: name of the pack.
        existing: what was added before, if anything.
        new: what is added.
        known: all cards of the store.

    Raises:
        PackError: a part moves no codes, or others.
        WeightsError: a part is bound to another generator.
    """
    rows, numbers = shape_of(base)
    layer = existing or Layer(base, codes_of(base), "", commercial=True)
    bound_cards: dict[str, Card] = {}
    for card in new:
        if card.role not in MOVERS:
            raise PackError(
                f"{card.source}: {card.title} cannot be put into {base!r}, a pack of the program; "
                "only what moves its codes can be added (latent transformers, directions, "
                "components). Begin a pack of your own with another name"
            )
        _check_codes(card, rows, numbers, f"those of {base!r} have {rows} of {numbers}")
        bound_cards[card.name] = bound(card, layer.generator)
        layer = _with_movers(layer, bound_cards[card.name])
    return _licensed(layer, {**known, **{c.name: c for c in new}}), bound_cards


def _begun(name: str, generators: Sequence[Card]) -> PackFile:
    if not generators:
        raise PackError(
            f"there is no pack {name!r} yet, and a pack begins with its generator: import that "
            f"first (a pSp or e4e checkpoint holds it too): "
            f"visagist models import psp_ffhq_encode.pt --as {name}"
        )
    card = generators[0]
    entry = GeneratorEntry(
        Store.link_to(card.name), card.facts.size, card.sha256, card.facts.generator
    )
    return PackFile(name, card.licence.name, card.licence.commercial, entry)


def _generator_of(
    pack: PackFile, generators: Sequence[Card], known: Mapping[str, Card]
) -> Card | None:
    for card in generators:
        if card.facts.generator != pack.generator.id:
            raise PackError(
                f"{card.source} holds generator {card.facts.generator} ({card.facts.size} px), the "
                f"pack {pack.name!r} has {pack.generator.id} ({pack.generator.size} px); a pack "
                "has one generator: choose another name with --as"
            )
    mine = Path(pack.generator.file).stem
    return next((card for card in generators if card.name == mine), known.get(mine))


def _check_fit(card: Card, pack: PackFile, generator: Card | None) -> None:
    """Refuse a part whose codes have other rows or other widths than the pack's generator."""
    layers, facts = pack.generator.layers, card.facts
    code = generator.facts.code if generator is not None else facts.code
    has = f"the generator of pack {pack.name!r} ({pack.generator.size} px) has {layers} of {code}"
    _check_codes(card, layers, code, has)
    if facts.inputs and facts.inputs != layers * code:
        raise PackError(f"{card.source}: {card.title} reads codes of {facts.inputs} numbers, {has}")
    wanted = 6 if facts.kind.startswith("restyle") else 3
    if card.role == "encoder" and facts.channels != wanted:
        raise PackError(
            f"{card.source}: this encoder reads pictures of {facts.channels} channels (sketches or "
            "label maps), not photographs; bring one trained to invert faces"
        )


def _check_codes(card: Card, rows: int, code: int, has: str) -> None:
    facts = card.facts
    if facts.layers not in (0, rows) or (facts.code and facts.code != code):
        raise PackError(
            f"{card.source}: {card.title} is for codes of {facts.layers or 'any'} rows of "
            f"{facts.code}, {has}; it was made for another generator"
        )


def _with(pack: PackFile, card: Card) -> PackFile:
    file = Store.link_to(card.name)
    if card.role == "encoder":
        entry = EncoderEntry(
            file,
            card.facts.kind,
            card.sha256,
            card.facts.size,
            start_from_latent_avg=card.facts.start_from_latent_avg,
        )
        if card.facts.widths:
            entry = replace(entry, widths=card.facts.widths, units=card.facts.units)
        return replace(pack, encoder=entry)
    if card.role == "classifier":
        return replace(pack, classifier=ClassifierEntry(file, card.sha256, card.facts.labels))
    if card.role == "parsing":
        return replace(pack, parsing=FileEntry(file, card.sha256))
    return _with_movers(pack, card) if card.role in MOVERS else pack


def _with_movers(pack: P, card: Card) -> P:
    """Return a pack or layer with movers in the place of those of the same editors and attributes;
    what other movers' files say of an attribute stays."""
    added = _mover_entries(card)
    movers = replaced(pack.movers, added)
    still = attributes_of((m for m in movers if m not in added), pack.attributes)
    attributes = attributes_of(movers, still + _attributes(card))
    return replace(pack, movers=movers, attributes=attributes)


def _mover_entries(card: Card) -> tuple[MoverEntry, ...]:
    facts = card.facts
    entry = MoverEntry(
        editor=card.role,
        attribute=facts.attribute.name if facts.attribute is not None else "",
        file=Store.link_to(card.name),
        sha256=card.sha256,
        generator=facts.generator,
        layers=facts.rows,
        unit=facts.unit,
    )
    if card.role == "portrait-movers":
        return tuple(
            replace(entry, editor=editor, attribute=name, prefix=f"{prefix}.{name}.")
            for name in facts.labels
            for editor, prefix in (("latent-transformer", "transformer"), ("direction",) * 2)
        )
    if card.role == "mover":
        return (replace(entry, editor=facts.kind, prefix=PREFIX),)
    if not facts.components:
        return (entry,)
    return tuple(
        replace(entry, attribute=f"pca-{index}", component=index)
        for index in range(min(facts.components, COMPONENTS_OFFERED))
    )


def _attributes(card: Card) -> tuple[Attribute, ...]:
    if card.facts.attribute is not None:
        return (card.facts.attribute,)
    return tuple(  # the portrait itself says what its attributes are
        Attribute(f"pca-{i}", f"principal component {i} of the codes", experimental=True)
        for i in range(min(card.facts.components, COMPONENTS_OFFERED))
    )


def _licensed(pack: P, cards: Mapping[str, Card]) -> P:
    """Return the pack under the licences of all its parts: commercial only if all are."""
    used = [cards[stem] for stem in (Path(f).stem for f in pack.files) if stem in cards]
    names = list(dict.fromkeys(card.licence.name for card in used)) or [pack.licence]
    commercial = all(card.licence.commercial for card in used) if used else pack.commercial
    return replace(pack, licence="; ".join(names), commercial=commercial)
