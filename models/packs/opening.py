"""StyleGAN2 packs: a generator with its encoder and what moves its codes, opened from a folder.

The format of such a folder is described in `packfile`. This module stands beside the families
because a pack is made of several.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from .. import bisenet
from ..attributes import Attribute
from ..base import ModelError, ModelInputError, PackError, WeightsError
from ..encoders import KINDS, Inverter, load, measures_of
from ..encoders.small import SmallEncoder, SmallInverter
from ..latent_transformer import CELEBA_ATTRIBUTES, WPlusClassifier
from ..movers import Kept, Material, kinds
from ..movers.files import build as build_mover
from ..ops import Move
from ..ops.codes import LayerRange
from ..stylegan2 import layouts
from ..stylegan2.fast import FastGenerator
from ..stylegan2.net import Generator
from ..weights import load_safetensors, sha256_of
from .layers import Layer
from .packfile import (
    ClassifierEntry,
    EncoderEntry,
    FileEntry,
    GeneratorEntry,
    MoverEntry,
    PackFile,
    read_pack_file,
)
from .reading import Reader, reader_of

_Entry = GeneratorEntry | EncoderEntry | MoverEntry | ClassifierEntry | FileEntry


@dataclass(frozen=True)
class StylePack:
    """A generator, its encoder, and what moves its codes.

    Movers and the parser are read when first asked for: forty published ones take 760 MB.
    """

    facts: PackFile
    """What `pack.toml` says: name, licence, commercial use, source."""
    folder: Path
    device: torch.device
    _generator: Generator | FastGenerator
    _inverter: Inverter | SmallInverter
    _movers: dict[tuple[str, str, LayerRange | None], Move] = field(default_factory=dict)
    _parsers: list[bisenet.ParsingNet] = field(default_factory=list)
    """None or one: read when first asked for."""
    _classifiers: list[WPlusClassifier] = field(default_factory=list)
    """None or one: read when first asked for."""
    dtype: torch.dtype | None = None
    """Precision the pack was prepared for; None: as it was opened."""

    @property
    def name(self) -> str:
        """Name of the pack."""
        return self.facts.name

    @property
    def size(self) -> int:
        """Side S of the generated picture, px."""
        return self._generator.size

    @property
    def layers(self) -> int:
        """W+ rows L."""
        return self._generator.layers

    @property
    def width(self) -> int:
        """Numbers D of a W+ row."""
        return self._generator.style_dim

    @property
    def encoder_size(self) -> int:
        """Side E of the encoder's input, px."""
        return self._inverter.size

    @cached_property
    def hashes(self) -> Mapping[str, str]:
        """SHA-256 of every file, as `pack/file`."""
        return {
            f"{self.name}/{Path(file).name}": sha or sha256_of(self.folder / file)
            for file, sha in self.facts.files.items()
        }

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """What the pack can change, in the order of `pack.toml`; each once."""
        return tuple(_completed(attribute) for attribute in self.facts.attributes)

    def prepared(self, dtype: torch.dtype) -> StylePack:
        """Return the pack for inference in a precision; codes and pictures stay float32.

        Args:
            dtype: float32, or bfloat16 where the processor computes in it.

        Raises:
            ModelInputError: the pack is prepared already.
        """
        plain = self._generator
        if not isinstance(plain, Generator):
            raise ModelInputError("this pack is prepared already; open it again")
        generator = FastGenerator(plain, dtype)
        return replace(
            self,
            _inverter=self._inverter.prepared(dtype, generator),
            _generator=generator,
            _parsers=[],
            _classifiers=[],
            dtype=dtype,
        )

    def to(self, device: torch.device) -> StylePack:
        """Return the pack with its networks on a device."""
        return StylePack(
            self.facts,
            self.folder,
            device,
            self._generator.to(device),
            self._inverter.to(device),
            dtype=self.dtype,
        )

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Return the codes w (N, L, D) float32 of aligned faces (N, 3, E, E) in [-1, 1].

        Raises:
            ModelInputError: other shapes.
        """
        return self._inverter.encode(images)

    @torch.no_grad()
    def generate(self, w: Tensor) -> Tensor:
        """Return the pictures (N, 3, S, S) float32, about [-1, 1], of codes w; noise constant.

        Raises:
            ModelInputError: other shapes.
        """
        images: Tensor = self._generator(w)
        return images

    def mover(self, editor: str, attribute: str, rows: LayerRange | None = None) -> Move:
        """Return what moves codes along an attribute.

        Args:
            editor: name of a kind of mover (see `movers`).
            attribute: a name from `attributes`, or a number of a kind that has them, `pca-12`.
            rows: that move, the first and one past the last; None: what the pack says.

        Raises:
            ModelError: the pack has no such mover, or rows.
            WeightsError: its file is missing, damaged, or not the one expected.
        """
        key = (editor, attribute, rows)
        if key not in self._movers:
            entry = self._entry(editor, attribute)
            codes = (self.layers, self.width)
            mover = open_mover(self.folder, entry, codes=codes, pack=self.name, rows=rows)
            self._movers[key] = mover.to(self.device)
        return self._movers[key]

    def _entry(self, editor: str, attribute: str) -> MoverEntry:
        if (found := self._found(editor, attribute)) is not None:
            return found
        others = [m.editor for m in self.facts.movers if m.attribute == attribute]
        offered = [m.attribute for m in self.facts.movers if m.editor == editor]
        has = f"it has one for {', '.join(offered) or 'nothing'}"
        if others:
            has = f"it moves that with --editor {others[0]}"
        raise ModelError(f"pack {self.name!r} has no {editor} for {attribute!r}; {has}")

    def reader(self, attribute: str) -> Reader:
        """Return what says of codes (N, L, D) how much they have of an attribute, (N,) 0–1.

        Raises:
            ModelError: the pack has no classifier, or it does not read that.
            WeightsError: its file is missing, damaged, or not the one expected.
        """
        entry = self.facts.classifier
        if entry is None:
            raise ModelError(
                f"pack {self.name!r} has no classifier to read levels with; import one: visagist "
                f"models import latent_classifier.pth --as {self.name}"
            )
        told = next((a for a in self.attributes if a.name == attribute), Attribute(attribute))
        if not self._classifiers:
            own = {key: value.float() for key, value in _state(self.folder, entry).items()}
            self._classifiers.append(WPlusClassifier.from_state(own).to(self.device))
        return reader_of(self._classifiers[0], entry.labels, told, self.name)

    def kinds_of(self, attribute: str) -> tuple[str, ...]:
        """Return the kinds of the movers that the pack has for an attribute, in their order."""
        return tuple(m.editor for m in self.facts.movers if m.attribute == attribute)

    def numbered(self, editor: str, number: int) -> Attribute | None:
        """Return what is told of a number of a kind of mover; None if the pack has none of it."""
        name = f"{editor}-{number}"
        told = next((a for a in self.attributes if a.name == name), None)
        entry = None if told else self._found(editor, name)
        if entry is None:
            return told
        spec = kinds()[editor].spec
        most = 10.0 if spec.of_generator else 3.0  # steps of its own length, or deviations
        return Attribute(name, spec.summary, low=-most, high=most, experimental=True)

    def _found(self, editor: str, attribute: str) -> MoverEntry | None:
        entry = entry_of(self.facts.movers, editor, attribute)
        kind, number = kinds().get(editor), attribute.removeprefix(f"{editor}-")
        if entry is None and kind and kind.spec.of_generator and number.isdecimal():
            own = self.facts.generator
            return MoverEntry(editor, attribute, own.file, own.sha256, component=int(number))
        return entry

    def parse(self, images: Tensor) -> Tensor | None:
        """Return BiSeNet's labels (N, H, W) int64 of faces (N, 3, H, W) in [-1, 1]; None if the
        pack has no parser.

        Raises:
            WeightsError: its file is missing, damaged, or not the one expected.
        """
        if self.facts.parsing is None:
            return None
        if not self._parsers:
            net = bisenet.load(_state(self.folder, self.facts.parsing))
            net = net if self.dtype is None else net.prepared(self.dtype)
            self._parsers.append(net.to(self.device))
        return bisenet.parse(self._parsers[0], images)


def open_pack(folder: Path, layer: Layer | None = None) -> StylePack:
    """Return the pack of a folder, on the CPU, in evaluation mode, in float32.

    Args:
        folder: of the pack.
        layer: what a user added to it, with its files by absolute paths.

    Raises:
        PackError: there is no pack, it lacks an encoder, or its parts do not fit.
        WeightsError: a file is missing, damaged, or not the one expected.
    """
    facts = read_pack_file(folder)
    facts = facts if layer is None else layer.over(facts)
    if facts.encoder is None:
        raise PackError(
            f"pack {facts.name!r} has a generator but no encoder, so it cannot read faces; "
            f"import one: visagist models import FILE --as {facts.name}"
        )
    own = _state(folder, facts.generator)
    mean = own.pop("latent_avg", None)
    generator = _open_generator(own, facts.generator)
    inverter = _inverter(_state(folder, facts.encoder), mean, facts.encoder, generator)
    return StylePack(facts, folder, torch.device("cpu"), generator, inverter)


def _state(folder: Path, entry: _Entry) -> dict[str, Tensor]:
    tensors, _ = load_safetensors(folder / entry.file, expected_sha256=entry.sha256 or None)
    return tensors


def _open_generator(state: dict[str, Tensor], entry: GeneratorEntry) -> Generator:
    generator = layouts.build(layouts.completed(state))
    if generator.size != entry.size:
        raise PackError(
            f"{entry.file} is a generator of {generator.size} px, the pack says {entry.size}"
        )
    return generator


def _inverter(
    state: dict[str, Tensor],
    generators_mean: Tensor | None,
    entry: EncoderEntry,
    generator: Generator,
) -> Inverter | SmallInverter:
    mean = state.pop("latent_avg", generators_mean)
    if mean is None:
        raise WeightsError(
            f"neither {entry.file} nor the generator's file holds latent_avg, the mean code the "
            "encoder starts from; import the encoder's own checkpoint, which has it"
        )
    if entry.kind == "small":
        return SmallInverter(SmallEncoder.from_state(state, size=entry.size), mean.float())
    kind = next(k for k in KINDS if k == entry.kind)
    measures = measures_of(
        kind,
        (generator.layers, generator.style_dim),
        size=entry.size,
        widths=entry.widths,
        units=entry.units,
        reduction=entry.reduction,
    )
    return Inverter(
        load(state, kind=kind, measures=measures),
        mean,
        kind,
        start_from_latent_avg=entry.start_from_latent_avg,
        generate=generator,
        steps=entry.steps,
    )


def open_mover(
    folder: Path, entry: MoverEntry, *, codes: tuple[int, int], pack: str, rows: LayerRange | None
) -> Kept:
    """Return what an entry of a pack or layer stands for, on the CPU.

    Args:
        folder: that the entry's file is relative to.
        entry: which mover.
        codes: rows L and numbers D of the codes it is to move.
        pack: name of the pack, for messages.
        rows: that are to move, the first and one past the last; None: what the entry says.

    Raises:
        ModelError: there are no such rows, or components.
        WeightsError: its file is missing, damaged, not the one expected, or of other codes.
    """
    check_rows(rows, codes[0], pack)
    own = {
        key.removeprefix(entry.prefix): value.float()
        for key, value in _state(folder, entry).items()
        if key.startswith(entry.prefix)
    }
    window = rows or entry.layers
    try:
        return build_mover(
            entry.editor,
            Material(own, entry.attribute, *codes, window, entry.unit, entry.component),
        )
    except WeightsError as e:
        raise PackError(
            f"{entry.file}: the {entry.editor} for {entry.attribute!r} of pack {pack!r} cannot be "
            f"used: {e}"
        ) from e


def entry_of(movers: Iterable[MoverEntry], editor: str, attribute: str) -> MoverEntry | None:
    """Return the entry of an attribute, or one made for a number of a kind that has them; None if
    there is none."""
    same = [entry for entry in movers if entry.editor == editor]
    for entry in same:
        if entry.attribute == attribute:
            return entry
    kind, number = kinds().get(editor), attribute.removeprefix(f"{editor}-")
    if kind is None or not kind.spec.numbered or not number.isdecimal():
        return None
    listed = [e for e in same if e.attribute == f"{editor}-{e.component}"]
    return replace(listed[0], attribute=attribute, component=int(number)) if listed else None


def check_rows(rows: LayerRange | None, count: int, pack: str) -> None:
    """Refuse rows that codes do not have.

    Raises:
        ModelError: the first and one past the last do not lie within them.
    """
    if rows is not None and not 0 <= rows[0] < rows[1] <= count:
        asked = f"{rows[0]}-{rows[1] - 1}"
        has = f"rows 0 to {count - 1}" if count > 1 else "one row, 0"
        raise ModelError(f"the codes of pack {pack!r} have {has}; {asked} are not among them")


def _completed(attribute: Attribute) -> Attribute:
    """Return an attribute with the parts of a head of the published one of its name, if the pack
    names none."""
    published = next((a for a in _PUBLISHED if attribute.name in (a.name, *a.aliases)), None)
    if published is None or attribute.needs or attribute.regions != ("face",):
        return attribute
    return replace(attribute, regions=published.regions, needs=published.needs)


_PUBLISHED = [row.attribute for row in CELEBA_ATTRIBUTES]
