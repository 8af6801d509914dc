"""What a face's skin is like over a shot, told from its median in the face's own frame: where it is
open, where small spots lie, how its colour departs from even.

Maps are over the window of `face_frame`; lengths are in distances between the outer eye corners
(E).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from .detail import LOG_OFFSET, bands, log_luma, within
from .face_frame import WINDOW_SIDE
from .face_regions import open_skin, spotted_skin
from .sampling import blurred

_SURE: Final = (0.45, 0.85)
"""Shares of skin between which a texel becomes skin."""
_GLASSES_GROW: Final = 0.02
"""How far the surroundings of a frame of glasses are left alone [E]: it shades them."""
_RIM: Final = (0.08, 0.25)
"""Shares of glasses between which a texel becomes a rim: thin ones are little of their cells."""
_BRIGHT_RIM: Final = (0.05, 0.10)
"""Rise of log luma over the skin around between which a line near glasses becomes a metal rim."""
_RIM_NEAR: Final = 0.05
"""How far from where glasses are seen at all such a line may lie [E]."""
_SPOT: Final = (0.010, 0.036)
"""Sigmas of the two Gaussians whose difference shows a spot [E]."""
_DARK, _MOLE = 0.035, 0.30
"""Depth of a spot in log luma from which it counts, and from which it is a mole."""
_RED: Final = 0.025
"""Rise of log red/green over its surroundings that counts as a dark one does."""
_WIDEST, _LONGEST = 0.075, 2.2
"""Largest spot [E]; largest ratio of its length to its width: folds are longer."""
_BESIDE, _MOST_BESIDE = (0.015, 0.045), 0.3
"""Where beside a spot is looked [E], and how much of that may be marked as it is."""
_CORE: Final = 0.25
"""Share of a spot's greatest strength that still belongs to it."""
_SPOT_GROW: Final = 0.018
_PATCH, _EVEN, _MOST_PATCH = 0.045, 0.20, 0.07
"""Sigmas of a patch of colour, and of what it is compared with [E]; more is the colour of light."""

GLOSS: Final = 0.22
"""Log luma above the skin around at which skin has lost its colour to gloss."""


def skin_of(shares: Tensor | None, glasses: Tensor | None, side: int) -> Tensor:
    """Return the open skin (1, 1, side, side) 0–1 of a face.

    Args:
        shares: (1, 1, G, G) 0–1 share of skin over the shot; None: nobody knows, take all.
        glasses: (1, 1, G, G) 0–1 share of glasses; None: none.
    """
    skin = open_skin(side)[None, None]
    if shares is not None:
        fine = F.interpolate(shares, (side, side), mode="bilinear", align_corners=False)
        t = ((fine - _SURE[0]) / (_SURE[1] - _SURE[0])).clamp(0, 1)
        skin = skin * (t * t * (3 - 2 * t))
    if glasses is not None:
        fine = F.interpolate(glasses, (side, side), mode="bilinear", align_corners=False)
        reach = round(_GLASSES_GROW * side / WINDOW_SIDE)
        seen = ((fine - _RIM[0]) / (_RIM[1] - _RIM[0])).clamp(0, 1)
        grown = F.max_pool2d(seen, 2 * reach + 1, 1, reach)
        skin = skin * (1 - blurred(grown, 0.5 * reach)).clamp(0, 1)
    return skin


def bright_rims(fold: Tensor, glasses: Tensor) -> Tensor:
    """Return how much of each texel is a thin rim of metal, (1, 1, M, M) 0–1: parsing hardly sees
    it. `fold` (1, 1, M, M): the band of folds; `glasses` (1, 1, G, G) 0–1 their share."""
    side = fold.shape[-1]
    fine = F.interpolate(glasses, (side, side), mode="bilinear", align_corners=False)
    reach = round(_RIM_NEAR * side / WINDOW_SIDE)
    near = F.max_pool2d((fine > 0.5 * _RIM[0]).float(), 2 * reach + 1, 1, reach)
    t = ((fold - _BRIGHT_RIM[0]) / (_BRIGHT_RIM[1] - _BRIGHT_RIM[0])).clamp(0, 1)
    return blurred(F.max_pool2d(t * near, 5, 1, 2), 1.0)


