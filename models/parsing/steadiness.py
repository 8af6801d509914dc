"""How steady the parsing of a clip is, in the face's own frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from .net import LABELS

SQUARE: Final = 2.9
"""Side of the square the network reads [outer eye distances], on average."""
MASKS: Final[Mapping[str, tuple[str, ...]]] = {
    "hair": ("hair",),
    "face": ("skin", "nose", "brows", "eyes", "lips", "mouth", "glasses"),
    "person": tuple(name for name in LABELS if name != "background"),
}
"""Masks whose outlines are followed."""
_WINDOW: Final = 5
"""Side of the windows in which an outline's step is measured [cells]."""
_LEAST: Final = 0.5
"""Outline that must lie in a window to be followed there [window sides]."""


def steadiness(shares: Tensor) -> dict[str, float]:
    """Return figures of the shares (T, 13, G, G) of T >= 3 frames in a row.

    `<mask>_moves` is how far an outline goes between two frames, `<mask>_shakes` half of how much
    that differs from one step to the next: both means along the outline [% of the outer eye
    distance]. A head that turns moves its outlines; what shakes is seen as flicker. `blinks` is how
    many of a thousand cells have another label for one frame only, `changes` the mean change of the
    shares between frames [%].

    Raises:
        ValueError: fewer frames, or another shape.
    """
    if shares.dim() != 4 or len(shares) < 3:
        raise ValueError(f"needs three frames or more (T, 13, G, G), got {tuple(shares.shape)}")
    figures: dict[str, float] = {}
    cell = 100 * SQUARE / shares.shape[-1]
    for mask, names in MASKS.items():
        part = shares[:, [LABELS.index(name) for name in names]].sum(1)
        steps, length = _steps(part)
        bends = steps.diff(dim=0).abs() / 2
        figures[f"{mask}_moves"] = round(cell * _mean(steps.abs(), length), 3)
        figures[f"{mask}_shakes"] = round(cell * _mean(bends, length[1:]), 3)
    label = shares.argmax(1)
    blinks = (label[1:-1] != label[:-2]) & (label[2:] == label[:-2])
    figures["blinks"] = round(1000 * float(blinks.float().mean()), 3)
    figures["changes"] = round(50 * float(shares.diff(dim=0).abs().sum(1).mean()), 3)
    return figures


def _steps(mask: Tensor) -> tuple[Tensor, Tensor]:
    """How far the outline of soft masks (T, G, G) goes outwards near each cell, and how long it is
    there, (T - 1, G, G) [cells]: what the masks gain in a window by the sum of their gradients."""
    wide = F.pad(mask[:, None], (1, 1, 1, 1), mode="replicate")
    across = (wide[..., 1:-1, 2:] - wide[..., 1:-1, :-2]) / 2
    down = (wide[..., 2:, 1:-1] - wide[..., :-2, 1:-1]) / 2
    gradient = (across.square() + down.square()).sqrt()
    either = (gradient[1:] + gradient[:-1]) / 2
    gained = F.avg_pool2d(mask.diff(dim=0)[:, None], _WINDOW, 1, _WINDOW // 2)
    length = F.avg_pool2d(either, _WINDOW, 1, _WINDOW // 2)
    seen = length > _LEAST / _WINDOW
    steps = torch.where(seen, gained / length.clamp(min=1e-6), 0)
    return steps[:, 0], torch.where(seen, either, 0)[:, 0]


def _mean(values: Tensor, length: Tensor) -> float:
    total = float(length.sum())
    return float((values * length).sum()) / total if total > 1 else float("nan")
