"""Retouching: what each retouch asks of a face's skin.

It is a sum of maps in the face's own frame (`face_frame`): gains of the bands of detail, folds to
add, spots to fill, patches of colour to even out. `skin_drawing` draws them into a frame.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .detail import bands, log_luma
from .face_frame import WINDOW_SIDE
from .face_regions import Place, place
from .lids import with_lids
from .skin_maps import bright_rims, patches_of, skin_of, spots_of

GAINS_SIDE: Final = 192
"""Texels per side of maps of gains, which are smooth."""
Gains = tuple[float, float, float, float]
"""Of the shadows and lights of folds, and of those of what is wide: -1 takes away, 1 doubles."""


@dataclass(frozen=True, slots=True, repr=False)
class Skin:
    """A face's skin over a shot: maps (1, C, M, M) in the face's own frame."""

    open: Tensor
    """0–1 where skin is bare."""
    fold: Tensor
    """The band of log luma that holds folds."""
    spots: Tensor
    """0–1 small dark or red spots."""
    moles: Tensor
    """0–1 spots that are as dark as moles."""
    patches: Tensor
    """Departure of log red/green and blue/green from the skin around."""
    folds: Tensor
    """Own folds and those to come, as changes of log luma."""
    lids: NDArray[np.floating] | None = None
    """(2, 4, 2) where its lids usually are (see `lids.py`); None: where its landmarks say."""

    @classmethod
    def of(cls, look: Tensor, skin: Tensor | None, glasses: Tensor | None) -> Skin:
        """Return the maps of a face's median look (1, 3, M, M) RGB in [-1, 1]; the shares of skin
        and of glasses (1, 1, G, G) as `skin_of` takes them. Of folds it knows nothing yet."""
        side = look.shape[-1]
        bare = skin_of(skin, glasses, side)
        luma, unit = log_luma(look), side / WINDOW_SIDE
        fold = bands(luma, bare, unit).fold
        if glasses is not None:
            bare = bare * (1 - bright_rims(fold, glasses))
            fold = bands(luma, bare, unit).fold
        spots, moles = spots_of(look, bare)
        none = torch.zeros(1, 2, side, side)
        return cls(bare, fold, spots, moles, patches_of(look, bare), none)

    def completed(self, folds: Tensor, lids: NDArray[np.floating]) -> Skin:
        """Return the same with folds (1, 2, M, M) and with lids."""
        return dataclasses.replace(self, folds=folds, lids=lids)

    def steady(self, landmarks: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return landmarks (..., 68, 2) [px] with the lids where they usually are."""
        return landmarks if self.lids is None else with_lids(landmarks, self.lids)


@dataclass(frozen=True, slots=True, repr=False)
class Gain:
    """More or less of the bands of detail."""

    of: Gains
    where: Tensor | None = None
    """(1, 1, G, G) 0–1; None: everywhere."""


@dataclass(frozen=True, slots=True, repr=False)
class Maps:
    """What is asked of a face's skin; None: nothing of the kind."""

    gains: tuple[Gain, ...] | None = None
    added: Tensor | None = None
    """(1, 1, M, M) change of log luma."""
    spots: Tensor | None = None
    """(1, 1, M, M): -1 fills a spot with the skin around, 1 doubles its contrast."""
    patches: Tensor | None = None
    """(1, 2, M, M) change of log red/green and blue/green."""
    shine: Tensor | None = None
    """(1, 1, G, G) share of skin's colour that glossy places get back."""

    def __add__(self, other: Maps) -> Maps:
        pairs = {n: (getattr(self, n), getattr(other, n)) for n in self.__slots__}
        return Maps(
            **{n: b if a is None else a if b is None else a + b for n, (a, b) in pairs.items()}
        )

    @property
    def is_none(self) -> bool:
        """Whether nothing is asked."""
        return all(getattr(self, name) is None for name in self.__slots__)


_WRINKLED: Final[Mapping[Place, float]] = {
    "forehead": 1.0, "frown": 1.0, "crows-feet": 1.0, "under-eye": 0.9, "nasolabial": 1.0,
    "marionette": 1.0, "upper-lip": 0.7, "cheek": 0.7, "chin": 0.7,
}  # fmt: skip
_GLOSSY: Final[Mapping[Place, float]] = {
    "forehead": 1.0, "nose": 1.0, "cheek": 1.0, "chin": 0.9, "under-eye": 0.7, "upper-lip": 0.7,
}  # fmt: skip

