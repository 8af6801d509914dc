"""The weights that there are: those of the program, listed; those the user brought, in a store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError, VisagistError, WeightsError
from .movers import found_movers
from .seam import models, usage_errors, weights_errors

if TYPE_CHECKING:
    Pack = models.packs.packfile.PackFile | models.packs.layers.Layer

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
    network: str = ""
    """Which of several, as a checkpoint of a training names them."""
    licence: str = ""
    """Of the weights, if the user knows better than the program."""
    commercial: bool = False
    """Whether that licence allows commercial use."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, to be shown."""

    rows: list[Row]
    """One per network: file, what, name, size, state, licence, commercial use, left aside, note."""
    store: str
    pack: str = ""
    """The pack they were put into; '' if none."""
    contents: str = ""
    """What that pack holds, or what was added to it, in words."""
    lacks: tuple[str, ...] = ()
    """What it still needs to be used."""
    attributes: tuple[str, ...] = ()
    """What it can change."""
    editor: str = ""
    """The one that changes the first of them."""
    loose: tuple[str, ...] = ()
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
    found_movers()
    store = _store()
    with weights_errors():
        said = models.parts.Licence(request.licence, request.commercial)
        done = models.importing.bring.bring(
            request.files,
            store,
            pack=request.pack,
            hints=models.parts.Hints(request.attribute, request.kind, request.network),
            licence=said if request.licence else None,
        )
    rows, pack = [_brought_row(item) for item in done.brought], done.pack
    if pack is None:
        loose = tuple(item.card.name for item in done.brought if item.card.has_place)
        return ImportReport(rows, str(store.home), loose=loose)
    return ImportReport(
        rows,
        str(store.home),
        pack=pack.name,
        contents=_contents(pack),
        lacks=tuple(models.packs.store.missing_in(pack)),
        attributes=_attributes(pack),
        editor=pack.movers[0].editor if pack.movers else "",
    )


def embedded_weights() -> list[Row]:
    """Return one row per weight file of the program: name, use, licence, size, hash, source.

    Raises:
        WeightsError: a file is missing, damaged, or not the one expected.
    """
    rows = []
    for facts in models.weights.embedded().values():
        with weights_errors():
            found = models.weights.sha256_of(facts.path)
        if found != facts.sha256:
            raise WeightsError(f"{facts.path} has SHA-256 {found}, expected {facts.sha256}")
        use, size = facts.use + _codes(facts.name), facts.path.stat().st_size
        licence = models.parts.Licence(facts.licence, facts.commercial)
        rows.append(_row(facts.name, use, licence, size, found, facts.source))
    return rows


@weights_errors()
def stored_weights() -> list[Row]:
    """Return one row per pack and per weight file in the store, as `embedded_weights` does.

    What cannot be read has a row that says so; everything else goes on working.
    """
    store = _store()
    cards, packs = store.cards(damaged_too=False), store.read_packs()
    rows = [_pack_row(pack, store.bytes_of(path.parent, pack)) for path, pack in packs.items()]
    rows += [_card_row(card, list(packs.values())) for card in cards.values()]
    return rows + [_unread_row(name) for name in _unread(store)]


@weights_errors()
def unread_names() -> list[str]:
    """Return the names of what lies in the store and cannot be read."""
    return _unread(_store())


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
    own = {*models.packs.layers.BASES, *models.weights.embedded()}
    if name in own - {*store.all_names()}:
        raise UsageError(f"{name!r} is part of the program; only what was imported can be removed")
    return store.remove(name)


@weights_errors()
def stored_packs() -> dict[str, Path]:
    """Return the folders of the imported packs by name."""
    store = _store()
    return {name: store.packs / name for name in store.pack_names()}


def layer_over(base: str) -> tuple[models.packs.layers.Layer | None, tuple[str, ...]]:
    """Return what the user added to a pack of the program, and sentences on what of it cannot be
    used; such a pack works whatever is the matter with the store."""
    try:
        with weights_errors():
            return models.packs.layers.usable(_store().packs / base, base)
    except VisagistError as e:
        return None, (f"what may have been added to {base} is left aside: {e}",)


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


