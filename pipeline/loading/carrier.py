"""The embedded portrait as what carries a region of one face into another (see
`editors._face_model.Carrier`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..editors import Mover
from ..parsing import Parsing
from ..types import AlignedBatch, EditedBatch
from .seam import models

_BEARDED = (0.04, 0.12)
"""Shares of hair on the chin and round the mouth between which a face has a beard."""


class PortraitCarrier:
    """Carries regions with the geometry and the texture frame of one portrait."""

    def __init__(self, network: models.portrait.PortraitModel, look_length: int) -> None:
        self._network, self._look_length = network, look_length
        canonical, side = network.canonical.cpu(), models.portrait.texture.FIELD_SIDE
        self._beards = _Beards(
            models.portrait.below_nose(canonical, side), models.portrait.chin_map(canonical, side)
        )

    def yaw(self, landmarks: Tensor) -> Tensor:
        """Return by how much heads, landmarks (N, 68, 2) px, are turned (N,) [radians]."""
        return self._network.shape.fit(landmarks).angles[:, 0]

    def turned(self, yaw: Tensor) -> Tensor:
        """Return what turns (N,) [radians] leave of an edit (N,) 0–1."""
        return models.portrait.turn_damping(yaw)

    def likeness(self, batch: AlignedBatch) -> dict[str, Tensor]:
        """Return how faces look, whatever their pose: tensors (N, …) by name."""
        places = models.portrait.texel_places(self._network, batch.landmarks)
        beards = _Beards(*(m.to(places.device) for m in self._beards))
        clear, hair = _shown(batch.parsing, places, beards)
        found = models.portrait.likeness(self._network, batch.images, batch.landmarks, clear, hair)
        return found._asdict()

    def seen(self, batch: AlignedBatch, region: str) -> float:
        """Return which share of a region one face shows, either of its halves, 0–1."""
        likeness = models.portrait.Likeness(**self.likeness(batch))
        return models.portrait.seen_share(self._network, likeness, region)

    def carried(
        self,
        own: Mapping[str, Tensor],
        other: Mapping[str, Tensor],
        region: str,
        kept_out: Tensor,
        beard: bool,
    ) -> dict[str, Tensor]:
        """Return what turns a region of a face, seen in N frames, into that of another one."""
        found = models.portrait.carried(
            self._network,
            models.portrait.Likeness(**own).usual(),
            models.portrait.Likeness(**other),
            region,
            kept_out,
            beard,
        )
        return found._asdict()

    def directions(self, movers: Sequence[Mover]) -> Tensor:
        """Return the steps (A, D) that movers make of the mean face's code."""
        length = self._network.dimensions
        mean = torch.zeros(1, 1, length + self._look_length, device=self._network.canonical.device)
        with torch.inference_mode():
            steps = [mover(mean, mean.new_ones(1))[:, 0, :length] for mover in movers]
        return torch.cat([mean[:0, 0, :length], *steps])

    def render(
        self, batch: AlignedBatch, carried: Mapping[str, Tensor], amount: Tensor, yaw: Tensor
    ) -> EditedBatch:
        """Return crops with so much of what is carried, amount (N,), of heads turned by `yaw` (N,)
        [radians]."""
        part = models.portrait.render_carried(
            self._network,
            batch.images,
            batch.landmarks,
            models.portrait.Carried(**carried),
            amount,
            yaw,
        )
        return EditedBatch(batch, part.images, part.masks, part.corner, part.shifts)


class _Beards(NamedTuple):
    """Where hair counts as a beard, on coarse texels (G, G) 0–1 each."""

    may_grow: Tensor
    must_grow: Tensor
    """Round the mouth and on the chin: hair beside a cheek is none where this is bare."""


def _shown(parsing: Parsing | None, places: Tensor, beards: _Beards) -> tuple[Tensor, Tensor]:
    """Return where texels show the face, and where a beard, (N, G, G) 0–1 each.

    `places` (N, G, G, 2) [crop px].
    """
    if parsing is None:
        return torch.ones_like(places[..., 0]), torch.zeros_like(places[..., 0])
    hair = _sampled(parsing, parsing.of("hair"), places)
    foreign = parsing.of("background", "glasses", "clothes", "front", "neck", "ears")
    chin = (hair * beards.must_grow).sum(dim=(1, 2)) / beards.must_grow.sum()
    bearded = ((chin - _BEARDED[0]) / (_BEARDED[1] - _BEARDED[0])).clamp(0, 1)
    beard = hair * beards.may_grow * bearded[:, None, None]
    clear = 1 - _sampled(parsing, foreign, places) - (hair - beard)
    return clear.clamp(0, 1), beard


def _sampled(parsing: Parsing, values: Tensor, places: Tensor) -> Tensor:
    """Return values on the grid (N, 1, G, G) at crop pixels (N, h, w, 2): (N, h, w)."""
    over = parsing.crop_to_grid
    grid = torch.einsum("nij,nhwj->nhwi", over[..., :2], places) + over[:, None, None, :, 2]
    found = F.grid_sample(values, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return found[:, 0]
