"""A StyleGAN2 pack, seen as the pipeline sees any pack.

Faces come in upright crops of the clip's own pixels; the encoder sees the square that FFHQ would
cut out of them, the generator draws such a square. *Replace* puts the drawn face into the crop, as
published (Yao et al., ICCV 2021). *Delta* draws the face before and after the edit and carries only
the change onto the crop (`imaging/transfer.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..config import Precision, Transfer
from ..editors import FACE, Attribute
from ..editors._face_model import CodeRule, Codes, Mover
from ..imaging import temporal
from ..imaging.flow import SIDE, place_within
from ..imaging.geometry import Affine, ffhq_quad, quad_to_matrix
from ..imaging.masks import face_mask
from ..imaging.parsing import REGIONS, Region, region_mask
from ..imaging.sampling import resized
from ..imaging.transfer import deform, from_crop, onto_crop
from ..types import AlignedBatch, CropRule, EditedBatch
from .attributes import left_out, offered
from .device import is_bf16
from .seam import models, usage_errors, weights_errors

_MOVING_SHARE = 11 / 18
"""First part of a W+ code that follows the face: the layers that an edit moves too (0–10 of 18,
pictures up to 128 px). The finer ones draw texture, which would flicker."""
_SMOOTHING_S = {"replace": 0.1, "delta": 0.3}
"""Sigma of the smoothing of codes over time [s]: mouths open and close in a fifth of a second. A
deformation need not follow them as closely as a picture, and any shake of it is seen."""
_PLACES = 16
"""Side of the field that says how far beside the clip's face a face is drawn."""
_DELTA_HZ = 12.5
"""Frames encoded per second for delta transfer; for replace every frame is."""
_FULL_PX = 256
"""Generators from this size on draw hair that can be carried over."""
_PARSING_PX = 512
"""Side of the pictures that the parsing network was made for."""
_GROW, _FEATHER = {"replace": 0.05, "delta": 0.45}, {"replace": 0.2, "delta": 0.6}
"""Of the face's outline, outwards, and the width of its soft edge [outer eye distances]. What is
pasted ends at the face; a deformation needs room to fade out in."""
_DELTA_EDGE = 0.1
"""Share of a deformation from which on its pixels are wholly those of the edit."""


class StyleLatentModel:
    """Encoder and generator of a StyleGAN2 pack."""

    def __init__(self, networks: models.packs.opening.StylePack, transfer: Transfer) -> None:
        self.crop = CropRule()
        every = transfer == "replace"
        self.codes = CodeRule(
            samples_hz=np.inf if every else _DELTA_HZ,
            moving_layers=round(_MOVING_SHARE * networks.layers),
            smoothing_s=_SMOOTHING_S[transfer],
        )
        self._networks = networks
        self._transfer: Transfer = transfer

    def encode(self, batch: AlignedBatch) -> Codes:
        """Return the W+ codes of N crops; for delta transfer the state says where they are drawn.

        A field of places found anew in every frame would shake: as a state it is settled in time.
        """
        squares = _squares(batch)
        picture = from_crop(batch.images, squares, self._networks.encoder_size).clamp(-1, 1)
        w = self._networks.encode(picture)
        if self._transfer == "replace":
            return Codes(w=w, state=w.new_zeros(len(w), 0))
        beside = place_within(from_crop(batch.images, squares, SIDE), self._networks.generate(w))
        coarse = F.adaptive_avg_pool2d(beside.permute(0, 3, 1, 2), _PLACES)
        return Codes(w=w, state=coarse.flatten(1))

    def observe(self, batch: AlignedBatch) -> Tensor:
        """Return the states of N crops; what they hold is found with the codes alone."""
        return self.encode(batch).state

    def reconstruct(self, codes: Codes) -> Tensor:
        """Return what the generator draws, (N, 3, S, S) in [-1, 1]."""
        return self._networks.generate(codes.w).clamp(-1, 1)

    def settle(self, state: Tensor, rate: float) -> Tensor:
        """Return the places (T, G) of a shot steadied over time; rate in frames per second."""
        values = state.double().numpy()
        times = np.arange(len(values)) / rate
        steady = temporal.smooth(values, times, strength_s=_SMOOTHING_S[self._transfer])
        return torch.from_numpy(steady).float()

    def limits(self, before: Tensor, after: Tensor, state: Tensor) -> Mapping[str, Tensor]:
        """Return nothing: all of an edit is drawn."""
        del before, after, state
        return {}

    def hidden(self, batch: AlignedBatch, codes: Codes) -> None:
        """Return nothing: an inverted picture holds what is in front of a face too."""
        del batch, codes

    def render(
        self, batch: AlignedBatch, before: Codes, after: Codes, regions: frozenset[Region] = FACE
    ) -> EditedBatch:
        """Carry what lies between two codes into the crops; where they are equal, nothing."""
        is_moved = (before.w != after.w).flatten(1).any(1).tolist()
        if all(is_moved):
            return EditedBatch(batch, *self._changed(batch, before, after, regions))
        images, masks = batch.images.clone(), torch.zeros_like(batch.images[:, :1])
        if moved := [n for n, yes in enumerate(is_moved) if yes]:
            images[moved], masks[moved] = self._changed(
                batch.rows(moved),
                Codes(before.w[moved], before.state[moved]),
                Codes(after.w[moved], after.state[moved]),
                regions,
            )
        return EditedBatch(batch, images, masks)

    def _changed(
        self, batch: AlignedBatch, before: Codes, after: Codes, regions: frozenset[Region]
    ) -> tuple[Tensor, Tensor]:
        """Images and masks of crops whose codes were moved."""
        squares, side = _squares(batch), batch.images.shape[-1]
        drawn = self._networks.generate(after.w)
        mask = self._mask(batch, squares, drawn, regions)
        if self._transfer == "delta":
            beside = before.state.view(-1, 2, _PLACES, _PLACES).permute(0, 2, 3, 1)
            own = self._networks.generate(before.w)
            images = deform(batch.images, own, drawn, squares, mask, beside=beside)
            # The change itself fades with the mask: mixing once more would leave double lines.
            return images, (mask / _DELTA_EDGE).clamp(max=1)
        # Where a face comes or goes, all that was drawn of it fades, not its edit alone.
        share = batch.weights[:, None, None, None]
        return onto_crop(drawn, squares, side).clamp(-1, 1), mask * share

    def _mask(
        self, batch: AlignedBatch, squares: Affine, drawn: Tensor, regions: frozenset[Region]
    ) -> Tensor:
        """(N, 1, S, S) how much of a change the crops may take, 0–1."""
        side = batch.images.shape[-1]
        grow, feather = _GROW[self._transfer], _FEATHER[self._transfer]
        face = face_mask(batch.landmarks, side, grow=grow, feather=feather)
        if regions == FACE:
            return face
        pictures = [from_crop(batch.images, squares, _PARSING_PX), resized(drawn, _PARSING_PX)]
        found = [self._parsed(picture, regions) for picture in pictures]
        parts = [onto_crop(part, squares, side).clamp(0, 1) for part in found if part is not None]
        for part in parts:
            face = torch.maximum(face, part)
        return face

    def _parsed(self, pictures: Tensor, regions: frozenset[Region]) -> Tensor | None:
        """(N, 1, S, S) soft mask of some regions of the square, if the pack tells them."""
        labels = self._networks.parse(pictures.clamp(-1, 1))
        return None if labels is None else region_mask(labels, regions)


