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

    [[movers]]                            one attribute of one editor
    editor = "latent-transformer"       * latent-transformer | direction | pca
    attribute = "smile"                 * as in `--attr smile`
    file = "movers.safetensors"         *
    sha256 = "..."
    prefix = "smile."                     of its keys in the file: <prefix>dense.0.weight, ...;
                                          a direction is <prefix>vector (1, D) or (L, D), pca
                                          has <prefix>comp (K, R, D), mean (R, D), std (K,)
    generator = "..."                     id of the generator whose codes it moves
    summary = "..."                       what strength +1 does
    aliases = ["smiling"]
    low = -2.0                            lowest and highest useful strength
    high = 2.0
    experimental = false
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
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, TypeVar

from ..base import PackError, WeightsError
from ..files import write_whole
from . import toml

FILE_NAME: Final = "pack.toml"
FORMAT: Final = 1
LARGEST_PX: Final = 2048
"""Side of a generator's picture; the largest published one is 1024."""
_MOST_UNIT: Final = 1e6
ENCODER_KINDS: Final = ("psp", "e4e", "restyle-psp", "restyle-e4e", "w", "w+", "small")
EDITORS: Final = ("latent-transformer", "direction", "pca")


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
    size: int = 256
    """Side of its input, px."""
    steps: int = 5
    """Iterations of ReStyle."""
    start_from_latent_avg: bool = True
    """Whether the mean code is added to its output."""
    widths: tuple[int, ...] = (64, 64, 128, 256, 512)
    """Channels of the stem and of the four stages."""
    units: tuple[int, ...] = (3, 4, 14, 3)
    """Residual units per stage."""
    reduction: int = 16
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
    summary: str = ""
    aliases: tuple[str, ...] = ()
    low: float = -2.0
    high: float = 2.0
    experimental: bool = False
    layers: tuple[int, int] | None = None
    """First W+ row that moves and one past the last; None means the published 0 to 11."""
    unit: float = 1.0
    """What the strength is multiplied with."""
    component: int = 0
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


Entry = TypeVar(
    "Entry", GeneratorEntry, EncoderEntry, MoverEntry, ClassifierEntry, FileEntry, PackFile
)


def read_pack_file(folder: Path) -> PackFile:
    """Return what the `pack.toml` of a folder says.

    Raises:
        PackError: there is none, or something in it is unknown, missing or of the wrong type.
    """
    path = folder / FILE_NAME
    try:
        table = toml.read(path)
    except FileNotFoundError as e:
        raise PackError(f"{folder} is no pack: it holds no {FILE_NAME}") from e
    except WeightsError as e:
        raise PackError(str(e)) from e
    if (version := table.pop("format", None)) != FORMAT:
        raise PackError(f"{path} has format {reprlib.repr(version)}, this program reads {FORMAT}")
    for key, kind in _SECTIONS.items():
        if key in table:
            table[key] = _entry(kind, table[key], f"{path}, [{key}]")
    movers = table.get("movers", [])
    if not isinstance(movers, list):
        raise PackError(f"{path}: `movers` is not a list; write [[movers]] above each")
    table["movers"] = tuple(_entry(MoverEntry, m, f"{path}, [[movers]]") for m in movers)
    return _checked(_entry(PackFile, table, str(path)), path)


def write_pack_file(pack: PackFile, folder: Path) -> None:
    """Write or replace the `pack.toml` of a folder that exists.

    Raises:
        OSError: it cannot be written.
    """
    parts: dict[str, Any] = {
        key: [_table(m) for m in value] if key == "movers" else _plain(value)
        for key, value in ((f.name, getattr(pack, f.name)) for f in fields(PackFile))
    }
    order = sorted(parts.items(), key=lambda item: isinstance(item[1], dict | list))
    full = {key: value for key, value in order if value is not None}
    write_whole(folder / FILE_NAME, toml.dumps({"format": FORMAT, **full}))


_SECTIONS: Final[Mapping[str, type]] = {
    "generator": GeneratorEntry,
    "encoder": EncoderEntry,
    "classifier": ClassifierEntry,
    "parsing": FileEntry,
}

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    **toml.PLAIN_TYPES,
    "tuple[str, ...]": (list,),
    "tuple[int, ...]": (list,),
    "tuple[int, int] | None": (list,),
}
"""What TOML must hold for a field of that annotation."""


