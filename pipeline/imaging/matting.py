"""The matte of an edited person: what moves with the face is the person, and the room stays.

An edit moves pixels wherever it moves the face, the room beside it too. A picture is a person
before a room, I = α·P + (1 - α)·R (Porter & Duff, SIGGRAPH 1984). So the matte α of the source is
moved as the pixels are, and in the moved picture the part of the room that was carried along is
exchanged for what is there. Neither the person's colours P nor a clean cut are needed for that, so
fine strands stay as they are; the room R is seen beside the person, and behind the outline it is
continued (`backdrop`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .backdrop import Backdrop, depth_of, sampled
from .coarse_matte import Band, Moved
from .guesses import Guesses

Floats = NDArray[np.float32]
Pixels = tuple[NDArray[np.intp], ...]
"""Rows and columns of P pixels of a part."""

_RADIUS: Final = 0.035
"""Of the guided filter [outer eye distances]."""
_EDGE: Final = 0.02
"""Variance of the guide (0 for the room, 1 for the person) well above which there is an edge that
the matte follows."""
_NEAR: Final = 0.06
"""Sigma of what counts as near [outer eye distances]."""
_ALIKE: Final = 0.12
"""Distance of two colours ([-1, 1]) that can hardly be told apart."""
_LIKE: Final = 0.12
"""Distance of two colours ([-1, 1]) up to which they look alike."""
_SCALE: Final = 4
"""Side of a cell of the grid of mean colours [cells of the matte]."""
_LEAST, _MOST = 0.1, 0.85
"""Shares of the filtered matte that count as nothing of a person, and as all of them."""
_PERSON: Final = 0.2
"""Share of the matte from which on a cell shows no room."""
_RIM, _RIM_FAR = 0.014, 0.04
"""How far beyond the matte a source may still show the person's edge [outer eye distances]; where
the person is moved far: fine hair that is not of the matte would stay behind as a ghost."""
_FAR: Final = (0.12, 0.2)
"""Moves from which on a person begins to be moved far, and is [outer eye distances]."""


def cell_of(eyes: float) -> int:
    """Return how many pixels (2, 4 or 8) make a cell of the grid that mattes are found on, for a
    distance of the outer eye corners [px]."""
    return 2 if eyes < 240 else 4 if eyes < 480 else 8


@dataclass(frozen=True, slots=True)
class Matte:
    """A person in a picture, and the room behind."""

    picture: Floats
    """(h, w, 3) [-1, 1]."""
    values: Floats
    """(h, w) 0–1, how much of each pixel is the person."""
    room: Backdrop
    rim: float
    """How far beyond the matte the picture may still show the person's edge [px]."""
    guesses: Guesses | None
    """Where there is no edge to hold on to."""

    @classmethod
    def of(cls, picture: Floats, share: Floats, moved: Floats, eyes: float) -> Matte:
        """Return the matte of a picture, whose edge is where the picture has it.

        A fast guided filter (He & Sun, arXiv:1505.00996) on cells. Its guide is not brightness, but
        how far each colour lies on the way from the colours of the room near by to those of the
        person (the projection of Bayesian matting, Chuang et al., CVPR 2001, without its spreads).
        What looks as the room would if it went on is then taken off: an edge of the room that ends
        at the person must not be taken for hair.

        Args:
            picture: (h, w, 3) float32 [-1, 1], of whole numbers of cells.
            share: (h / cell, w / cell) float32 0–1, the person in the middle of each cell, as
                coarse as it may be.
            moved: (h / cell, w / cell) how far each cell, or one near it, will be moved [px].
            eyes: distance of the outer eye corners [px].
        """
        cell = len(picture) // len(share)
        far = np.clip((float(moved.max()) / eyes - _FAR[0]) / (_FAR[1] - _FAR[0]), 0, 1)
        rim = (_RIM + (_RIM_FAR - _RIM) * far) * eyes
        small = cv2.resize(picture, share.shape[::-1], interpolation=cv2.INTER_AREA)
        scale = _Scale.between(small, share, eyes / cell)
        band = Band.round(share, eyes / cell)
        at = band.pixels(picture.shape[:2])
        y, x = (v.astype(np.float32) for v in np.divmod(at, picture.shape[1]))
        colours = picture.reshape(-1, 3)[at]
        slope, level = _fitted(scale.of(small), share, eyes / cell)
        fit = sampled(cv2.merge([slope, level, band.low, band.high]), x, y, cell).T
        found = (fit[0] * scale.at(colours, x, y, cell) + fit[1] - _LEAST) / (_MOST - _LEAST)
        values = cv2.resize(band.low, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        found = np.clip(np.clip(found, fit[2], fit[3]), 0, 1)
        values.ravel()[at] = found
        person = cv2.resize(values, share.shape[::-1], interpolation=cv2.INTER_AREA)
        depth = depth_of(person > _PERSON, cell, rim)
        asked = (depth > -cell) & (band.doubt | (depth < moved + 2 * cell))
        asked = cv2.dilate(asked.view(np.uint8), np.ones((3, 3), np.uint8)) > 0
        room = Backdrop.of(picture, small, depth, asked, eyes=eyes)
        some = np.flatnonzero((found > 0) & (fit[2] <= 0))
        at, x, y = at[some], x[some], y[some]
        likeness = _likeness(colours[some], room.at(x, y), scale.person_at(x, y, cell))
        values.ravel()[at] *= 1 - likeness
        return cls(picture, values, room, rim, Guesses.of(share, eyes / cell))

    def still_room(self, moved: Moved) -> None:
        """Put the picture's room behind its person after an edit of it, in place."""
        guessed = self.guesses and self.guesses.stretched(
            self.picture, moved.edited, moved.shifts, moved.mask, moved.window
        )
        self._exchange(moved)
        if guessed:
            for plane, values in zip(moved.edited, guessed.stretched, strict=True):
                plane[guessed.pixels] += guessed.share * (values - plane[guessed.pixels])

    def _exchange(self, moved: Moved) -> None:
        """Exchange what was carried along of the room for what is there, in place."""
        x, y = moved.origins()
        carried = cv2.remap(self.values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        is_room = (moved.mask > 0) & (carried < 1)
        if not is_room.any():
            return
        plain = (is_room & (carried <= 0)).view(np.uint8)
        for seen, plane in zip(moved.source, moved.edited, strict=True):
            cv2.copyTo(seen, plain, plane)
        depth = cv2.resize(self.room.depth, self.picture.shape[1::-1])
        near = depth[moved.window] > -self.room.cell
        at = np.divmod(np.flatnonzero(is_room & ((carried > 0) | near)), carried.shape[1])
        behind, share = self._behind(moved, at), carried[at]
        edge = share > 0
        pixels = at[0][edge], at[1][edge]
        behind[edge] = self._edge(moved, pixels, (x[pixels], y[pixels]), share[edge], behind[edge])
        for plane, values in zip(moved.edited, np.clip(behind, -1, 1).T, strict=True):
            plane[at] = values

    def _behind(self, moved: Moved, at: Pixels) -> Floats:
        """Return the room's colours (P, 3) at pixels of the part."""
        rows, columns = at[0] + moved.corner[1], at[1] + moved.corner[0]
        x, y = columns.astype(np.float32), rows.astype(np.float32)
        return self.room.seen(self.picture[rows, columns], x, y, self._bare(moved, at))

    def _edge(
        self,
        moved: Moved,
        at: Pixels,
        origins: tuple[Floats, Floats],
        share: Floats,
        behind: Floats,
    ) -> Floats:
        """Return the colours (P, 3) of pixels that came from `origins` (P,), of which a share (P,)
        is the person, before the room `behind` (P, 3)."""
        before = sampled(self.picture, *origins)
        away = self.room.seen(before, *origins, self._bare(moved, at))
        edited = np.stack([plane[at] for plane in moved.edited], -1)
        there = before + share[:, None] * (edited - before)
        mixed = there + (1 - share)[:, None] * (behind - away)
        # Guessed rooms may differ by more than any room does.
        low, high = np.minimum(behind, there), np.maximum(behind, there)
        return np.asarray(np.clip(mixed, low, high), np.float32)

    def _bare(self, moved: Moved, at: Pixels) -> Floats:
        """Return how close to the person (P,) [px] the picture's own room is trusted: where the
        face hardly moves, what lies close to it stays, whatever it is."""
        x, y = (plane[at] for plane in moved.shifts)
        close = np.float32(self.rim) - np.float32(0.5) * np.sqrt(x * x + y * y)
        return np.asarray(np.maximum(close, 0), np.float32)


def _likeness(colours: Floats, room: Floats, person: Floats) -> Floats:
    """Return how much colours (P, 3) look as the room would there (P,) 0–1, and not as the person
    does."""
    away, apart = (np.square(other - room).sum(-1) for other in (colours, person))
    told = apart / (apart + np.float32(4 * _LIKE**2))
    return np.asarray(told * np.exp(-away / np.float32(2 * _LIKE**2)), np.float32)


@dataclass(frozen=True, slots=True)
class _Scale:
    """How far colours lie on the way from the room's to the person's: v·colour - c."""

    values: Floats
    """(h, w, 4) v and c, on cells as large as `_SCALE` cells of the matte."""
    person: Floats
    """(h, w, 3) the person's mean colours near by."""

    @classmethod
    def between(cls, small: Floats, share: Floats, eyes: float) -> _Scale:
        """Return the scale on which the mean colour of the room near by is 0 and that of the
        person is 1, for shares (h, w) of cells of colours (h, w, 3)."""
        size = max(share.shape[1] // _SCALE, 1), max(share.shape[0] // _SCALE, 1)
        colour, part = (cv2.resize(v, size, interpolation=cv2.INTER_AREA) for v in (small, share))
        means = []
        for sure in (part, 1 - part):
            weight = np.square(np.square(sure))
            weighted = cv2.merge([colour * weight[..., None], weight])
            wide = cv2.GaussianBlur(weighted, (0, 0), _NEAR * eyes / _SCALE)
            means.append(wide[..., :3] / (wide[..., 3:] + np.float32(1e-6)))
        person, room = means
        way = person - room
        way /= np.square(way).sum(-1, keepdims=True) + np.float32(_ALIKE**2)
        return cls(cv2.merge([way, np.einsum("hwc,hwc->hw", way, room)]), person)

    def of(self, small: Floats) -> Floats:
        """Return where the colours (h, w, 3) of cells are, (h, w)."""
        values = cv2.resize(self.values, small.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        return _on_scale(small, values)

    def at(self, colours: Floats, x: Floats, y: Floats, cell: int) -> Floats:
        """Return where colours (P, 3) at places (P,) [px] are, (P,)."""
        return _on_scale(colours, sampled(self.values, x, y, _SCALE * cell))

    def person_at(self, x: Floats, y: Floats, cell: int) -> Floats:
        """Return the person's mean colours (P, 3) near places (P,) [px]."""
        return sampled(self.person, x, y, _SCALE * cell)


def _on_scale(colours: Floats, values: Floats) -> Floats:
    found = np.einsum("...c,...c->...", colours, values[..., :3]) - values[..., 3]
    return np.asarray(np.clip(found, -0.5, 1.5), np.float32)


def _fitted(guide: Floats, share: Floats, eyes: float) -> tuple[Floats, Floats]:
    """Return the guided filter of shares (h, w) as slope and level (h, w): slope·guide + level."""
    side = 2 * max(round(_RADIUS * eyes), 1) + 1
    values = cv2.merge([guide, share, guide * guide, guide * share])
    mean_guide, mean_share, square, product = cv2.split(_box(values, side))
    variance = square - mean_guide * mean_guide
    slope = (product - mean_guide * mean_share) / (variance + np.float32(_EDGE))
    slope, level = cv2.split(_box(cv2.merge([slope, mean_share - slope * mean_guide]), side))
    return slope, level


def _box(values: Floats, side: int) -> Floats:
    return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REPLICATE), np.float32)
