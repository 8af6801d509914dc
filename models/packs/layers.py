"""Layers: what a user added to a pack that ships with the program, whose own files stay untouched.

<home>/packs/mini/layer.toml

format = 1
name = "mini"                   * the pack it lies over
generator = "..."               * id of that pack's codes
licence = "..."                 * of all that was added
commercial = false              *
[[attributes]], [[movers]]        as in `pack.toml`; a mover stands in for the pack's own of the
                                  same editor and attribute
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ..attributes import Attribute
from ..base import PackError, WeightsError
from ..home import MINI, generator_of
from ..portrait import load_portrait
from ..weights import load_safetensors, sha256_of
from .packfile import (
    MoverEntry,
    PackFile,
    attributes_of,
    check_ranges,
    read_as,
    read_pack_file,
)

BASES: Final = ("portrait", "mini")
"""The packs that ship with the program."""

LAYER_NAME: Final = "layer.toml"


@dataclass(frozen=True, slots=True)
class Layer:
    """The content of a `layer.toml`."""

    name: str
    """Of the pack it lies over."""
    generator: str
    """Id of that pack's codes."""
    licence: str
    commercial: bool
    attributes: tuple[Attribute, ...] = ()
    movers: tuple[MoverEntry, ...] = ()

    @property
    def files(self) -> dict[str, str]:
        """SHA-256 of every file the layer names."""
        return {mover.file: mover.sha256 for mover in self.movers}

    def over(self, pack: PackFile) -> PackFile:
        """Return a pack with what the layer adds to it; what the pack says of attributes stays."""
        movers = replaced(pack.movers, self.movers)
        return replace(
            pack,
            movers=movers,
            attributes=attributes_of(movers, (*pack.attributes, *self.attributes)),
            licence="; ".join(dict.fromkeys((pack.licence, self.licence))),
            commercial=pack.commercial and self.commercial,
        )


def replaced(movers: tuple[MoverEntry, ...], by: tuple[MoverEntry, ...]) -> tuple[MoverEntry, ...]:
    """Return movers, each in the place of the one of its editor and attribute, or at the end."""
    return tuple({(m.editor, m.attribute): m for m in (*movers, *by)}.values())


def codes_of(base: str) -> str:
    """Return the id of the codes of a pack that ships with the program."""
    return generator_of(base)


def shape_of(base: str) -> tuple[int, int]:
    """Return rows L and numbers D of the codes of a pack that ships with the program.

    Raises:
        WeightsError: its weights cannot be used.
    """
    if base == "portrait":
        return 1, load_portrait().dimensions
    encoder = read_pack_file(MINI).encoder
    assert encoder is not None, "the embedded pack has an encoder"
    rows, numbers = load_safetensors(MINI / encoder.file)[0]["latent_avg"].shape
    return rows, numbers


def read_layer(folder: Path) -> Layer:
    """Return what the `layer.toml` of a folder says.

    Raises:
        PackError: there is none, or something in it is unknown, missing or of the wrong type.
    """
    path = folder / LAYER_NAME
    layer = read_as(Layer, path)
    check_ranges(layer.attributes, path)
    return replace(layer, attributes=attributes_of(layer.movers, layer.attributes))


def usable(folder: Path, base: str) -> tuple[Layer | None, tuple[str, ...]]:
    """Return what can be used of the layer in a folder, its files by absolute paths, and sentences
    on what cannot; a pack works without its layer, so nothing is raised."""
    if not os.path.lexists(folder / LAYER_NAME):
        return None, ()
    cure = f"import it again, or remove it: visagist models remove {base}"
    try:
        layer = read_layer(folder)
    except PackError as e:
        return None, (f"{e}; {cure}",)
    if layer.generator != codes_of(base):
        other = f"what was added to {base} moves codes {layer.generator}, not {codes_of(base)}"
        return None, (f"{other} of this version; {cure}",)
    found = {file: _broken(folder / file, sha256) for file, sha256 in layer.files.items()}
    broken = {file: why for file, why in found.items() if why}
    movers = tuple(
        replace(mover, file=str(folder.absolute() / mover.file))
        for mover in layer.movers
        if mover.file not in broken
    )
    return replace(layer, movers=movers), tuple(f"{why}; {cure}" for why in broken.values())


def _broken(path: Path, sha256: str) -> str:
    """Return what is wrong with a file, '' if nothing is."""
    if not path.is_file():
        return f"{path} is gone"
    try:
        return "" if sha256_of(path) == sha256 else f"{path} has another SHA-256 than when stored"
    except WeightsError as e:
        return str(e)
