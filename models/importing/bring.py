"""Bring weights: files in, recognised and checked parts in the store out, put together to a pack.

All files are read and checked before the first is stored, so a wrong one among forty changes
nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .. import tensorfile
from ..base import PackError, WeightsError
from ..packs.cards import Card, card_of, texts_of
from ..packs.layers import BASES, Layer, codes_of, read_layer
from ..packs.packfile import PackFile, read_pack_file
from ..packs.store import Store, checked_pack_name
from ..parts import IN_PACKS, MOVERS, Hints, Licence, Part, plain_name
from ..reading.checkpoint import read_checkpoint
from ..weights import sha256_of
from .assembly import assembled, layered
from .recognise import recognise


@dataclass(frozen=True, slots=True)
class Brought:
    """One part of one file."""

    file: str
    card: Card
    is_new: bool
    """False if the store has it already."""
    left_aside: tuple[str, ...] = ()
    """What else the file holds that is of no use here."""
    part: Part | None = None
    """Its tensors, if they came in a file."""
    assumed: bool = False
    """Whether it moves codes and does not say of which generator: taken for that of the pack."""


@dataclass(frozen=True, slots=True)
class Import:
    """What an import did."""

    brought: tuple[Brought, ...]
    pack: PackFile | Layer | None
    """What the parts were put into, if anything: a pack, or a layer over one of the program."""


def bring(
    files: Sequence[str],
    store: Store,
    *,
    pack: str = "",
    hints: Hints | None = None,
    licence: Licence | None = None,
) -> Import:
    """Store what files hold, and put it into a pack.

    Args:
        files: paths, or names of weights that are in the store already.
        store: where to.
        pack: name of the pack; if not given, one is begun when a file holds an encoder with its
            generator, and movers go into the only pack there is.
        hints: what the user says where a file says nothing.
        licence: what the user says of it.

    Raises:
        WeightsError: a file cannot be used, parts do not fit each other, or the store cannot be
            written.
    """
    known = store.cards(damaged_too=False)
    brought = [b for f in files for b in _looked_at(f, known, hints or Hints(), licence)]
    brought = _once(brought)
    cards = [b.card for b in brought]
    name = pack or _chosen_pack(brought, store)
    existing: PackFile | Layer | None = None
    result: PackFile | Layer | None = None
    bound_cards: dict[str, Card] = {}
    if name in BASES:
        existing = read_layer(store.packs / name) if name in store.layer_names() else None
        result, bound_cards = layered(name, existing, cards, known)
    elif name and checked_pack_name(name) and any(card.has_place for card in cards):
        existing = read_pack_file(store.packs / name) if name in store.pack_names() else None
        result, bound_cards = assembled(name, existing, cards, known)
    brought = [_bound(b, bound_cards.get(b.card.name)) for b in brought]
    store.check_space(sum(b.card.bytes for b in brought if b.is_new))
    for item in brought:
        if item.is_new and item.part is not None:
            store.put(item.part, item.card)
        elif known.get(item.card.name) != item.card:
            store.rewrite(item.card)
    if result is not None:
        store.write_pack(result, replaces=existing)
    return Import(tuple(replace(b, part=None) for b in brought), result)


def _bound(item: Brought, card: Card | None) -> Brought:
    """Return what was brought with the card that its pack has bound to a generator."""
    if card is None:
        return item
    is_said = bool(item.card.facts.generator) or item.card.role not in MOVERS
    return replace(item, card=card, assumed=not is_said)


def _looked_at(
    file: str, known: Mapping[str, Card], hints: Hints, licence: Licence | None
) -> list[Brought]:
    path = Path(file)
    if file in known and not path.exists():
        return [Brought(file, _licensed(known[file], licence), is_new=False)]
    source = ""
    found = []
    checkpoint = read_checkpoint(path)
    for part in recognise(checkpoint, hints):
        source = source or _hash_of(checkpoint.files)
        _check_size(part, path, checkpoint.files)
        try:
            card = _known_generator(part, known) or card_of(part, path, source)
        except WeightsError as e:
            raise WeightsError(f"{path}: {e}") from e
        stored = known.get(card.name)
        card = _licensed(stored or card, licence)
        item = Brought(path.name, card, stored is None, part.left_aside, part)
        found.append(item)
    return found


def _hash_of(files: Sequence[Path]) -> str:
    """Return the SHA-256 of a file; of several: of their SHA-256s, one a line."""
    sums = [sha256_of(file) for file in files]
    return sums[0] if len(sums) == 1 else hashlib.sha256("\n".join(sums).encode()).hexdigest()


def _check_size(part: Part, path: Path, files: Sequence[Path]) -> None:
    """Refuse a part that is small in its file only because its tensors share their numbers."""
    inside = tensorfile.size_of(part.tensors, texts_of(part))
    outside = sum(file.stat().st_size for file in files)
    if inside > max(_GROWTH * outside, _SMALL_BYTES):
        raise WeightsError(
            f"{path} has {outside / 1e6:.1f} MB, and what is in it would take {inside / 1e6:.0f} "
            "MB of the store; get the file from its authors"
        )


_GROWTH = 8
"""Times that weights may be larger in the store than in their file: half precision doubles, tensors
under two names double."""
_SMALL_BYTES = 64_000_000


def _licensed(card: Card, licence: Licence | None) -> Card:
    return card if licence is None else replace(card, licence=licence)


def _known_generator(part: Part, known: Mapping[str, Card]) -> Card | None:
    """Return the card of the same generator, which may have come in another file and layout."""
    if part.role != "generator":
        return None
    same = (c for c in known.values() if c.role == "generator")
    return next((c for c in same if c.facts.generator == part.facts.generator), None)


def _once(brought: Sequence[Brought]) -> list[Brought]:
    """Drop what comes twice in one import: a generator is in every merged file."""
    first: dict[str, Brought] = {}
    for item in brought:
        is_generator = item.card.role == "generator"
        key = item.card.facts.generator if is_generator else item.card.name
        first.setdefault(key, item)
    return list(first.values())


def _chosen_pack(brought: Sequence[Brought], store: Store) -> str:
    """Return the pack that parts go into if none was named, or ''."""
    roles = {item.card.role for item in brought}
    if roles == {"portrait-movers"}:
        return "portrait"
    stated = {item.card.facts.generator for item in brought}
    if roles <= MOVERS and len(stated) == 1:
        for base in BASES:
            if codes_of(base) in stated:
                return base
    for item in brought:
        if item.card.role == "generator":
            wanted = item.card.facts.generator
            packs = store.read_packs().items()
            same = [p for p, k in packs if isinstance(k, PackFile) and k.generator.id == wanted]
            if same:
                return same[0].parent.name
            return checked_pack_name(plain_name(Path(item.file).stem)) if "encoder" in roles else ""
    names = store.pack_names()
    if not roles & IN_PACKS or not names:
        return ""
    if len(names) > 1:
        raise PackError(
            f"there are several packs ({', '.join(names)}); say which one with --as NAME"
        )
    return names[0]
