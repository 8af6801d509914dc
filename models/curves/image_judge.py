"""A judge of face pictures that knows nothing of any code: what is in the picture.

A ridge regression of ratings on gradient histograms and colours, fitted in seconds on faces other
than those it judges. Who is in the picture, `models/recognition` tells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from ..base import ModelError, ModelInputError
from ..ops.ridge import dual_ridge
from ..training.calibration import correlation_of

FEATURE_SIDE: Final = 128
"""Pictures are judged at this side, px."""

_FACE: Final = (24, 124, 14, 114)
"""Rows and columns of the head in an aligned picture of FEATURE_SIDE px."""
_SCALES: Final = ((96, 8), (48, 6))
"""Side of the crop and of a cell, px."""
_ORIENTATIONS = 9
_RIDGE = 0.2
"""Penalty in shares of the mean squared length of the centred features."""


def features(images: Tensor) -> Tensor:
    """Return what describes aligned faces (N, F): oriented gradients at two scales, and colours.

    Args:
        images: (N, 3, S, S) float RGB in [-1, 1], FFHQ-aligned.

    Raises:
        ModelInputError: not square pictures.
    """
    if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3]:
        raise ModelInputError(f"expected aligned pictures (N, 3, S, S), got {tuple(images.shape)}")
    if images.shape[-1] != FEATURE_SIDE:
        images = F.interpolate(
            images, FEATURE_SIDE, mode="bilinear", antialias=True, align_corners=False
        )
    top, bottom, left, right = _FACE
    crop = images[:, :, top:bottom, left:right]
    parts = []
    for side, cell in _SCALES:
        sized = F.interpolate(crop, side, mode="bilinear", antialias=True, align_corners=False)
        parts.append(_oriented_gradients(sized.mean(1, keepdim=True), cell))
    parts.append(0.5 * F.interpolate(crop, 12, mode="area").flatten(1))
    return torch.cat(parts, dim=1)


def _oriented_gradients(grey: Tensor, cell: int) -> Tensor:
    """Return root histograms of gradient directions over overlapping cells, local contrast out.

    After Dalal and Triggs, CVPR 2005: linear vote into the two nearest of 9 directions over 180°.
    """
    wide = F.pad(grey, (1, 1, 1, 1), mode="replicate")[:, 0]
    dx = wide[:, 1:-1, 2:] - wide[:, 1:-1, :-2]
    dy = wide[:, 2:, 1:-1] - wide[:, :-2, 1:-1]
    strength = torch.sqrt(dx.square() + dy.square()) / 2
    place = torch.remainder(torch.atan2(dy, dx), math.pi) / math.pi * _ORIENTATIONS
    low = place.floor()
    share = (place - low)[:, None]
    first = low.long()[:, None] % _ORIENTATIONS
    votes = torch.zeros(len(grey), _ORIENTATIONS, *dx.shape[1:], dtype=grey.dtype)
    votes.scatter_add_(1, first, strength[:, None] * (1 - share))
    votes.scatter_add_(1, (first + 1) % _ORIENTATIONS, strength[:, None] * share)
    cells = F.avg_pool2d(votes, 2 * cell, stride=cell)
    contrast = F.avg_pool2d(cells.square().sum(1, keepdim=True), 3, 1, 1).sqrt() + 0.02
    return torch.sqrt(cells / contrast).flatten(1)


@dataclass(frozen=True, slots=True)
class ImageClassifier:
    """Reads ratings from pictures by a linear regression of their features."""

    mean: Tensor
    """(F,)"""
    weight: Tensor
    """(F, A)"""
    names: tuple[str, ...]
    correlation: dict[str, float]
    """Per rating, with the ratings of pictures held out."""

    def readings(self, images: Tensor) -> Tensor:
        """Return readings (N, A) in standard deviations of each rating; above 0 is the class."""
        return (features(images) - self.mean) @ self.weight


def fit_classifier(
    images: Tensor,
    ratings: Tensor,
    names: tuple[str, ...],
    *,
    held_images: Tensor,
    held_ratings: Tensor,
) -> ImageClassifier:
    """Return a classifier of pictures and their mirror images.

    Args:
        images: (N, 3, S, S) to fit on.
        ratings: (N, A), mean 0 and standard deviation 1.
        names: of the ratings.
        held_images: (M, 3, S, S) to measure on.
        held_ratings: (M, A).

    Raises:
        ModelError: too few pictures to fit on.
    """
    if len(images) < 50:
        raise ModelError(f"{len(images)} rated pictures are too few for a classifier; 50 at least")
    x = torch.cat([features(images), features(images.flip(-1))]).double()
    mean, target = x.mean(0), ratings.repeat(2, 1).double()
    gram = (x - mean) @ (x - mean).T
    weight = (x - mean).T @ dual_ridge(gram, target, _RIDGE)
    bare = ImageClassifier(mean.float(), weight.float(), names, {})
    read = bare.readings(held_images)
    # Ridge readings are too flat; stretch them so that the held-out slope is 1.
    centred = held_ratings - held_ratings.mean(0)
    slope = (read * centred).sum(0) / read.square().sum(0)
    correlation = {
        name: correlation_of(read[:, i], held_ratings[:, i]) for i, name in enumerate(names)
    }
    return ImageClassifier(bare.mean, bare.weight * slope.clamp(min=1.0), names, correlation)