_FOLDED: Final[Mapping[Place, float]] = {
    "forehead": 1.2, "frown": 1.0, "crows-feet": 1.0, "under-eye": 0.8, "nasolabial": 1.0,
    "marionette": 0.9, "cheek": 0.9, "chin": 0.8,
}  # fmt: skip
_TABLES: Final = {"wrinkles": (0.45, _WRINKLED), "shine": (0.35, _GLOSSY), "folds": (0.35, _FOLDED)}
"""Where a retouch counts how much: everywhere, and at some places."""

_LESS_WRINKLED: Final[Gains] = (-0.72, -0.45, -0.50, 0.0)
_MORE_OWN = (0.9, 0.4)
"""Share of the shadows and lights of own folds that one unit adds, beside those to come."""
_LESS_BAGS: Final[Gains] = (-0.75, -0.60, -0.85, 0.0)
_MORE_BAGS: Final[Gains] = (0.6, 0.4, 0.9, 0.2)
SHINE: Final[Gains] = (0.0, 0.55, 0.0, 0.65)
_SMOOTH: Final[Gains] = (-0.62, -0.58, -0.18, -0.12)
_ROUGH: Final[Gains] = (0.7, 0.25, 0.0, 0.0)
"""What is wide stays, and lights hardly grow: they would be gloss."""
_EVEN: Final[Gains] = (-0.12, -0.10, 0.0, 0.0)
_LESS_PATCHY, _LESS_PATCHY_SMOOTH = 0.85, 0.35


def recipe(attribute: str, skin: Skin, amount: float, *, moles: bool = False) -> Maps:
    """Return what one retouch asks of a face's skin at a strength; nothing at 0.

    `moles`: whether spots are moles, too.
    """
    if amount == 0:
        return Maps()
    if attribute == "wrinkles":
        if amount < 0:
            return Maps(gains=_gains("wrinkles", _LESS_WRINKLED, -amount))
        own, to_come = skin.folds[:, :1], skin.folds[:, 1:]
        deeper = _MORE_OWN[0] * own.clamp_max(0) + _MORE_OWN[1] * own.clamp_min(0)
        return Maps(added=amount * (deeper + to_come) * _weights("folds", skin.open.shape[-1]))
    if attribute == "eye-bags":
        bags = _LESS_BAGS if amount < 0 else _MORE_BAGS
        return Maps(gains=_gains("bags", bags, abs(amount)))
    if attribute == "shine":
        dulled = None if amount > 0 else -amount * _weights("shine")
        return Maps(gains=_gains("shine", SHINE, amount), shine=dulled)
    if attribute == "blemishes":
        return Maps(spots=amount * (torch.maximum(skin.spots, skin.moles) if moles else skin.spots))
    if attribute == "skin-tone":
        gains = _gains(None, _EVEN, amount)
        return Maps(gains=gains, patches=-_LESS_PATCHY * amount * skin.patches)
    if attribute == "smooth-skin":
        gains = _gains(None, _SMOOTH, amount) if amount > 0 else _gains(None, _ROUGH, -amount)
        return Maps(gains=gains, patches=-_LESS_PATCHY_SMOOTH * amount * skin.patches)
    raise ValueError(f"no retouch {attribute!r}")


def _gains(kind: str | None, gains: Gains, amount: float) -> tuple[Gain]:
    shadows, lights, dark, bright = (amount * gain for gain in gains)
    return (Gain((shadows, lights, dark, bright), None if kind is None else _weights(kind)),)


@cache
def _weights(kind: str, side: int = GAINS_SIDE) -> Tensor:
    """Return where a retouch counts how much, (1, 1, side, side)."""
    if kind == "bags":
        return place("bags", side)[None, None]
    base, table = _TABLES[kind]
    out = torch.full((side, side), base)
    for name, weight in table.items():
        out = torch.maximum(out, weight * place(name, side))
    if kind != "shine":
        out = out * (1 - 0.8 * place("nose", side))
    return out[None, None]
