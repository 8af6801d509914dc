"""The file `pack.toml`: what belongs together in a StyleGAN2 pack.

A pack is a folder with `pack.toml` and safetensors files (or links to files elsewhere). Every path
is relative to the folder. Tensors may be stored in float16; they are computed with in float32. All
keys but those marked * may be left out; a key that is not listed here is refused.

    format = 1                          *
    name = "mini"                       * as in `--pack mini`
    summary = "..."                       one line
    licence = "CC BY-NC-SA 4.0"         * of the weights; "unknown" counts as non-commercial
    commercial = false                  * whether that licence allows commercial use
    source = "..."                        where the weights come from
    notes = "..."

    [generator]                         * rosinality keys: style.*, input.input, convs.*, ...;
                                          widths and depths are read from the shapes
    file = "generator.safetensors"      *
    sha256 = "..."                        checked when given; always given by `models import`
    id = "..."                            of the latent space (`generator_id`); movers name it
    size = 128                          * px of the picture

    [encoder]                             needed to edit; the encoder's keys and `latent_avg` (L, D)
    file = "encoder.safetensors"        *
    sha256 = "..."
    kind = "psp"                        * psp | e4e | restyle-psp | restyle-e4e | w | w+ |
                                          small (of `mini`; measures are read from the shapes)
    size = 256                            side of its input, px
    steps = 5                             iterations of ReStyle
    start_from_latent_avg = true          whether the mean code is added to its output
    widths = [32, 32, 64, 96, 128]        channels of stem and stages, if not the published ones
    units = [2, 2, 2, 2]                  residual units per stage
    reduction = 8                         of the squeeze

    [[attributes]]                        what users are told of what the movers change, once for
                                          all editors; older packs say it of each mover
    name = "smile"                      * as in `--attr smile`
    summary = "..."                       what strength +1 does
    aliases = ["smiling"]
    low = -2.0                            lowest and highest useful strength
    high = 2.0
    experimental = false
    regions = ["face", "hair"]            what it changes; these two are known of published names
    needs = ["mouth"]                     what must be seen of a face

    [[movers]]                            one attribute of one editor
    editor = "latent-transformer"       * a kind of mover: latent-transformer | direction | pca, or
                                          one that was added (`models/movers`)
    attribute = "smile"                 *
    file = "movers.safetensors"         *
    sha256 = "..."
    prefix = "smile."                     of its keys in the file: <prefix>dense.0.weight, ...;
                                          a direction is <prefix>vector (1, D) or (L, D), pca
                                          has <prefix>comp (K, R, D), mean (R, D), std (K,)
    generator = "..."                     id of the generator whose codes it moves
    layers = [0, 11]                      W+ rows that move: the first, and one past the last
    unit = 1.0                            of one strength; -1.0 turns "young" into "age"
    component = 0                         which one, if the editor is pca

    [classifier]                          latent classifier: fcs.* keys
    file = "classifier.safetensors"     *
    sha256 = "..."
    labels = ["smile", "age"]             what its logits stand for

    [parsing]                             BiSeNet
    file = "parsing.safetensors"        *
    sha256 = "..."
"""

from __future__ import annotations

import os
import reprlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import tomli_w
from msgspec import Meta

from ..attributes import Attribute
from ..base import PackError, WeightsError
from ..files import write_whole
from . import toml

T = TypeVar("T")

FILE_NAME: Final = "pack.toml"
FORMAT: Final = 1
LARGEST_PX: Final = 2048
"""Side of a generator's picture; the largest published one is 1024."""
ENCODER_KINDS: Final = ("psp", "e4e", "restyle-psp", "restyle-e4e", "w", "w+", "small")


@dataclass(frozen=True, slots=True)
class GeneratorEntry:
    """The generator of a pack."""

    file: str
    size: int
    """Side of the picture, px."""
    sha256: str = ""
    id: str = ""
    """Of the latent space, see `generator_id`."""

    @property
    def layers(self) -> int:
        """W+ rows: 2 log2(size) - 2."""
        return 2 * (self.size.bit_length() - 1) - 2


@dataclass(frozen=True, slots=True)
class EncoderEntry:
    """The encoder of a pack."""

    file: str
    kind: str
    sha256: str = ""
    size: Annotated[int, Meta(ge=16, le=LARGEST_PX)] = 256
    """Side of its input, px."""
    steps: Annotated[int, Meta(ge=1, le=100)] = 5
    """Iterations of ReStyle."""
    start_from_latent_avg: bool = True
    """Whether the mean code is added to its output."""
    widths: tuple[Annotated[int, Meta(ge=1, le=8192)], ...] = (64, 64, 128, 256, 512)
    """Channels of the stem and of the four stages."""
    units: tuple[Annotated[int, Meta(ge=1, le=256)], ...] = (3, 4, 14, 3)
    """Residual units per stage."""
    reduction: Annotated[int, Meta(ge=1, le=1024)] = 16
    """How much narrower the squeeze is than its stage."""


@dataclass(frozen=True, slots=True)
class MoverEntry:
    """What moves codes along one attribute."""

    editor: str
    attribute: str
    file: str
    sha256: str = ""
    prefix: str = ""
    """Of its keys in the file."""
    generator: str = ""
    """Id of the generator whose codes it moves."""
    layers: tuple[int, int] | None = None
    """First W+ row that moves and one past the last; None means the published 0 to 11."""
    unit: Annotated[float, Meta(ge=-1e6, le=1e6)] = 1.0
    """What the strength is multiplied with."""
    component: Annotated[int, Meta(ge=0)] = 0
    """Which one, if the editor is pca."""


