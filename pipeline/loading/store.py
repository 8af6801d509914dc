"""The store of weights that the user brought: import, list, verify, remove."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import OWN_PACKS
from ..errors import UsageError
from .seam import models, usage_errors, weights_errors

if TYPE_CHECKING:
    from models.importing.bring import Import
    from models.packs.cards import Card
    from models.packs.packfile import PackFile
    from models.packs.store import Store

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """Which files, and what the user says of them."""

    files: tuple[str, ...]
    """Paths, or names of weights that are in the store."""
    pack: str = ""
    """Name of the pack to put them into; '' leaves the choice to the program."""
    attribute: str = ""
    """What a latent transformer or direction moves, if its name does not say it."""
    kind: str = ""
    """Which encoder, if its file does not say it."""
    licence: str = ""
    """Of the weights, if the user knows better than the program."""
    commercial: bool = False
    """Whether that licence allows commercial use."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, to be shown."""

    rows: list[Row]
    """One per network: file, what, name, size, state, licence, commercial use, left aside."""
    store: str
    pack: str
    """The pack they were put into; '' if none."""
    contents: str
    """What that pack holds, in words."""
    lacks: tuple[str, ...]
    """What it still needs to be used."""
    attributes: tuple[str, ...]
    """What it can change."""
    loose: tuple[str, ...]
    """Names of parts that have a place in a pack, but are in none."""


def import_weights(request: ImportRequest) -> ImportReport:
    """Bring weight files into the store and, if they belong to one, into a pack.

    Raises:
        UsageError: `commercial` without a licence.
        WeightsError: a file cannot be used, parts do not fit each other, or the store cannot be
            written.
    """
    if request.commercial and not request.licence:
        raise UsageError("--commercial says something of a licence; name it with --licence TEXT")
    store = _store()
    with weights_errors():
        licence = None
        if request.licence:
            licence = models.parts.Licence(request.licence, request.commercial)
        done: Import = models.importing.bring.bring(
            request.files,
            store,
            pack=request.pack,
            hints=models.parts.Hints(request.attribute, request.kind),
            licence=licence,
        )
        lacks = tuple(models.packs.store.missing_in(done.pack)) if done.pack else ()
    return ImportReport(
        rows=[_brought_row(item) for item in done.brought],
        store=str(store.home),
        pack=done.pack.name if done.pack else "",
        contents=_contents(done.pack) if done.pack else "",
        lacks=lacks,
        attributes=_attributes(done.pack) if done.pack else (),
        loose=() if done.pack else tuple(b.card.name for b in done.brought if b.card.has_place),
    )


@weights_errors()
def stored_weights() -> list[Row]:
    """Return one row per pack and per weight file in the store, as `embedded_weights` does.

    What cannot be read has a row that says so; everything else goes on working.
    """
    store = _store()
    cards, packs = store.cards(damaged_too=False), store.read_packs()
    rows = [_pack_row(pack, store.bytes_of(name, pack)) for name, pack in packs.items()]
    rows += [_card_row(card, packs) for card in cards.values()]
    return rows + [_unread_row(name) for name in _unread(store, cards, packs)]


@weights_errors()
def unread_names() -> list[str]:
    """Return the names of what lies in the store and cannot be read."""
    store = _store()
    return _unread(store, store.cards(damaged_too=False), store.read_packs())


@weights_errors()
def verify_stored() -> list[Row]:
    """Return one row per thing in the store: name, state (`ok` or what is wrong), note."""
    return [{"name": f.name, "state": f.state, "note": f.note} for f in _store().verify()]


@weights_errors()
def remove_stored(name: str) -> list[str]:
    """Remove a pack with its own weights, or one weight file; return the names of what went.

    Raises:
        UsageError: it is part of the program.
        WeightsError: there is nothing of that name, or a pack still uses it.
    """
    store = _store()
    own = {*OWN_PACKS, *models.weights.embedded()}
    if name in own - {*store.pack_names(), *store.names()}:
        raise UsageError(f"{name!r} is part of the program; only what was imported can be removed")
    removed: list[str] = store.remove(name)
    return removed


@weights_errors()
def stored_packs() -> dict[str, Path]:
    """Return the folders of the imported packs by name."""
    store = _store()
    return {name: store.packs / name for name in store.pack_names()}


def store_folder() -> str:
    """Return where the store is."""
    return str(_store().home)


def weight_folders() -> dict[Path, str]:
    """Return the folders of weights, where no result belongs, and what each is."""
    store = _store()
    return {
        store.weights: "in the store of imported weights",
        store.packs: "in the store of imported weights",
        Path(models.base.__file__).parent: "in a folder of the program",
    }


def _store() -> Store:
    module = models.packs.store
    with usage_errors():
        store: Store = module.Store(module.default_home())
    return store


def _unread(store: Store, cards: dict[str, Card], packs: dict[str, PackFile]) -> list[str]:
    """Return the names of what lies in the store beside the cards and packs that could be read."""
    unread = [name for name in store.pack_names() if name not in packs]
    return unread + [name for name in store.names() if name not in cards]


def _brought_row(item: Any) -> Row:
    card: Card = item.card
    return {
        "file": item.file,
        "what": card.what,
        "name": card.name,
        "size": f"{card.bytes / 1e6:.1f} MB",
        "state": "stored" if item.is_new else "already there",
        "licence": card.licence.name,
        "commercial use": "yes" if card.licence.commercial else "no",
        "left aside": ", ".join(item.left_aside),
    }


def _unread_row(name: str) -> Row:
    unknown = dict.fromkeys(("licence", "commercial use", "size", "sha256", "source"), "–")
    return {"name": name, "use": "damaged; `visagist models verify` says how", **unknown}


def _card_row(card: Card, packs: dict[str, PackFile]) -> Row:
    users = [name for name, pack in packs.items() if card.name in _names(pack)]
    used = f" (in {', '.join(users)})" if users else ""
    return {
        "name": card.name,
        "use": card.what + used,
        "licence": card.licence.name,
        "commercial use": "yes" if card.licence.commercial else "no",
        "size": f"{card.bytes / 1e6:.1f} MB",
        "sha256": card.sha256[:16],
        "source": f"imported from {card.source}",
    }


def _pack_row(pack: PackFile, size: int) -> Row:
    lacks = models.packs.store.missing_in(pack)
    return {
        "name": pack.name,
        "use": f"pack: {_contents(pack)}"
        + (f"; lacks {' and '.join(lacks)}" if lacks else "")
        + (f"; generator id {pack.generator.id}" if pack.generator.id else ""),
        "licence": pack.licence,
        "commercial use": "yes" if pack.commercial else "no",
        "size": f"{size / 1e6:.1f} MB",
        "sha256": "–",  # of several files
        "source": pack.source or "made by `visagist models import`",
    }


def _names(pack: PackFile) -> set[str]:
    return {Path(file).stem for file in pack.files}


def _contents(pack: PackFile) -> str:
    parts = [f"{pack.generator.size}-px generator"]
    if pack.encoder is not None:
        parts.append(f"{pack.encoder.kind} encoder")
    attributes = _attributes(pack)
    if attributes:
        shown = ", ".join(attributes[:4]) + (", …" if len(attributes) > 4 else "")
        parts.append(f"{len(attributes)} attribute{'s' * (len(attributes) > 1)} ({shown})")
    parts += ["classifier"] if pack.classifier is not None else []
    parts += ["face parsing"] if pack.parsing is not None else []
    return ", ".join(parts)


def _attributes(pack: PackFile) -> tuple[str, ...]:
    return tuple(dict.fromkeys(mover.attribute for mover in pack.movers))
