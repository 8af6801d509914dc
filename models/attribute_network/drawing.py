"""Trained networks of both kinds, drawing pairs: what is measured, and how pictures compare."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..training.place import Place
from .dataset import Batch
from .network import AttributeNetwork
from .published import SIDE, Published


@dataclass(frozen=True, slots=True)
class Drawn:
    """What both stages made of a batch."""

    first: Tensor
    """(N, C, S, S) float32 levels 0-255."""
    second: Tensor
    """(N, C, S, S) float32 levels 0-255."""


def draw(network: Published | AttributeNetwork, batch: Batch, place: Place | None = None) -> Drawn:
    """Return what both stages make of pairs' sources: grey ones (1, 32, 32) or, of the grown-up
    network, colour ones (3, 128, 128)."""
    place = place or Place()
    with torch.inference_mode(), place.autocast():
        if isinstance(network, Published):
            return Drawn(*network(batch.source, batch.one_hot))
        images = batch.source.float() / 127.5 - 1
        first, second = network.both(images, batch.continuous)
        return Drawn(_levels(first.apply(images)), _levels(second.apply(images)))


def small_grey(levels: Tensor) -> Tensor:
    """Return grey pictures (N, 1, 32, 32) float32 of levels (N, 1 or 3, S, S), any type.

    Luma of ITU-R BT.601 and area averages, as the turntable makes its small pictures.
    """
    levels = levels.float()
    if levels.shape[1] == 3:
        weights = levels.new_tensor([0.299, 0.587, 0.114])
        levels = (levels * weights[:, None, None]).sum(1, keepdim=True)
    return levels if levels.shape[-1] == SIDE else F.adaptive_avg_pool2d(levels, SIDE)


def squared_error(drawn: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared difference (N,) of levels (N, C, S, S) per pixel and channel: the
    paper's "mean per-pixel generation error"."""
    return (drawn.float() - target.float()).square().flatten(1).mean(1)


def _levels(images: Tensor) -> Tensor:
    return (images + 1) * 127.5
