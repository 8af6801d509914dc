"""The embedded portrait pack, seen as the pipeline sees any pack."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from ..causes import MOUTH_BUSY, SMILES, TURNED
from ..editors import FACE, Attribute
from ..editors._face_model import CodeRule, Codes, Mover
from ..imaging.parsing import Region
from ..types import AlignedBatch, CropRule, EditedBatch
from .attributes import left_out, offered
from .carrier import PortraitCarrier
from .seam import card, models, usage_errors, weights_errors


def load_portrait(
    device: torch.device,
    layer: models.packs.layers.Layer | None = None,
    left_aside: tuple[str, ...] = (),
) -> PortraitPack:
    """Return the embedded pack, with the layer that the user added to it.

    `left_aside`: sentences on what was added and cannot be used.

    Raises:
        WeightsError: a weight file is missing, damaged, or not the one expected.
    """
    model_card, mover_card = card("portrait"), card("portrait_movers")
    with weights_errors():
        model = models.portrait.load_portrait(model_card.path, expected_sha256=model_card.sha256)
        movers = models.portrait_movers.load_movers(
            mover_card.path, expected_sha256=mover_card.sha256
        )
    hashes = {f"{c.name}/{c.path.name}": c.sha256 for c in (model_card, mover_card)}
    added = {} if layer is None else layer.files
    hashes |= {f"portrait/{Path(file).name}": sha256 for file, sha256 in added.items()}
    latent_model = PortraitLatentModel(model.to(device))
    settings = {"transfer": "delta", **left_out(left_aside)}
    return PortraitPack("portrait", latent_model, movers, hashes, device, settings, layer)


class PortraitLatentModel:
    """The embedded appearance model, seen as a latent model of one layer (L = 1).

    Behind the network's code stands how the face looks on the mean head: like the code it is held
    at its median over the shot, and `hidden` compares every frame with it.
    """

    def __init__(self, network: models.portrait.PortraitModel) -> None:
        portrait = models.portrait
        self.crop = CropRule(float(portrait.CROP_SIDE))
        self.codes = CodeRule(
            samples_hz=8.0,
            most_samples=256,
            states_hz=32.0,  # lips part within a frame of 1/25 or 1/30 s
            version=3,
        )
        self._network = network
        self._departures = portrait.Departures(network)
        self.carrier = PortraitCarrier(network, portrait.LOOK_LENGTH)

    def encode(self, batch: AlignedBatch) -> Codes:
        """Return the codes of N crops."""
        w, state = self._network.encode(batch.images, batch.landmarks)
        look = self._departures.look(batch.images, batch.landmarks)
        return Codes(w=torch.cat([w, look], dim=1)[:, None], state=state)

    def observe(self, batch: AlignedBatch) -> Tensor:
        """Return the states of N crops, without their blur."""
        return self._network.observe(batch.images, batch.landmarks)

    def reconstruct(self, codes: Codes) -> Tensor:
        """Return the shape-free faces of N codes, (N, 3, S, S) in [-1, 1]."""
        return self._network.reconstruct(self.split(codes.w)[0])

    def settle(self, state: Tensor, rate: float) -> Tensor:
        """Return the states (T, G) of a shot steadied over time; rate in frames per second."""
        return models.portrait.settled_states(state, rate)

    def render(
        self, batch: AlignedBatch, before: Codes, after: Codes, regions: frozenset[Region] = FACE
    ) -> EditedBatch:
        """Carry the difference between two codes into the crops; its own mask is the face's."""
        del regions
        old, new = self.split(before.w)[0], self.split(after.w)[0]
        part = self._network.render_part(batch.images, batch.landmarks, old, new, before.state)
        return EditedBatch(batch, part.images, part.masks, part.corner, part.shifts)

    def limits(self, before: Tensor, after: Tensor, state: Tensor) -> Mapping[str, Tensor]:
        """Return what is left of the way from one code to another in frames of a shot."""
        codes = self.split(torch.stack([before, after]))[0]
        left = self._network.limits(codes[0], codes[1], state)
        return {TURNED: left.turn, SMILES: left.smile, MOUTH_BUSY: left.mouth}

    def hidden(self, batch: AlignedBatch, codes: Codes) -> Tensor | None:
        """Return what is in front of the faces, told by how they look for most of the shot."""
        usual = self.split(codes.w)[1]
        return self._departures.hidden(batch.images, batch.landmarks, usual)

    @property
    def dimensions(self) -> int:
        """Numbers D of the network's own code."""
        return self._network.dimensions

    def split(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Return the network's own code (N, D) and the usual look (N, K) of codes (N, 1, D + K)."""
        length = self._network.dimensions
        return w[:, 0, :length], w[:, 0, length:]


@dataclass(frozen=True, slots=True)
class PortraitPack:
    """The embedded pack: appearance model, latent transformers, directions."""

    name: str
    model: PortraitLatentModel
    _movers: models.portrait_movers.MoverPack
    hashes: Mapping[str, str]
    _device: torch.device
    settings: Mapping[str, str]
    _layer: models.packs.layers.Layer | None = None
    regions: frozenset[Region] = FACE
    _open: dict[tuple[str, str], models.movers.Mover] = field(default_factory=dict)
    """What was asked for once: session and batches ask again for every crop."""

    @property
    def carrier(self) -> PortraitCarrier:
        """What carries regions of another face."""
        return self.model.carrier

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """What the pack can change."""
        added = () if self._layer is None else self._layer.attributes
        own = self._movers.attributes
        names = {record.name for record in own}
        return tuple(offered(r) for r in (*own, *(a for a in added if a.name not in names)))

    def mover(self, kind: str, attribute: str, rows: tuple[int, int] | None = None) -> Mover:
        """Return what moves codes along an attribute, by the kind of mover; `rows`: the one row
        that there is.

        Raises:
            UsageError: the pack has none of this kind, or other rows are asked for.
            WeightsError: the file of one that was added cannot be used.
        """
        with usage_errors():
            models.packs.opening.check_rows(rows, 1, self.name)
            if (kind, attribute) not in self._open:
                self._open[kind, attribute] = self._opened(kind, attribute).to(self._device)
            mover = self._open[kind, attribute]

        def move(w: Tensor, strength: Tensor) -> Tensor:
            code, look = self.model.split(w)
            return torch.cat([mover(code[:, None], strength), look[:, None]], dim=2)

        return move

    def reader(self, attribute: str) -> Callable[[Tensor], Tensor]:
        """Return what says of codes (N, 1, D + K) how much they have of an attribute, (N,) 0–1.

        Raises:
            UsageError: the classifier does not read that.
        """
        movers = self._movers
        records = [*movers.attributes, *(self._layer.attributes if self._layer else ())]
        told = next((a for a in records if a.name == attribute), None)
        with usage_errors():
            return models.packs.reading.reader_of(
                lambda w: movers.classifier(self.model.split(w)[0]),
                movers.labels,
                told or models.attributes.Attribute(attribute),
                self.name,
            )

    def kinds_of(self, attribute: str) -> tuple[str, ...]:
        """Return the kinds of the movers that the pack has for an attribute."""
        added = [m.editor for m in self._added if m.attribute == attribute]
        return tuple(dict.fromkeys((*self._movers.kinds_of(attribute), *added)))

    def numbered(self, kind: str, number: int) -> Attribute | None:
        """Return what a kind of mover has under a number; None if nothing of it was added."""
        name = f"{kind}-{number}"
        told = next((a for a in self.attributes if a.name == name), None)
        entry = models.packs.opening.entry_of(self._added, kind, name)
        return Attribute(name, f"component {number}") if told is None and entry else told

    @property
    def _added(self) -> tuple[models.packs.packfile.MoverEntry, ...]:
        return () if self._layer is None else self._layer.movers

    def _opened(self, kind: str, attribute: str) -> models.movers.Mover:
        opening = models.packs.opening
        entry = opening.entry_of(self._added, kind, attribute)
        if entry is not None:
            codes = (1, self.model.dimensions)
            return opening.open_mover(Path(), entry, codes=codes, pack=self.name, rows=None)
        return models.movers.RowMover(self._movers.mover(kind, attribute))