def _entry(kind: type[Entry], table: object, where: str) -> Entry:
    """Return a section as its dataclass; the messages name the section and the key."""
    if not isinstance(table, dict):
        raise PackError(f"{where} is not a table")
    known = {f.name: f for f in fields(kind)}
    if unknown := sorted(set(table) - set(known)):
        raise PackError(
            f"{where}: unknown key {reprlib.repr(unknown[0])}; known are {', '.join(known)}"
        )
    needed = [name for name, f in known.items() if f.default is MISSING and name not in table]
    if needed:
        raise PackError(f"{where}: {needed[0]!r} is missing")
    values: dict[str, Any] = {}
    for name, value in table.items():
        if not _fits(value, str(known[name].type)):
            raise PackError(f"{where}: {name} = {reprlib.repr(value)} is not a {known[name].type}")
        values[name] = tuple(value) if isinstance(value, list) else value
    return kind(**values)


def _fits(value: object, annotation: str) -> bool:
    """Return whether TOML gave what a field takes; lists and tables hold one type."""
    wanted = _TYPES.get(annotation)
    if wanted is None:
        return True  # a section, already made
    inner = list(value.values()) if isinstance(value, dict) else value
    if isinstance(inner, list):
        kind = str if "str, ..." in annotation else int
        return isinstance(value, wanted) and all(type(item) is kind for item in inner)
    return isinstance(value, wanted) and (bool in wanted or not isinstance(value, bool))


def _checked(pack: PackFile, path: Path) -> PackFile:
    size = pack.generator.size
    if not 8 <= size <= LARGEST_PX or size & (size - 1):
        raise PackError(
            f"{path}: generator size {size} is not a power of two from 8 to {LARGEST_PX}"
        )
    for file in pack.files:
        if "\0" in file or max(len(os.fsencode(part)) for part in Path(file).parts or ("",)) > 255:
            raise PackError(f"{path}: no file can be called {reprlib.repr(file)}")
    if pack.encoder is not None:
        _check_encoder(pack.encoder, path)
    for mover in pack.movers:
        if mover.editor not in EDITORS:
            known = ", ".join(EDITORS)
            raise PackError(f"{path}: unknown editor {mover.editor!r}; known are {known}")
        if not mover.low <= mover.high or abs(mover.unit) > _MOST_UNIT or mover.component < 0:
            raise PackError(
                f"{path}: low {mover.low:g}, high {mover.high:g}, unit {mover.unit:g} and "
                f"component {mover.component} of {mover.attribute} cannot be"
            )
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


def _check_encoder(encoder: EncoderEntry, path: Path) -> None:
    """Refuse measures that no encoder has; a network of a billion layers is not even begun."""
    if encoder.kind not in ENCODER_KINDS:
        raise PackError(
            f"{path}: unknown encoder kind {encoder.kind!r}; known are {', '.join(ENCODER_KINDS)}"
        )
    ranges = {
        "size": (encoder.size, 16, LARGEST_PX),
        "steps": (encoder.steps, 1, 100),
        "reduction": (encoder.reduction, 1, 1024),
        "widths": (*encoder.widths, 1, 8192),
        "units": (*encoder.units, 1, 256),
    }
    for name, (*values, low, high) in ranges.items():
        if not all(low <= value <= high for value in values):
            raise PackError(f"{path}: {name} of the encoder must be from {low} to {high}")


def _is_range(pair: tuple[int, ...], layers: int) -> bool:
    return len(pair) == 2 and 0 <= pair[0] < pair[1] <= layers


def _table(entry: MoverEntry) -> dict[str, Any]:
    default = {f.name: f.default for f in fields(MoverEntry)}
    return {k: v for k, v in asdict(entry).items() if v != default[k]}


def _plain(value: Any) -> Any:
    if isinstance(value, GeneratorEntry | EncoderEntry | ClassifierEntry | FileEntry):
        return {k: v for k, v in asdict(value).items() if v is not None}
    return value