def _squares(batch: AlignedBatch) -> Affine:
    """(N, 3, 3) unit square → crop px, of the square that FFHQ would cut out."""
    quads = batch.quads
    if quads is None:
        quads = ffhq_quad(batch.landmarks.double().cpu().numpy())
    out = quad_to_matrix(quads, 1)
    # `quad_to_matrix` speaks of pixel centres, the unit square of edges: half a unit apart.
    out[:, :2, 2] -= 0.5 * (out[:, :2, 0] + out[:, :2, 1])
    return out


@dataclass(frozen=True, slots=True)
class LoadedStylePack:
    """A StyleGAN2 pack: generator, encoder, movers, perhaps face parsing."""

    name: str
    model: StyleLatentModel
    hashes: Mapping[str, str]
    attributes: tuple[Attribute, ...]
    settings: Mapping[str, str]
    regions: frozenset[Region]
    _networks: models.packs.opening.StylePack

    @property
    def carrier(self) -> None:
        """Nothing: what its codes hold of a face is not told apart by regions."""

    def mover(self, kind: str, attribute: str, rows: tuple[int, int] | None = None) -> Mover:
        """Return what moves codes along an attribute, by the kind of mover; `rows`: only these.

        Raises:
            UsageError: the pack has no such mover, or rows.
            WeightsError: its file cannot be used.
        """
        with usage_errors():
            return self._networks.mover(kind, attribute, rows)

    def reader(self, attribute: str) -> Callable[[Tensor], Tensor]:
        """Return what says of codes (N, L, D) how much they have of an attribute, (N,) 0–1.

        Raises:
            UsageError: the pack's classifier does not read that, or there is none.
            WeightsError: its file cannot be used.
        """
        with usage_errors():
            return self._networks.reader(attribute)

    def kinds_of(self, attribute: str) -> tuple[str, ...]:
        """Return the kinds of the movers that the pack has for an attribute."""
        return self._networks.kinds_of(attribute)

    def numbered(self, kind: str, number: int) -> Attribute | None:
        """Return what a kind of mover has under a number; None if the pack has no such mover."""
        found = self._networks.numbered(kind, number)
        return None if found is None else offered(found)


def load_style(
    folder: Path,
    device: torch.device,
    *,
    transfer: Transfer,
    precision: Precision,
    layer: models.packs.layers.Layer | None = None,
    left_aside: tuple[str, ...] = (),
) -> LoadedStylePack:
    """Return the pack of a folder, on a device, with the layer that the user added to it.

    `left_aside`: sentences on what was added and cannot be used.

    Raises:
        WeightsError: a file is missing, damaged, or not the one expected, or a part is missing.
    """
    with weights_errors():
        opened = models.packs.opening.open_pack(folder, layer)
        hashes = dict(opened.hashes)
    bf16 = is_bf16(precision, device, opened.size)
    # Prepared where it was read, then moved: what preparing adds (filters) must come along.
    networks = opened.prepared(torch.bfloat16 if bf16 else torch.float32).to(device)
    # A change of hair is one that small generators cannot draw: carried over, theirs would blur it.
    face_only = transfer == "delta" and networks.size < _FULL_PX
    return LoadedStylePack(
        name=networks.name,
        model=StyleLatentModel(networks, transfer),
        hashes=hashes,
        attributes=tuple(offered(a, face_only=face_only) for a in networks.attributes),
        settings={
            "transfer": transfer,
            "precision": "bf16" if bf16 else "fp32",
            **left_out(left_aside),
        },
        regions=FACE if networks.facts.parsing is None else frozenset(REGIONS),
        _networks=networks,
    )
