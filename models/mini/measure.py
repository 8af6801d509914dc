"""How close pictures are, and what strangers would say of a face: PSNR, SSIM, a reader of ratings.

The reader judges edits. It looks at pixels only (histograms of gradients, ridge regression), knows
nothing of codes, and is fitted on other faces than those it judges.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..ops.gaussian import gaussian_weights
from ..ops.ridge import dual_ridge

_BINS, _CELL = 9, 8
_PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Tried in shares of the mean squared length of a feature row."""


def psnr(found: Tensor, wanted: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio (N,) [dB] of pictures (N, 3, H, W) in [-1, 1]."""
    error = (found.clamp(-1, 1) - wanted).square().mean(dim=(1, 2, 3))
    return 10 * torch.log10(4 / error)


def ssim(found: Tensor, wanted: Tensor) -> Tensor:
    """Return the structural similarity (N,) of the luma of pictures (N, 3, H, W) in [-1, 1].

    Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to structural
    similarity", 2004: 11-px Gaussian window of 1.5 px, constants 0.01 and 0.03 of the range.
    """
    a, b = _luma(found.clamp(-1, 1)), _luma(wanted)
    mean_a, mean_b = _blurred(a), _blurred(b)
    var_a, var_b = _blurred(a * a) - mean_a**2, _blurred(b * b) - mean_b**2
    both = _blurred(a * b) - mean_a * mean_b
    c1, c2 = 0.02**2, 0.06**2
    map_ = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    map_ = map_ / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return map_.mean(dim=(1, 2, 3))


def _luma(images: Tensor) -> Tensor:
    weights = torch.tensor([0.299, 0.587, 0.114], device=images.device)
    return (images * weights[:, None, None]).sum(1, keepdim=True)


def _blurred(x: Tensor) -> Tensor:
    line = gaussian_weights(1.5, 5, x)
    return F.conv2d(F.conv2d(x, line.view(1, 1, 1, -1)), line.view(1, 1, -1, 1))


def gradient_histograms(images: Tensor) -> Tensor:
    """Return what a picture's edges look like, cell by cell (N, F).

    Dalal & Triggs, "Histograms of oriented gradients for human detection", CVPR 2005: nine
    directions without sign in cells of 8 px, normalised over 2x2 cells. The colours of a reduced
    picture are added, because hair, skin and lips speak of age and gender.

    Args:
        images: (N, 3, H, W) in [-1, 1]; sides divisible by 8.
    """
    luma = _luma(images.clamp(-1, 1))
    padded = F.pad(luma, (1, 1, 1, 1), mode="replicate")
    dx = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
    dy = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    size = torch.sqrt(dx**2 + dy**2 + 1e-12)
    place = torch.remainder(torch.atan2(dy, dx) / math.pi * _BINS, _BINS)
    lower = place.floor()
    share = place - lower
    bins = torch.arange(_BINS, device=images.device).view(1, -1, 1, 1)
    votes = size * ((bins == lower) * (1 - share) + (bins == (lower + 1) % _BINS) * share)
    cells = F.avg_pool2d(votes, _CELL)
    energy = F.avg_pool2d(cells.square().sum(1, keepdim=True), 2, stride=1)
    norm = torch.sqrt(energy + 1e-3)
    blocks = [
        cells[:, :, y : y + norm.shape[2], x : x + norm.shape[3]] / norm
        for y in (0, 1)
        for x in (0, 1)
    ]
    colours = F.avg_pool2d(images.clamp(-1, 1), images.shape[-1] // 16)
    return torch.cat([torch.cat(blocks, 1).flatten(1), 0.5 * colours.flatten(1)], dim=1)


@dataclass(frozen=True, slots=True)
class PictureReader:
    """Reads ratings from pictures, linear in their gradient histograms."""

    mean: Tensor
    """(F,) of the features."""
    slope: Tensor
    """(F, A)."""
    names: tuple[str, ...]
    """A ratings."""

    def read(self, images: Tensor) -> Tensor:
        """Return ratings (N, A) [SD of the rating over faces] of pictures (N, 3, S, S)."""
        return (gradient_histograms(images) - self.mean) @ self.slope


def fit_reader(images: Tensor, ratings: Tensor, names: tuple[str, ...]) -> PictureReader:
    """Return a reader of standardised ratings (N, A), fitted on pictures (N, 3, S, S) and their
    mirror images.

    Its penalty is the best one on every fifth picture left out, per rating. A ridge reads too
    flatly; each slope is stretched until readings of those left out have slope 1 against their
    ratings, so that a change of the reading can be taken for a change of the rating.
    """
    features = gradient_histograms(torch.cat([images, images.flip(-1)]))
    out = (torch.arange(len(images)) % 5 == 4).repeat(2)
    ratings = ratings.repeat(2, 1)
    mean, whole = features.mean(0), features[~out].mean(0)
    kept, left = features[~out] - whole, features[out] - whole
    inner, across = kept @ kept.T, left @ kept.T
    chosen = [_penalty(inner, across, column[~out], column[out]) for column in ratings.T]
    rows = features - mean
    full = rows @ rows.T
    weights = [
        stretch * dual_ridge(full, column, penalty)
        for (penalty, stretch), column in zip(chosen, ratings.T, strict=True)
    ]
    return PictureReader(mean, rows.T @ torch.stack(weights, dim=1), names)


def _penalty(inner: Tensor, across: Tensor, known: Tensor, left: Tensor) -> tuple[float, float]:
    """Return the penalty whose readings of those left out correlate best, and the factor that
    gives these readings slope 1."""
    best, chosen = -2.0, (_PENALTIES[0], 1.0)
    for penalty in _PENALTIES:
        pair = torch.stack([across @ dual_ridge(inner, known, penalty), left])
        correlation, covariance = float(torch.corrcoef(pair)[0, 1]), torch.cov(pair)
        if correlation > best:
            best, chosen = correlation, (penalty, float(covariance[0, 1] / covariance[0, 0]))
    return chosen