def _store() -> models.packs.store.Store:
    with usage_errors():
        return models.packs.store.Store(models.home.default_home())


def _unread(store: models.packs.store.Store) -> list[str]:
    """Return the names of what lies in the store and cannot be read."""
    packs = {path.parent.name for path in store.read_packs()}
    read = {*packs, *store.cards(damaged_too=False)}
    return [name for name in store.all_names() if name not in read]


def _brought_row(item: models.importing.bring.Brought) -> Row:
    card = item.card
    return {
        "file": item.file,
        "what": card.title,
        "name": card.name,
        "size": _megabytes(card.bytes),
        "state": "stored" if item.is_new else "already there",
        **_terms(card.licence),
        "left aside": ", ".join(item.left_aside),
        "note": _ASSUMED if item.assumed else "",
    }


_ASSUMED = (
    "it does not say for which generator it was made: taken for that of this pack, and refused for "
    "others from now on; made for another, it moves faces at random"
)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _terms(licence: models.parts.Licence) -> Row:
    return {"licence": licence.name, "commercial use": "yes" if licence.commercial else "no"}


def _unread_row(name: str) -> Row:
    unknown = dict.fromkeys(("licence", "commercial use", "size", "sha256", "source"), "–")
    return {"name": name, "use": "damaged; `visagist models verify` says how", **unknown}


def _row(
    name: str, use: str, licence: models.parts.Licence, size: int, sha256: str, source: str
) -> Row:
    return {
        "name": name,
        "use": use,
        **_terms(licence),
        "size": _megabytes(size),
        "sha256": sha256[:16],
        "source": source,
    }


def _card_row(card: models.packs.cards.Card, packs: list[Pack]) -> Row:
    users = [pack.name for pack in packs if card.name in {Path(file).stem for file in pack.files}]
    use = card.title + (f" (in {', '.join(users)})" if users else "")
    source = f"imported from {card.source}"
    return _row(card.name, use, card.licence, card.bytes, card.sha256, source)


def _pack_row(pack: Pack, size: int) -> Row:
    use, source, lacks = _contents(pack), "", models.packs.store.missing_in(pack)
    if isinstance(pack, models.packs.packfile.PackFile):
        use, source = f"pack: {use}", pack.source
        use += f"; lacks {' and '.join(lacks)}" if lacks else ""
        use += f"; generator id {pack.generator.id}" if pack.generator.id else ""
    licence = models.parts.Licence(pack.licence, pack.commercial)
    source = source or "made by `visagist models import`"
    return _row(pack.name, use, licence, size, "–", source)  # SHA-256: it has several files


def _codes(name: str) -> str:
    """Return what directions must name (`--generator`) to move the codes of an embedded pack."""
    bases = {"portrait": "portrait", "mini_generator": "mini"}
    return f"; generator id {models.packs.layers.codes_of(bases[name])}" if name in bases else ""


def _contents(pack: Pack) -> str:
    if isinstance(pack, models.packs.layers.Layer):
        return f"added to this pack of the program: {_shown(pack)}"
    parts = [f"{pack.generator.size}-px generator"]
    if pack.encoder is not None:
        parts.append(f"{pack.encoder.kind} encoder")
    parts += [_shown(pack)] if pack.movers else []
    parts += ["classifier"] if pack.classifier is not None else []
    parts += ["face parsing"] if pack.parsing is not None else []
    return ", ".join(parts)


def _shown(pack: Pack) -> str:
    names = _attributes(pack)
    few = ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
    return f"{len(names)} attribute{'s' * (len(names) != 1)} ({few})"


def _attributes(pack: Pack) -> tuple[str, ...]:
    return tuple(dict.fromkeys(mover.attribute for mover in pack.movers))
