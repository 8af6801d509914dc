"""The detail of a face's own skin, band by band, scaled by region: folds, bags, shine; never pores.

Log luma is split inside the skin by three Gaussians of sigma 0.007, 0.055 and 0.16 E (E: distance
between the outer eye corners). What lies between the first two is `fold`: wrinkles, folds, edges of
bags. What lies between the last two is `wide`: bags, soft folds, broad shine. What is finer than
the first, pores and grain, is never touched. Shadows (below 0) and lights (above) of each band have
gains of their own.

A change of log luma is a factor on RGB, so the ratio of the colours stays, but for what a fold has
of its own: blood, and light between its walls, make it redder the darker it is (`shaded`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from .sampling import blurred, enlarged

FINE, MIDDLE, BROAD = 0.007, 0.055, 0.16
"""Sigmas between which the bands lie [E]."""
LOG_OFFSET: Final = 16.0 / 255.0
"""Added before the logarithm, to RGB in 0–1: noise in the dark stays small."""
_LUMA = (0.299, 0.587, 0.114)
MOST: Final = 0.5
"""Bound of a change of log luma."""
FOLD_COLOUR: Final = (0.754, 1.084, 1.214)
"""What red, green and blue take of a change of log luma in skin; their luma-weighted sum is 1."""
_LEAST_SKIN = 0.02
"""Share of skin under a Gaussian below which it says nothing."""


@dataclass(frozen=True, slots=True, repr=False)
class Bands:
    """What the skin of one crop is made of: log luma (1, 1, h, w), 0 beyond the skin."""

    fold: Tensor
    wide: Tensor

    def changed(self, gains: Tensor) -> Tensor:
        """Return the change of log luma (1, 1, h, w) for gains (1, 4, h, w) of the shadows and the
        lights of folds, and of those of what is wide: -1 takes a part away, 1 doubles it."""
        fold, wide = self.fold, self.wide
        parts = [fold.clamp_max(0), fold.clamp_min(0), wide.clamp_max(0), wide.clamp_min(0)]
        change = torch.zeros_like(fold)
        for index, part in enumerate(parts):
            change.addcmul_(gains[:, index : index + 1], part)
        return change.clamp_(-MOST, MOST)


def log_luma(images: Tensor) -> Tensor:
    """(N, 1, h, w) log luma of RGB (N, 3, h, w) in [-1, 1]."""
    red, green, blue = (images[:, n : n + 1] for n in range(3))
    luma = red * (0.5 * _LUMA[0]) + green * (0.5 * _LUMA[1]) + blue * (0.5 * _LUMA[2])
    return luma.add_(0.5 + LOG_OFFSET).log_()


def shaded(images: Tensor, change: Tensor, tint: Tensor | None = None) -> Tensor:
    """RGB (N, 3, h, w) in [-1, 1] with skin as much darker or lighter as a change of log luma
    (N, 1, h, w) says, and with a change of log red/green and blue/green (N, 2, h, w), if any, which
    leaves luma about as it is; exact where both are 0.

    The darker a fold, the redder it is: of a change of log luma, red, green and blue take a share
    each. Measured: within folds of 30 faces rated older than 50 in the OMI set, log red/green falls
    by 0.33 and log blue/green rises by 0.13 per unit of log luma (medians over four places: 0.22 to
    0.44, and 0.10 to 0.19). To first order.
    """
    return scaled(images, factors_of(change, None if tint is None else tinted(tint)))


def tinted(tint: Tensor) -> Tensor:
    """(N, 3, h, w) by what share of itself each colour of light changes for a change of log
    red/green and blue/green (N, 2, h, w) that leaves luma about as it is."""
    red, blue = tint[:, :1], tint[:, 1:]
    green = -_LUMA[0] * red - _LUMA[2] * blue
    return torch.expm1(torch.cat([green + red, green, green + blue], 1))


def factors_of(change: Tensor, more: Tensor | None = None) -> Tensor:
    """(N, 1 or 3, h, w) by what share of itself light changes with a change of log luma: one for
    all colours, whose shares `FOLD_COLOUR` are, or one each, with what `tinted` says of a tint."""
    factor = torch.expm1(change)
    if more is None:
        return factor
    own = torch.cat([share * factor for share in FOLD_COLOUR], 1)
    return torch.addcmul(own, own, more).add_(more)


def scaled(images: Tensor, factors: Tensor) -> Tensor:
    """RGB (N, 3, h, w) in [-1, 1] with its light changed by shares of itself (see `factors_of`)."""
    out = torch.empty_like(images)
    # One channel at a time: three wide it would be a large tensor that is made, read and dropped.
    for c, own in enumerate(FOLD_COLOUR):
        image = images[:, c : c + 1]
        by, share = (factors, own) if factors.shape[1] == 1 else (factors[:, c : c + 1], 1.0)
        light = image + (1 + 2 * LOG_OFFSET)
        torch.addcmul(image, light, by, value=share, out=out[:, c : c + 1])
    return out


def bands(
    luma: Tensor, skin: Tensor, eyes_px: float, *, impl: Literal["fast", "ref"] = "fast"
) -> Bands:
    """Return the bands of log luma (1, 1, h, w) within skin (1, 1, h, w) 0–1; `eyes_px` is E.

    The wide Gaussians are taken of averaged blocks, a few pixels to their sigma; `ref` takes them
    of every pixel.
    """
    fine = blurred(luma, FINE * eyes_px, impl=impl)
    middle = within(luma, skin, MIDDLE * eyes_px, impl=impl)
    broad = within(luma, skin, BROAD * eyes_px, impl=impl)
    return Bands((fine - middle) * skin, (middle - broad) * skin)


def within(
    values: Tensor, share: Tensor, sigma: float, *, impl: Literal["fast", "ref"] = "fast"
) -> Tensor:
    """(1, C, h, w) the Gaussian mean of values (1, C, h, w) over where `share` (1, 1, h, w) 0–1
    says that they count; where none do nearby, the mean of all that count.

    The normalised convolution of Knutsson and Westin (CVPR 1993).
    """
    height, width = values.shape[-2:]
    block = max(1, int(sigma / _CELLS)) if impl == "fast" else 1
    both = torch.cat([values * share, share], 1)
    total = both.mean((2, 3), keepdim=True)
    if block > 1:
        both = F.avg_pool2d(F.pad(both, (0, -width % block, 0, -height % block)), block)
        # Averaging over a block is a blur of its own, of variance (block² - 1) / 12.
    sigma_cells = (max(sigma**2 - (block**2 - 1) / 12, 0.0)) ** 0.5 / block
    soft = blurred(both, sigma_cells, impl=impl)
    weight = soft[:, -1:]
    mean = total[:, :-1] / total[:, -1:].clamp_min(1e-6)
    trust = (weight / _LEAST_SKIN).clamp(max=1.0)
    means = torch.lerp(mean.expand_as(soft[:, :-1]), soft[:, :-1] / weight.clamp_min(1e-6), trust)
    if block == 1:
        return means
    return enlarged(means, block)[..., :height, :width]


_CELLS = 2.2
"""Blocks per sigma of a Gaussian at least."""
