"""Retouching: what each retouch asks of a face's skin, and how it is drawn into a frame.

What is asked is a sum of maps in the face's own frame (`face_frame`): gains of the bands of detail,
folds to add, spots to fill, patches of colour to even out. The landmarks carry them to a frame,
where the frame's own detail is scaled by them at full resolution.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..parsing import Label, Parsing
from .detail import FOLD_COLOUR, MOST, Bands, bands, log_luma, shaded, within
from .face_frame import WINDOW_SIDE, centres, in_crop
from .face_regions import Place, place
from .sampling import blurred, enlarged
from .skin_maps import patches_of, ratios, skin_of, spots_of

GAINS_SIDE: Final = 192
"""Texels per side of maps of gains, which are smooth."""
Gains = tuple[float, float, float, float]
"""Of the shadows and lights of folds, and of those of what is wide: -1 takes away, 1 doubles."""
Part = tuple[slice, slice]

_BEFORE: Final[tuple[Label, ...]] = ("front", "hair", "background", "clothes")
"""What is no face, in a single frame."""
_BEFORE_SURE: Final = (0.25, 0.7)


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

    @classmethod
    def of(cls, look: Tensor, skin: Tensor | None, glasses: Tensor | None) -> Skin:
        """Return the maps of a face's median look (1, 3, M, M) RGB in [-1, 1]; the shares of skin
        and of glasses (1, 1, G, G) as `skin_of` takes them. Of folds it knows nothing yet."""
        side = look.shape[-1]
        bare = skin_of(skin, glasses, side)
        fold = bands(log_luma(look), bare, side / WINDOW_SIDE).fold
        spots, moles = spots_of(look, bare)
        none = torch.zeros(1, 2, side, side)
        return cls(bare, fold, spots, moles, patches_of(look, bare), none)

    def with_folds(self, folds: Tensor) -> Skin:
        """Return the same with folds (1, 2, M, M)."""
        return dataclasses.replace(self, folds=folds)


@dataclass(frozen=True, slots=True, repr=False)
class Maps:
    """What is asked of a face's skin; None: nothing of the kind."""

    gains: Tensor | None = None
    """(1, 4, G, G) of the shadows and lights of folds and of what is wide."""
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
_SHINE: Final[Gains] = (0.0, 0.55, 0.0, 0.65)
_SMOOTH: Final[Gains] = (-0.62, -0.58, -0.18, -0.12)
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
            return Maps(gains=_gains(_weights("wrinkles"), _LESS_WRINKLED, -amount))
        own, to_come = skin.folds[:, :1], skin.folds[:, 1:]
        deeper = _MORE_OWN[0] * own.clamp_max(0) + _MORE_OWN[1] * own.clamp_min(0)
        return Maps(added=amount * (deeper + to_come) * _weights("folds", skin.open.shape[-1]))
    if attribute == "eye-bags":
        bags = _LESS_BAGS if amount < 0 else _MORE_BAGS
        return Maps(gains=_gains(_weights("bags"), bags, abs(amount)))
    if attribute == "shine":
        weights = _weights("shine")
        return Maps(gains=_gains(weights, _SHINE, amount), shine=weights * max(-amount, 0.0))
    if attribute == "blemishes":
        return Maps(spots=amount * (torch.maximum(skin.spots, skin.moles) if moles else skin.spots))
    if attribute == "skin-tone":
        gains = _gains(_weights("all"), _EVEN, amount)
        return Maps(gains=gains, patches=-_LESS_PATCHY * amount * skin.patches)
    if attribute == "smooth-skin":
        gains = _gains(_weights("all"), _SMOOTH, amount)
        return Maps(gains=gains, patches=-_LESS_PATCHY_SMOOTH * amount * skin.patches)
    raise ValueError(f"no retouch {attribute!r}")


def _gains(weights: Tensor, gains: Gains, amount: float) -> Tensor:
    return weights * (amount * torch.tensor(gains))[None, :, None, None]


@cache
def _weights(kind: str, side: int = GAINS_SIDE) -> Tensor:
    """Return where a retouch counts how much, (1, 1, side, side)."""
    if kind == "all":
        return torch.ones(1, 1, side, side)
    if kind == "bags":
        return place("bags", side)[None, None]
    base, table = _TABLES[kind]
    out = torch.full((side, side), base)
    for name, weight in table.items():
        out = torch.maximum(out, weight * place(name, side))
    if kind != "shine":
        out = out * (1 - 0.8 * place("nose", side))
    return out[None, None]


