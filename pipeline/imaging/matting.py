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

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

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
_SCALE: Final = 4
"""Cells to a cell of the grid of mean colours, along each side."""
_DOUBT: Final = 0.015
"""Sigma of how far beside the given share the edge may lie [outer eye distances]."""
_NONE, _SOME = 0.03, 0.25
"""Shares, so blurred, up to which there is certainly nothing of a person, and from which on the
picture decides; from 1 less these on it is certainly the person."""
_LEAST, _MOST = 0.1, 0.85
"""Shares of the filtered matte that count as nothing of a person, and as all of them."""
_PERSON: Final = 0.2
"""Share of the matte from which on a cell shows no room."""
_RIM: Final = 0.014
"""How far beyond the matte a source may still show the person's edge [outer eye distances]."""


def cell_of(eyes: float) -> int:
    """Return how many pixels (2, 4 or 8) make a cell of the grid that mattes are found on, for a
    distance of the outer eye corners [px]."""
    return 2 if eyes < 240 else 4 if eyes < 480 else 8


@dataclass(frozen=True, slots=True)
class Moved:
    """What an edit made of a part (h, w) of a picture."""

    source: Floats
    """(3, h, w) [-1, 1], as it was."""
    edited: Floats
    """(3, h, w) [-1, 1]."""
    origins: Floats
    """(2, h, w) x, y [px of the picture] where every pixel was moved from."""
    mask: Floats
    """(h, w), above 0 where it counts."""
    corner: tuple[int, int]
    """x, y [px of the picture] of the part's first pixel."""


@dataclass(frozen=True, slots=True)
class Matte:
    """A person in a picture."""

    picture: Floats
    """(h, w, 3) [-1, 1]."""
    small: Floats
    """(h / cell, w / cell, 3) means of cells."""
    values: Floats
    """(h, w) 0–1."""
    eyes: float
    """Distance of the outer eye corners [px]."""
    depth: Floats
    backdrop: Backdrop

    @classmethod
    def of(cls, picture: Floats, share: Floats, deepest: Floats, eyes: float) -> Matte:
        """Return the matte of a picture, whose edge is where the picture has it.

        A fast guided filter (He & Sun, arXiv:1505.00996) on cells. Its guide is not brightness, but
        how far each colour lies on the way from the colours of the room near by to those of the
        person (the projection of Bayesian matting, Chuang et al., CVPR 2001, without its spreads).

        Args:
            picture: (h, w, 3) float32 [-1, 1], of whole and even numbers of cells.
            share: (h / cell, w / cell) float32 0–1 in the middle of each cell, as coarse as it may
                be.
            eyes: distance of the outer eye corners [px].
        """
        cell = len(picture) // len(share)
        small = cv2.resize(picture, share.shape[::-1], interpolation=cv2.INTER_AREA)
        scale = _Scale.between(small, share, eyes / cell)
        fit = _fitted(scale.of(small), share, eyes / cell)
        soft = cv2.GaussianBlur(share, (0, 0), max(_DOUBT * eyes / cell, 0.5))
        high = np.clip((soft - _NONE) / (_SOME - _NONE), 0, 1)
        low = np.clip((soft - 1 + _SOME) / (_SOME - _NONE), 0, 1)
        size = picture.shape[1::-1]
        values = cv2.resize(low, size, interpolation=cv2.INTER_LINEAR)
        in_doubt = cv2.dilate(((high > 0) & (low < 1)).astype(np.uint8), np.ones((3, 3), np.uint8))
        at = np.flatnonzero(cv2.resize(in_doubt, size, interpolation=cv2.INTER_NEAREST))
        y, x = (v.astype(np.float32) for v in np.divmod(at, size[0]))
        slope, level, least, most = sampled(cv2.merge([*fit, low, high]), x, y, cell).T
        found = slope * scale.at(picture.reshape(-1, 3)[at], x, y, cell) + level
        found = np.clip((found - _LEAST) / (_MOST - _LEAST), least, most)
        values.ravel()[at] = np.clip(found, 0, 1)
        person = cv2.resize(values, share.shape[::-1], interpolation=cv2.INTER_AREA)
        depth = depth_of(person > _PERSON, cell, _RIM * eyes)
        asked = (depth > -cell) & ((in_doubt > 0) | (depth < deepest))
        backdrop = Backdrop.of(picture, small, depth, asked, eyes=eyes)
        matte = cls(picture, small, values, eyes, depth, backdrop)
        matte._without_room(at[found > 0], scale)
        return matte

    def _without_room(self, at: NDArray[np.intp], scale: _Scale) -> None:
        """Take from the matte, at some pixels, what looks as the room would there."""
        y, x = (v.astype(np.float32) for v in np.divmod(at, self.values.shape[1]))
        room = self.backdrop.at(x, y)
        away = np.square(self.picture.reshape(-1, 3)[at] - room).sum(-1)
        person = sampled(scale.person, x, y, _SCALE * (len(self.picture) // len(self.small)))
        apart = np.square(person - room).sum(-1)
        looks = np.exp(-away / np.float32(2 * _LIKE**2)) * apart / (apart + np.float32(4 * _LIKE**2))
        self.values.ravel()[at] *= 1 - looks

    def still_room(self, moved: Moved) -> None:
        """Put the picture's room behind its person after an edit of it, in place."""
        carried = cv2.remap(
            self.values, *moved.origins, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        is_room = (moved.mask > 0) & (carried < 1)
        if not is_room.any():
            return
        plain = (is_room & (carried <= 0)).view(np.uint8)
        for seen, plane in zip(moved.source, moved.edited, strict=True):
            cv2.copyTo(seen, plain, plane)
        rim = _RIM * self.eyes
        left, top = moved.corner
        whole = cv2.resize(self.depth, self.picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        deep = whole[top : top + len(plain), left : left + plain.shape[1]]
        at = np.nonzero(is_room & ((carried > 0) | (deep > -1)))
        y, x = ((v + low).astype(np.float32) for v, low in zip(at, (top, left), strict=True))
        from_x, from_y = (plane[at] for plane in moved.origins)
        # Where the face hardly moves, what lies close to it stays, whatever it is.
        way = np.hypot(from_x - x, from_y - y)
        bare = np.maximum(rim - 0.5 * way, 0).astype(np.float32)
        backdrop = self.backdrop
        seen = self.picture[y.astype(np.intp), x.astype(np.intp)]
        result = backdrop.seen(seen, x, y, bare)
        share = carried[at]
        edge = np.flatnonzero(share)
        before = sampled(self.picture, from_x[edge], from_y[edge])
        away = backdrop.seen(before, from_x[edge], from_y[edge], bare[edge])
        edited = np.stack([plane[at][edge] for plane in moved.edited], -1)
        part = share[edge, None]
        behind = result[edge]
        there = before + part * (edited - before)
        mixed = there + (1 - part) * (behind - away)
        # Guessed rooms may differ by more than any room does.
        result[edge] = np.clip(mixed, np.minimum(behind, there), np.maximum(behind, there))
        for plane, values in zip(moved.edited, np.clip(result, -1, 1).T, strict=True):
            plane[at] = values


@dataclass(frozen=True, slots=True)
class _Scale:
    """How far colours lie on the way from the room's to the person's: v·colour - c."""

    values: Floats
    """(…, 4) v and c, four cells of the grid of mattes to each of its own."""
    person: Floats

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
