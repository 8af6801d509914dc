"""Judges of face pictures that know nothing of any code: what is in the picture, and who.

A ridge regression of ratings on gradient histograms and colours, and, where no ArcFace is brought,
an identity metric learnt from pictures of the same faces at other levels of an attribute. Both are
fitted in seconds, on faces other than those they judge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from ..arcface import Identity
from ..base import ModelError, ModelInputError
from ..directions import fit_components
from ..ops.ridge import dual_ridge
from ..training.calibration import correlation_of

FEATURE_SIDE: Final = 128
"""Pictures are judged at this side, px."""

_FACE: Final = (24, 124, 14, 114)
"""Rows and columns of the head in an aligned picture of FEATURE_SIDE px."""
_INNER: Final = (36, 112, 26, 102)
"""Those of the face without hair, neck and most of the background."""

_SCALES: Final = ((96, 8), (48, 6))
"""Side of the crop and of a cell, px."""
_ORIENTATIONS = 9
_RIDGE = 0.2
"""Penalty in shares of the mean squared length of the centred features."""
_METRIC_DIMENSIONS = 100
_METRIC_SHRINK = 0.02


def features(images: Tensor, *, inner: bool = False) -> Tensor:
    """Return what describes aligned faces (N, F): oriented gradients at two scales, and colours.

    Args:
        images: (N, 3, S, S) float RGB in [-1, 1], FFHQ-aligned.
        inner: the inner face only, for identity, instead of the whole head.

    Raises:
        ModelInputError: not square pictures.
    """
    if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3]:
        raise ModelInputError(f"expected aligned pictures (N, 3, S, S), got {tuple(images.shape)}")
    if images.shape[-1] != FEATURE_SIDE:
        images = F.interpolate(
            images, FEATURE_SIDE, mode="bilinear", antialias=True, align_corners=False
        )
    top, bottom, left, right = _INNER if inner else _FACE
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


@dataclass(frozen=True, slots=True)
class LearntIdentity:
    """Cosine in a space where what varies within a face is small and what varies between is not."""

    mean: Tensor
    """(F,)"""
    projection: Tensor
    """(F, K)"""

    def placed(self, described: Tensor) -> Tensor:
        """Return embeddings (N, K) of length 1 of inner features (N, F)."""
        return F.normalize((described - self.mean) @ self.projection, dim=1)

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """Return cosines (N,) of pictures a and b (N, 3, S, S); a may be one picture for all."""
        first, second = (self.placed(features(images, inner=True)) for images in (a, b))
        return (first * second).sum(1)


IdentityJudge = LearntIdentity | Identity


def fit_identity(own: Tensor, faces: Sequence[str], background: Tensor) -> LearntIdentity:
    """Return an identity metric: principal components, then within-face whitening.

    Args:
        own: inner features (N, F), several per face: other levels of attributes, and mirror images,
            so that pose, light and background do not give a face away.
        faces: whose each is.
        background: inner features (M, F) of further faces, for the principal components.

    Raises:
        ModelError: no face has two pictures, or there are too few pictures.
    """
    everything = torch.cat([own, background])
    known = {face: number for number, face in enumerate(dict.fromkeys(faces))}
    label = torch.tensor([known[face] for face in faces])
    dimensions = min(_METRIC_DIMENSIONS, len(everything) // 3)
    if len(known) == len(faces) or dimensions < 2:
        raise ModelError(
            f"{len(faces)} pictures of {len(known)} faces teach no identity; give several pictures "
            "of each of several faces"
        )
    components = fit_components(everything[:, None], dimensions)
    mean, axes = components.mean[0], components.components[:, 0].T
    spots = (own - mean) @ axes
    centres = torch.zeros(len(known), dimensions).index_add_(0, label, spots)
    centres /= label.bincount()[:, None]
    within = spots - centres[label]
    scatter = within.T @ within / len(within)
    even = scatter.diagonal().mean() * torch.eye(dimensions)
    values, vectors = torch.linalg.eigh((1 - _METRIC_SHRINK) * scatter + _METRIC_SHRINK * even)
    return LearntIdentity(mean, axes @ vectors @ torch.diag(values.rsqrt()))


def verification(
    judge: LearntIdentity, plain: Tensor, mirrored: Tensor, faces: Sequence[str]
) -> dict[str, float]:
    """Return how well a metric tells faces (not learnt from) apart, one of each pair mirrored.

    `accuracy`: balanced, at the best threshold. `same` and `other`: mean cosines.

    Args:
        judge: the metric.
        plain: inner features (N, F).
        mirrored: those of the mirrored pictures.
        faces: whose each is.
    """
    a, b = judge.placed(plain), judge.placed(mirrored)
    cosines = a @ b.T
    same = torch.tensor([[x == y for y in faces] for x in faces])
    alike, other = cosines[same], cosines[~same]
    thresholds = torch.linspace(-1, 1, 401)
    hits = torch.stack(
        [(alike > t).float().mean() + (other <= t).float().mean() for t in thresholds]
    )
    return {
        "accuracy": float(hits.max() / 2),
        "same": float(alike.mean()),
        "other": float(other.mean()),
    }