def spots_of(look: Tensor, skin: Tensor) -> tuple[Tensor, Tensor]:
    """Return where small dark or red spots lie, and where moles do, each (1, 1, M, M) 0–1, soft.

    `look` (1, 3, M, M) RGB in [-1, 1] is the median of the face, `skin` (1, 1, M, M) 0–1.
    """
    unit = look.shape[-1] / WINDOW_SIDE
    luma, red = log_luma(look), ratios(look)[:, :1]
    both = torch.cat([luma, red], 1)
    fine = blurred(both, _SPOT[0] * unit)
    around = within(both, skin, _SPOT[1] * unit)
    rise, depth = (fine - around)[0].numpy(), (around - both)[0, 0].numpy()
    strength = np.maximum(-rise[0] / _DARK, rise[1] / _RED).astype(np.float32)
    marked = (strength > 0.5).astype(np.uint8)
    strength *= skin[0, 0].numpy()
    small, moles = np.zeros_like(strength), np.zeros_like(strength)
    sure = spotted_skin(look.shape[-1]).numpy() * skin[0, 0].numpy() > 0.6
    count, labels, facts, _ = cv2.connectedComponentsWithStats(
        ((strength > 1) & sure).astype(np.uint8)
    )
    for label in range(1, count):
        if facts[label, cv2.CC_STAT_AREA] < max(3.0, (0.012 * unit) ** 2):
            continue
        x, y, w, h = facts[label, :4]
        inside = labels[y : y + h, x : x + w] == label
        # The skirts of a dark mole reach far: its size is that of its darker part.
        part = strength[y : y + h, x : x + w]
        inside &= part > _CORE * part[inside].max()
        size = np.ptp(np.argwhere(inside), axis=0).max() + 1
        if size > _WIDEST * unit or _length_ratio(inside) > _LONGEST:
            continue
        if not _is_alone(marked, labels == label, (x, y, w, h), unit):
            continue
        # The blur takes half of the depth of a small mole.
        deepest = float(depth[y : y + h, x : x + w][inside].max())
        target = moles if deepest > _MOLE else small
        target[y : y + h, x : x + w][inside] = 1.0
    return tuple(_grown(mask, unit) for mask in (small, moles))  # type: ignore[return-value]


def _is_alone(
    marked: NDArray[np.uint8], spot: NDArray[np.bool_], box: Sequence[int], unit: float
) -> bool:
    """Return whether hardly anything beside a patch is marked (H, W) as it is: a shade goes on."""
    reach = round(_BESIDE[1] * unit)
    (x, y, w, h), gap = box, round(_BESIDE[0] * unit)
    rows, columns = (slice(max(a - reach, 0), a + n + reach) for a, n in ((y, h), (x, w)))
    part = spot[rows, columns].astype(np.uint8)
    wide, close = (cv2.dilate(part, _disc(px)) for px in (reach, gap))
    ring = wide > close
    return bool(marked[rows, columns][ring].mean() < _MOST_BESIDE) if ring.any() else True


def _disc(reach: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2), np.uint8)


def _length_ratio(inside: NDArray[np.bool_]) -> float:
    """Return the ratio of the axes of a patch, by its second moments."""
    y, x = np.nonzero(inside)
    spread = np.cov(np.stack([x, y])) + np.eye(2) / 12
    low, high = np.linalg.eigvalsh(spread)
    return float(np.sqrt(high / low))


def _grown(mask: NDArray[np.float32], unit: float) -> Tensor:
    width = 2 * max(1, round(_SPOT_GROW * unit)) + 1
    grown = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)))
    soft = cv2.GaussianBlur(grown, (0, 0), 0.4 * _SPOT_GROW * unit)
    return torch.from_numpy(np.asarray(soft, np.float32))[None, None].clamp(0, 1)


def patches_of(look: Tensor, skin: Tensor) -> Tensor:
    """Return how the colour of skin departs from that of the skin around, (1, 2, M, M): log
    red/green and blue/green."""
    unit = look.shape[-1] / WINDOW_SIDE
    colours, own = ratios(look), bands(log_luma(look), skin, unit)
    # Gloss has the colour of light: it neither is a patch nor tells the colour around.
    dull = skin * (1 - (own.fold + own.wide) / GLOSS).clamp(0, 1)
    near = within(colours, dull, _PATCH * unit)
    away = near - within(near, dull, _EVEN * unit)
    return away.clamp(-_MOST_PATCH, _MOST_PATCH) * dull


def ratios(images: Tensor) -> Tensor:
    """(N, 2, h, w) log red/green and blue/green of RGB (N, 3, h, w) in [-1, 1]."""
    logs = ((images + 1) * 0.5 + LOG_OFFSET).log()
    return torch.cat([logs[:, :1] - logs[:, 1:2], logs[:, 2:] - logs[:, 1:2]], 1)