def drawn(
    image: Tensor,
    landmarks: NDArray[np.floating],
    skin: Skin,
    maps: Maps,
    *,
    parsing: Parsing | None = None,
    folds: float = 1.0,
) -> tuple[Part, Tensor, Tensor] | None:
    """Return the part of a crop that changes: its place, (1, 3, h, w) RGB, (1, 1, h, w) mask.

    Args:
        image: (1, 3, S, S) RGB in [-1, 1].
        landmarks: (68, 2) [crop px].
        skin, maps: what is known of the face, and what is asked of it.
        parsing: of this crop; what it shows before the face stays.
        folds: 0–1 share of the folds to add.

    None if the face lies outside of the crop.
    """
    face = centres(landmarks)
    eyes_px = float(np.linalg.norm(face[45] - face[36]))
    part = _part(face, image.shape[-1])
    if part is None:
        return None
    rows, columns = part
    carry = _Carrier(landmarks, part, eyes_px, image.device)
    bare = carry(skin.open, 80)
    if parsing is not None:
        bare = bare * _unhidden(parsing, part)
    inside = image[:, :, rows, columns]
    luma = log_luma(inside)
    own = bands(luma, bare, eyes_px)
    change = torch.zeros_like(luma)
    if maps.gains is not None:
        change = own.changed(carry(maps.gains, 40).clamp_(-1, 2))
    if maps.added is not None:
        change += folds * carry(maps.added, 200)
    change = change.clamp_(-MOST, MOST).mul_(bare)
    tint = _tint(inside, own, maps, carry, bare, eyes_px)
    if maps.spots is not None:
        spots = carry(maps.spots, 200) * bare
        change, tint = _with_spots(inside, luma, bare, spots, eyes_px, change, tint)
    mask = (4 * bare).clamp_(max=1)
    return part, shaded(inside, change, tint).clamp_(-1, 1), mask


class _Carrier:
    """Carries maps in the face's own frame to a part of a crop."""

    def __init__(
        self, landmarks: NDArray[np.floating], part: Part, eyes_px: float, device: torch.device
    ) -> None:
        self._landmarks, self._part, self._device = landmarks, part, device
        self._eyes_px = eyes_px
        self._places: dict[int, Tensor] = {}

    def __call__(self, maps: Tensor, cells: int) -> Tensor:
        """Return maps (1, C, M, M) at the pixels of the part, (1, C, h, w); first on a coarser grid
        of about that many cells between the eyes."""
        step = max(1, round(self._eyes_px / cells))
        rows, columns = self._part
        if step not in self._places:
            at = in_crop(self._landmarks, rows, columns, step)
            self._places[step] = at.to(self._device, non_blocking=True)
        at = self._places[step]
        there = maps.to(at.device, non_blocking=True)
        values = F.grid_sample(there, at, align_corners=False, padding_mode="zeros")
        height, width = rows.stop - rows.start, columns.stop - columns.start
        return enlarged(values, step)[..., :height, :width]


def _part(face: NDArray[np.float64], side: int) -> Part | None:
    """Return the rows and columns of a crop that hold a face, off its border."""
    low = np.floor(face.min(0)).astype(int).clip(1, side - 1)
    high = np.ceil(face.max(0)).astype(int).clip(1, side - 1)
    if (high - low).min() < 8:
        return None
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def _unhidden(parsing: Parsing, part: Part) -> Tensor:
    """Return where nothing is before the face, (1, 1, h, w) 0–1."""
    step = 4
    rows, columns = part
    before = parsing.share(*_BEFORE, rows=rows, columns=columns, step=step)
    size = (rows.stop - rows.start, columns.stop - columns.start)
    fine = enlarged(before, step)
    t = ((fine - _BEFORE_SURE[0]) / (_BEFORE_SURE[1] - _BEFORE_SURE[0])).clamp(0, 1)
    return (1 - t * t * (3 - 2 * t))[..., : size[0], : size[1]]


def _tint(
    inside: Tensor, own: Bands, maps: Maps, carry: _Carrier, bare: Tensor, eyes_px: float
) -> Tensor | None:
    """Return the change of log red/green and blue/green (1, 2, h, w) beside that of folds."""
    tint = None if maps.patches is None else carry(maps.patches, 40) * bare
    if maps.shine is None or not bool((maps.shine > 0).any()):
        return tint
    glossy = ((own.fold.clamp_min(0) + own.wide.clamp_min(0)) / _GLOSS).clamp(max=1)
    seen = ratios(inside)
    around = within(seen, bare * (1 - glossy), 0.12 * eyes_px)
    back = (around - blurred(seen, 0.02 * eyes_px)) * glossy * bare * carry(maps.shine, 40)
    return back if tint is None else tint + back


_FOLD_TINT = (FOLD_COLOUR[0] - FOLD_COLOUR[1], FOLD_COLOUR[2] - FOLD_COLOUR[1])
_GLOSS = 0.22
"""Log luma above the skin around at which skin has lost its colour to gloss."""


def _with_spots(
    inside: Tensor,
    luma: Tensor,
    bare: Tensor,
    spots: Tensor,
    eyes_px: float,
    change: Tensor,
    tint: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Return changes of log luma and of log ratios that also fill spots (1, 1, h, w) with the skin
    around, or bring them out; the grain within them stays."""
    colours = torch.cat([luma, ratios(inside)], 1)
    clear = bare * (1 - spots.abs()).clamp_min(0)
    around = within(colours, clear, 0.03 * eyes_px)
    away = (blurred(colours, 0.006 * eyes_px) - around) * spots
    # What `shaded` makes redder of its own is taken back: here colours are known.
    luma_too, own_colour = away[:, :1], away.new_tensor(_FOLD_TINT)[None, :, None, None]
    colour = away[:, 1:] - luma_too * own_colour
    return change + luma_too, colour if tint is None else tint + colour
