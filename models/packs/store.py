"""The store of brought weights: tensors only, one card each, and the packs made of them.

    <home>/weights/psp-encoder-1a2b3c4d.safetensors
    <home>/weights/psp-encoder-1a2b3c4d.toml          the card: what it is, hash, licence, origin
    <home>/packs/ffhq/pack.toml                       names files in ../../weights
    <home>/packs/mini/layer.toml                      what was added to a pack of the program

A name ends with the first digits of the content's SHA-256, so the same weights come in once. A file
is written beside its place, and its card last: what has no card is not there.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .. import tensorfile
from ..base import PackError, WeightsError
from ..files import is_there, locked
from ..home import HOME_VARIABLE
from ..parts import Part
from ..weights import sha256_of
from .cards import Card, read_card, texts_of, write_card
from .layers import BASES, LAYER_NAME, Layer, read_layer, usable
from .packfile import FILE_NAME, PackFile, read_pack_file, write_as

_PACK_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def _matching(folder: Path, pattern: str) -> list[Path]:
    """Return what lies in a folder, in order; where `glob` would pass over errors, raise them."""
    return sorted(folder.glob(pattern)) if is_there(folder) else []


@dataclass(frozen=True, slots=True)
class Finding:
    """What `verify` has to say of one thing in the store."""

    name: str
    state: str
    """`ok`, `damaged`, `missing`, or `left over`."""
    note: str


class Store:
    """Weights and packs in one folder."""

    def __init__(self, home: Path) -> None:
        """Look at a folder; it is made when something is written."""
        self.home = home

    @property
    def weights(self) -> Path:
        """Folder of the weight files and their cards."""
        return self.home / "weights"

    @property
    def packs(self) -> Path:
        """Folder of the packs."""
        return self.home / "packs"

    def path_of(self, name: str) -> Path:
        """Return where the tensors of a name are."""
        return self.weights / f"{name}.safetensors"

    def cards(self, *, damaged_too: bool = True) -> dict[str, Card]:
        """Return every card by name.

        Args:
            damaged_too: stop at one that cannot be read; else pass it over, so that the weights
                can be imported again.

        Raises:
            WeightsError: a card cannot be read.
        """
        found = {}
        for name in self.names():
            try:
                found[name] = read_card(self.weights / f"{name}.toml")
            except WeightsError:
                if damaged_too:
                    raise
        return found

    def names(self) -> list[str]:
        """Return the names of the weights, readable or not."""
        return [path.stem for path in _matching(self.weights, "*.toml")]

    def put(self, part: Part, card: Card) -> None:
        """Write the tensors of a part, then its card.

        Raises:
            WeightsError: the store cannot be written; nothing that looks finished is left.
        """
        with self._writing(self.weights):
            tensorfile.write_tensors(self.path_of(card.name), part.tensors, texts_of(part))
            write_card(card, self.weights)

    def rewrite(self, card: Card) -> None:
        """Replace a card; its weights stay.

        Raises:
            WeightsError: it cannot be written.
        """
        with self._writing(self.weights):
            write_card(card, self.weights)

    def pack_names(self) -> list[str]:
        """Return the names of the packs in the store."""
        return [p.parent.name for p in _matching(self.packs, f"*/{FILE_NAME}")]

    def layer_names(self) -> list[str]:
        """Return the names of the packs of the program to which something was added."""
        return [p.parent.name for p in _matching(self.packs, f"*/{LAYER_NAME}")]

    def all_names(self) -> list[str]:
        """Return the names of all packs, layers and weights, readable or not."""
        return [*self.pack_names(), *self.layer_names(), *self.names()]

    def read_packs(self) -> dict[Path, PackFile | Layer]:
        """Return every pack and layer that can be read, by its file; `verify` tells of the
        others."""
        found: dict[Path, PackFile | Layer] = {}
        for name in self.pack_names():
            with contextlib.suppress(PackError):
                found[self.packs / name / FILE_NAME] = read_pack_file(self.packs / name)
        for name in self.layer_names():
            with contextlib.suppress(PackError):
                found[self.packs / name / LAYER_NAME] = read_layer(self.packs / name)
        return found

    def write_pack(self, pack: PackFile | Layer, *, replaces: PackFile | Layer | None) -> None:
        """Write a pack or layer, or replace it as it was when read.

        Raises:
            PackError: another import changed it meanwhile.
            WeightsError: it cannot be written.
        """
        path = self.packs / pack.name / (LAYER_NAME if isinstance(pack, Layer) else FILE_NAME)
        with self._writing(path.parent), locked(self.packs):  # nobody else in between
            if self.read_packs().get(path) != replaces:
                raise PackError(
                    f"another import changed the pack {pack.name!r} meanwhile; run the same "
                    "import again: what it stored is there already"
                )
            write_as(pack, path)

    def check_space(self, needed: int) -> None:
        """Refuse an import that cannot fit.

        Raises:
            WeightsError: the disk of the store has less than `needed` bytes left.
        """
        folder = next(p for p in (self.home, *self.home.absolute().parents) if p.exists())
        if (free := shutil.disk_usage(folder).free) < needed:
            raise WeightsError(
                f"the store {self.home} needs {needed / 1e6:.0f} MB, its disk has "
                f"{free / 1e6:.0f} MB left; free some space, or set {HOME_VARIABLE} to a folder on "
                "another disk"
            )

    def users_of(self, name: str) -> list[str]:
        """Return the packs and layers that use a weight file; what cannot be read uses nothing."""
        file = self.link_to(name)
        users = (pack.name for pack in self.read_packs().values() if file in pack.files)
        return list(dict.fromkeys(users))

    @staticmethod
    def link_to(name: str) -> str:
        """Return how a `pack.toml` of the store names a weight file."""
        return f"../../weights/{name}.safetensors"

    @staticmethod
    def bytes_of(folder: Path, pack: PackFile | Layer) -> int:
        """Return the bytes of all files of the pack in a folder that are there."""
        files = [folder / file for file in pack.files]
        return sum(file.stat().st_size for file in files if file.is_file())

    def remove(self, name: str) -> list[str]:
        """Remove a pack with the weights no other pack uses, or one weight file; return what went.

        Raises:
            WeightsError: there is nothing of that name, or a pack still uses it.
        """
        if name in self.pack_names() or name in self.layer_names():
            return self._remove_pack(name)
        if name not in self.names():
            there = ", ".join(self.all_names()) or "nothing"
            raise WeightsError(f"nothing called {name!r} was imported; there is {there}")
        if users := self.users_of(name):
            raise WeightsError(
                f"{name} is used by the pack {', '.join(users)}; remove that first: "
                f"visagist models remove {users[0]}"
            )
        self._remove_weights(name)
        return [name]

    def _remove_pack(self, name: str) -> list[str]:
        folder = self.packs / name
        packs = [pack for path, pack in self.read_packs().items() if path.parent == folder]
        own = {Path(file).stem for pack in packs for file in pack.files}  # if not damaged
        ours = [folder / FILE_NAME, folder / LAYER_NAME, *folder.glob("*.part")]
        if foreign := sorted(p.name for p in set(folder.iterdir()) - set(ours)):
            raise WeightsError(
                f"{folder} holds {', '.join(foreign[:3])}, which no import put there; delete the "
                "folder yourself"
            )
        try:
            with locked(self.packs):
                for file in ours:
                    file.unlink(missing_ok=True)
                folder.rmdir()
        except OSError as e:
            raise WeightsError(f"cannot remove {folder}: {e.strerror}") from e
        gone = sorted(w for w in own if w in self.names() and not self.users_of(w))
        for weights in gone:
            self._remove_weights(weights)
        return [name, *gone]

    def _remove_weights(self, name: str) -> None:
        try:  # the card first: what has no card is not there
            (self.weights / f"{name}.toml").unlink()
            self.path_of(name).unlink(missing_ok=True)
        except OSError as e:
            raise WeightsError(f"cannot remove {name}: {e.strerror}") from e

    def verify(self) -> Iterator[Finding]:
        """Yield what is so of every card, pack and stray file; each file is read in full."""
        cards: dict[str, Card] = {}
        for path in _matching(self.weights, "*.toml"):
            try:
                cards[path.stem] = read_card(path)
                yield self._verified(cards[path.stem])
            except WeightsError as e:
                yield Finding(path.stem, "damaged", str(e))
        for path in _matching(self.packs, f"*/{FILE_NAME}"):
            yield self._verified_pack(path.parent, cards)
        for name in self.layer_names():
            note = "; ".join(usable(self.packs / name, name)[1])
            yield Finding(name, "damaged" if note else "ok", note or "what was added to it")
        strays = [p for p in self.weights.glob("*.safetensors") if p.stem not in cards]
        for path in [*strays, *self.weights.glob(".*.part"), *self.packs.glob("*/*.part")]:
            note = f"from an import that was cut off; delete {path}"
            yield Finding(path.name, "left over", note)

    def _verified(self, card: Card) -> Finding:
        path = self.path_of(card.name)
        if not path.is_file():
            return Finding(card.name, "missing", f"{path} is gone; import {card.source} again")
        if (found := sha256_of(path)) != card.sha256:
            note = f"SHA-256 is {found[:16]}…, the card says {card.sha256[:16]}…; "
            return Finding(card.name, "damaged", f"{note}remove it and import {card.source} again")
        return Finding(card.name, "ok", card.title)

    def _verified_pack(self, folder: Path, cards: Mapping[str, Card]) -> Finding:
        try:
            pack = read_pack_file(folder)
        except PackError as e:
            return Finding(folder.name, "damaged", str(e))
        linked = {self.link_to(name): name for name in (Path(f).stem for f in pack.files)}
        lost = [linked[f] for f in pack.files if f in linked and linked[f] not in cards]
        own = {f: sha256 for f, sha256 in pack.files.items() if f not in linked}
        if lost := [*lost, *(f for f in own if not (folder / f).is_file())]:
            return Finding(folder.name, "missing", f"its {', '.join(lost)} is not in the store")
        if broken := [f for f, sha in own.items() if sha and sha256_of(folder / f) != sha]:
            note = f"{', '.join(broken)}: SHA-256 is not the one in its {FILE_NAME}"
            return Finding(folder.name, "damaged", note)
        missing = missing_in(pack)
        return Finding(folder.name, "ok", f"lacks {', '.join(missing)}" if missing else "complete")

    @contextlib.contextmanager
    def _writing(self, folder: Path) -> Iterator[None]:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            yield
        except OSError as e:
            raise WeightsError(
                f"cannot write to the store {self.home}: {e.strerror or e}; free some space, or "
                f"set {HOME_VARIABLE} to a folder that can be written"
            ) from e


def missing_in(pack: PackFile | Layer) -> list[str]:
    """Return what a pack lacks to be used with `--pack`."""
    if isinstance(pack, Layer):
        return []
    missing = [] if pack.encoder is not None else ["an encoder (pSp, e4e, ReStyle)"]
    if not pack.movers:
        missing.append("something that moves codes (latent transformers, directions)")
    return missing


def checked_pack_name(name: str) -> str:
    """Return a name if a pack can be called so.

    Raises:
        PackError: it cannot.
    """
    if name in BASES:
        raise PackError(f"{name!r} is the name of a pack of the program; choose another")
    if not _PACK_NAME.fullmatch(name):
        raise PackError(
            f"a pack cannot be called {name!r}; use small letters, digits, `-`, `_` and `.`"
        )
    return name
