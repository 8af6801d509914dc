"""The hair of a face: what is learnt of it over a shot, and where it is in one crop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from ..parsing import Parsing
from ..types import AlignedBatch
from .geometry import face_unit
from .hair_cells import Cells, hair_of
from .hair_grey import strands_of, temples
from .hair_matte import matted
from .hair_place import (
    BINS,
    HairPlace,
    averaged,
    bounds,
    counted,
    followed,
    likeness_of,
    of_head,
    on_map,
)
from .hair_tones import HairTone
from .tones import Floats, logs_of

_SURE, _SURELY_NOT = 0.85, 0.05
"""Shares from which a cell is hair, and up to which it is something else."""
_EDGE = 0.05
"""How wide the edges of parts are, where a parsing is not to be trusted [outer eye distances]."""
_FRINGE, _LEAST_DEEP = 0.12, 0.2
"""The same of hair, through whose ends skin is seen, if so much of it lies deeper."""
_TRUSTED = 0.5
"""How far the parsing has to count where colours are learnt."""
_RIM = 1 / 20
"""Width of the fall to the border of the crop, in its sides."""
_LEAST_CELLS = 60
"""Cells of hair, in all crops, without which there is none."""


@dataclass(frozen=True, slots=True)
class Found:
    """Hair in a window of a crop."""

    rows: slice
    columns: slice
    matte: Floats
    """(h, w) 0–1."""
    hair: Floats
    """(3, h, w) RGB in [-1, 1]: the hair alone, without what shines through at its edges."""
    early: Floats
    """(h, w) 0–1, where strands whiten first (see `hair_grey`)."""
    eyes: float
    """Size of the face [px]."""


@dataclass(frozen=True, slots=True)
class Hair:
    """What is known of the hair of a shot."""

    place: HairPlace
    tone: HairTone

    @classmethod
    def of(cls, arrays: Mapping[str, Floats]) -> Hair | None:
        """Return what was learnt (see `learnt`); None if there is no hair."""
        if not arrays:
            return None
        place = HairPlace(arrays["like"], arrays["where"], arrays["least"], arrays["most"])
        tone = HairTone(arrays["median"], float(arrays["strands"]), arrays["skin"])
        return cls(place, tone)

    def seen(self, batch: AlignedBatch, n: int) -> Found | None:
        """Return the hair of one crop of a batch that has been parsed; None if it shows none."""
        window = _window(batch, n, self.place.where)
        if window is None:
            return None
        matte, hair = matted(window, self.place.share(window), window.shares("skin"))
        _fade_to_border(matte, window, batch.images.shape[-1])
        rows, columns = window.middles()
        early = temples(batch.landmarks[n].cpu().numpy(), rows, columns)
        early = cv2.resize(early, matte.shape[::-1])
        return Found(window.rows, window.columns, matte, hair, early, window.eyes)


def _fade_to_border(matte: Floats, window: Cells, side: int) -> None:
    """Let a matte (h, w) fade to 0 at the border of the crop, in place."""
    for axis, span in enumerate((window.rows, window.columns)):
        at = np.arange(span.start, span.stop, dtype=np.float32)
        line = np.clip(np.minimum(at, side - 1 - at) / (_RIM * side), 0, 1)
        if line.min() < 1:
            matte *= line[:, None] if axis == 0 else line[None, :]


def _window(batch: AlignedBatch, n: int, where: Floats | None = None) -> Cells | None:
    assert batch.parsing is not None, "the passes tell what crops show where"
    unit = float(face_unit(batch.landmarks[n].cpu().numpy()))
    picture = batch.images[n].cpu().numpy()
    return Cells.of(picture, batch.parsing[n : n + 1], unit, where)


@dataclass(frozen=True, slots=True)
class Sight:
    """What one crop says of hair."""

    window: Cells
    """The whole crop …"""
    wide: Cells
    """… with what it shows in a larger square (see `PARSED_WIDER`)."""
    colours: Floats
    """(3, h, w) of its cells."""
    hair: NDArray[np.bool_]
    """(h, w), cells that are hair for sure."""
    others: NDArray[np.bool_]
    """(h, w), cells that are something else for sure."""
    skin: NDArray[np.bool_]

    @classmethod
    def of(cls, batch: AlignedBatch, wide: Parsing, n: int) -> Sight | None:
        """Return what one crop of a batch says, and its parsing in a larger square; None of a crop
        that is too small."""
        window = _window(batch, n)
        if window is None:
            return None
        share, told = window.hair(), window.trust() > _TRUSTED
        hair, others = share > _SURE, share < _SURELY_NOT
        deep = _core(hair, window, _FRINGE)
        if deep.sum() < _LEAST_DEEP * hair.sum():
            deep = _core(hair, window, _EDGE)
        parts = [_core(part, window, _EDGE) for part in (others, window.shares("skin") > _SURE)]
        larger = replace(window, parsing=wide[n : n + 1])
        return cls(window, larger, window.colours(), *(told & part for part in (deep, *parts)))

    def strands(self) -> float:
        """Return how much log luma differs from strand to strand."""
        size = self.window.picture.shape[:0:-1]
        mask = cv2.resize(self.hair.astype(np.float32), size, interpolation=cv2.INTER_NEAREST)
        return strands_of(self.window.picture, mask, self.window.eyes)


def _core(part: NDArray[np.bool_], window: Cells, edge: float) -> NDArray[np.bool_]:
    """Return the cells (h, w) of a part that do not lie along its edge, which is so wide [outer eye
    distances]."""
    reach = max(round(edge * window.eyes / window.cell), 1)
    kernel = np.ones((2 * reach + 1,) * 2, np.uint8)
    return np.asarray(cv2.erode(part.view(np.uint8), kernel, borderValue=1) > 0)


def learnt(sights: Sequence[Sight]) -> dict[str, Floats]:
    """Return what crops of a shot say of its hair, as arrays to be kept; none if there is none."""
    counts = np.zeros((2, *(BINS,) * 3), np.float32)
    for sight in sights:
        counts += [counted(sight.colours, part) for part in (sight.hair, sight.others)]
    if counts[0].sum() < _LEAST_CELLS or not any(sight.skin.any() for sight in sights):
        return {}
    like = likeness_of(*counts)
    shares = np.stack([hair_of(s.window.parsing)[0, 0].cpu().numpy() for s in sights])
    often = shares.mean(0)
    least, most = bounds(shares, of_head(often))
    hair, skin = (
        np.median(logs_of(np.concatenate(parts, 1)[:, None])[:, 0], axis=1)
        for parts in (
            [sight.colours[:, sight.hair] for sight in sights],
            [sight.colours[:, sight.skin] for sight in sights],
        )
    )
    return {
        "like": like,
        "where": averaged([on_map(followed(s.window, s.wide), s.window) for s in sights]),
        "least": least,
        "most": most,
        "median": np.asarray(hair, np.float32),
        "skin": np.asarray(skin, np.float32),
        "strands": np.array(np.median([sight.strands() for sight in sights]), np.float32),
    }