@dataclass(frozen=True, slots=True)
class ClassifierEntry:
    """The latent classifier of a pack."""

    file: str
    sha256: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A network with nothing more to say about it."""

    file: str
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class PackFile:
    """The content of a `pack.toml`."""

    name: str
    licence: str
    commercial: bool
    generator: GeneratorEntry
    encoder: EncoderEntry | None = None
    attributes: tuple[Attribute, ...] = ()
    """One for each name that a mover has, in the order of the movers."""
    movers: tuple[MoverEntry, ...] = ()
    classifier: ClassifierEntry | None = None
    parsing: FileEntry | None = None
    summary: str = ""
    source: str = ""
    notes: str = ""

    @property
    def files(self) -> dict[str, str]:
        """SHA-256 ('' if not stated) of every file the pack names."""
        parts = (self.generator, self.encoder, *self.movers, self.classifier, self.parsing)
        return {part.file: part.sha256 for part in parts if part is not None}


def read_pack_file(folder: Path) -> PackFile:
    """Return what the `pack.toml` of a folder says.

    Raises:
        PackError: there is none, or something in it is unknown, missing or of the wrong type.
    """
    path = folder / FILE_NAME
    pack = read_as(PackFile, path)
    check_ranges(pack.attributes, path)
    return _checked(replace(pack, attributes=attributes_of(pack.movers, pack.attributes)), path)


def read_as(kind: type[T], path: Path) -> T:
    """Return the file of a pack, or of what was added to one, as a dataclass.

    Raises:
        PackError: there is none, or something in it is unknown, missing or of the wrong type.
    """
    try:
        table = toml.read(path)
    except FileNotFoundError as e:
        raise PackError(f"{path.parent} is no pack: it holds no {path.name}") from e
    except WeightsError as e:
        raise PackError(str(e)) from e
    if (version := table.pop("format", None)) != FORMAT:
        raise PackError(f"{path} has format {reprlib.repr(version)}, this program reads {FORMAT}")
    movers, told = table.get("movers"), table.setdefault("attributes", [])
    if isinstance(movers, list) and isinstance(told, list):
        told += [facts for mover in movers if len(facts := lifted(mover)) > 1]
    try:
        pack = toml.record(kind, table)
    except ValueError as e:
        raise PackError(f"{path}: {e}") from e
    if words := toml.unknown_key(table, kind):
        raise PackError(f"{path}: {words}")
    return pack


def lifted(table: object) -> dict[str, Any]:
    """Return what older files say of an attribute among the facts of what moves it, taken out of
    their table; nothing if it is not said there."""
    if not isinstance(table, dict) or not isinstance(table.get("attribute"), str):
        return {}
    keys = ("summary", "aliases", "low", "high", "experimental")
    return {"name": table["attribute"], **{key: table.pop(key) for key in keys if key in table}}


def attributes_of(movers: Iterable[MoverEntry], told: Iterable[Attribute]) -> tuple[Attribute, ...]:
    """Return one record for each attribute that something moves: the first that was told of it."""
    first: dict[str, Attribute] = {}
    for attribute in told:
        first.setdefault(attribute.name, attribute)
    names = dict.fromkeys(mover.attribute for mover in movers)
    return tuple(first.get(name, Attribute(name)) for name in names)


def check_ranges(told: Iterable[Attribute], path: Path) -> None:
    """Refuse ranges of attributes that are none.

    A kind of mover that is not here refuses no pack: the others' movers work, and who asks for one
    of it is told.

    Raises:
        PackError: one of them is none.
    """
    for attribute in told:
        if not attribute.low <= attribute.high:
            raise PackError(
                f"{path}: low {attribute.low:g} of {attribute.name} is above high "
                f"{attribute.high:g}"
            )


def write_pack_file(pack: PackFile, folder: Path) -> None:
    """Write or replace the `pack.toml` of a folder that exists.

    Raises:
        OSError: it cannot be written.
    """
    write_as(pack, folder / FILE_NAME)


def write_as(pack: object, path: Path) -> None:
    """Write or replace the file of a pack, or of what was added to one; see `read_as`.

    Raises:
        OSError: it cannot be written.
    """
    write_whole(path, tomli_w.dumps({"format": FORMAT, **toml.plain(pack)}))


def _checked(pack: PackFile, path: Path) -> PackFile:
    size = pack.generator.size
    if not 8 <= size <= LARGEST_PX or size & (size - 1):
        raise PackError(
            f"{path}: generator size {size} is not a power of two from 8 to {LARGEST_PX}"
        )
    for file in pack.files:
        if "\0" in file or max(len(os.fsencode(part)) for part in Path(file).parts or ("",)) > 255:
            raise PackError(f"{path}: no file can be called {reprlib.repr(file)}")
    if pack.encoder is not None and pack.encoder.kind not in ENCODER_KINDS:
        raise PackError(
            f"{path}: unknown encoder kind {pack.encoder.kind!r}; known are "
            f"{', '.join(ENCODER_KINDS)}"
        )
    for mover in pack.movers:
        layers = pack.generator.layers
        if mover.layers is not None and not _is_range(mover.layers, layers):
            raise PackError(
                f"{path}: layers {list(mover.layers)} of {mover.attribute} are not "
                f"two of 0 to {layers}"
            )
        if mover.generator and pack.generator.id and mover.generator != pack.generator.id:
            raise PackError(
                f"{path}: {mover.editor} {mover.attribute} belongs to generator "
                f"{mover.generator}, the pack has {pack.generator.id}"
            )
    return pack


def _is_range(pair: tuple[int, ...], layers: int) -> bool:
    return len(pair) == 2 and 0 <= pair[0] < pair[1] <= layers
