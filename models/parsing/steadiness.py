"""How steady the parsing of a clip is, in the face's own frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

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


def steadiness(shares: Tensor) -> dict[str, float]:
    """Return figures of the shares (T, 13, G, G) of T >= 3 frames in a row.

    `<mask>_moves` and `<mask>_shakes` are how far an outline goes between two frames, and how far
    its second difference, [% of the outer eye distance]: what changes of a soft mask, divided by
    how long its outline is (the sum of its gradient). A head that turns moves its outlines; only
    what shakes is seen as flicker. `blinks` is the share of cells, of a thousand, whose label is
    another for one frame only; `changes` the mean change of the shares between frames [%].
    """
    if shares.dim() != 4 or len(shares) < 3:
        raise ValueError(
            f"three frames or more are needed (T, 13, G, G), got {tuple(shares.shape)}"
        )
    figures: dict[str, float] = {}
    cell = 100 * SQUARE / shares.shape[-1]
    for mask, names in MASKS.items():
        part = shares[:, [LABELS.index(name) for name in names]].sum(1)
        length = _length(part)
        step = part.diff(dim=0)
        figures[f"{mask}_moves"] = _percent(step.abs().sum((1, 2)), length[1:], cell)
        figures[f"{mask}_shakes"] = _percent(
            step.diff(dim=0).abs().sum((1, 2)) / 2, length[1:-1], cell
        )
    label = shares.argmax(1)
    blinks = (label[1:-1] != label[:-2]) & (label[2:] == label[:-2])
    figures["blinks"] = round(1000 * float(blinks.float().mean()), 3)
    figures["changes"] = round(50 * float(shares.diff(dim=0).abs().sum(1).mean()), 3)
    return figures


def _length(mask: Tensor) -> Tensor:
    """Outline (T,) of soft masks (T, G, G) [cells]: total variation."""
    across = mask[:, :-1, 1:] - mask[:, :-1, :-1]
    down = mask[:, 1:, :-1] - mask[:, :-1, :-1]
    return (across.square() + down.square()).sqrt().sum((1, 2))


def _percent(changed: Tensor, length: Tensor, cell: float) -> float:
    seen = length > 1
    if not bool(seen.any()):
        return float("nan")
    return round(cell * float((changed[seen] / length[seen]).median()), 3)
