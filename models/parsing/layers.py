"""Things drawn over training pictures: layers with exact shares, the textures and solids they are
made of.

Drawings work in cells of the picture, (side, side), origin top-left, pixel centres at integers; the
numbers of `rng` alone decide what comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Rng = np.random.Generator

FINE = 2
"""Outlines are drawn at this many times the picture's resolution and averaged."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Something before the picture."""

    colour: Floats
    """(side, side, 3) RGB levels 0-255, or (3,) of one colour."""
    share: Floats
    """(side, side) how much of each pixel it covers, 0-1."""
    label: int
    """What pixels that it covers show from then on."""
    least: float = 0.5
    """The share from which on a pixel is one of its own."""


IGNORED = 255
"""In label maps: nobody knows, or half this and half that."""


def put_before(picture: Floats, labels: Bytes, layer: Layer) -> tuple[Floats, Bytes]:
    """Return a picture (side, side, 3) and its labels (side, side) with a layer before them.

    Pixels covered by `layer.least` and more have the layer's label; those covered by less, but more
    than 0.2, of something soft belong to nobody.
    """
    share = layer.share[..., None]
    mixed = picture + share * (layer.colour - picture)
    found = labels.copy()
    found[layer.share >= layer.least] = layer.label
    if layer.share.max() < 0.95 or _is_soft(layer.share):
        found[(layer.share > 0.2) & (layer.share < layer.least)] = IGNORED
    return mixed.astype(np.float32), found


def merged(layers: Sequence[Layer]) -> Layer:
    """Return one layer that looks like several, back to front, of the same label."""
    share = np.zeros_like(layers[0].share)
    colour = np.zeros((*share.shape, 3), np.float32)
    for layer in layers:
        colour += layer.share[..., None] * (layer.colour - colour)
        share = share + layer.share * (1 - share)
    # what was mixed with nothing so far is as strong as the thing is there
    pure = colour / np.maximum(share, np.float32(1e-3))[..., None]
    return Layer(pure.astype(np.float32), share, layers[0].label)


def _is_soft(share: Floats) -> bool:
    """Return whether more of it is half covered than the outline of a solid has."""
    half = (share > 0.1) & (share < 0.9)
    return float(half.sum()) > 0.5 * float((share >= 0.9).sum())


def filled(side: int, polygons: Sequence[NDArray[np.floating]]) -> Floats:
    """Return the share (side, side) of polygons (P, 2) [cells]."""
    mask = np.zeros((side * FINE, side * FINE), np.uint8)
    for corners in polygons:
        fine = (np.asarray(corners, np.float64) + 0.5) * FINE - 0.5
        cv2.fillPoly(mask, [np.round(fine * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return shrunk(mask, side)


def lines(
    side: int, paths: Sequence[NDArray[np.floating]], width: float, *, closed: bool = False
) -> Floats:
    """Return the share (side, side) of polylines (P, 2) [cells], at least 0.5 cells wide."""
    mask = np.zeros((side * FINE, side * FINE), np.uint8)
    thick = max(1, round(width * FINE))
    for path in paths:
        fine = (np.asarray(path, np.float64) + 0.5) * FINE - 0.5
        points = np.round(fine * 16).astype(np.int32)
        cv2.polylines(mask, [points], closed, 255, thick, cv2.LINE_AA, 4)
    return shrunk(mask, side)


def shrunk(mask: Bytes, side: int) -> Floats:
    """Return a fine mask 0-255 as shares (side, side) 0-1."""
    small = cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(small.astype(np.float32) / np.float32(255), np.float32)


def clouds(side: int, cells: int, rng: Rng) -> Floats:
    """Return smooth noise (side, side), about standard normal, of so many lumps a side."""
    coarse = rng.standard_normal((cells + 2, cells + 2)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC), np.float32)


def any_colour(rng: Rng) -> Floats:
    """Return a colour (3,) 0-255: now grey, now strong, now dark."""
    kind = rng.random()
    if kind < 0.35:
        level = rng.uniform(5, 250)
        return np.clip(level + rng.normal(0, 6, 3), 0, 255).astype(np.float32)
    if kind < 0.55:
        return rng.uniform(0, 60, 3).astype(np.float32)
    return rng.uniform(0, 255, 3).astype(np.float32)


def grid_of(side: int) -> tuple[Floats, Floats]:
    """Return x and y (side, side) [cells] of a picture's pixels."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    return x, y


@dataclass(slots=True)
class Solid:
    """A body of round bars before the picture: height over it, where it faces, who is on top."""

    height: Floats
    """(side, side) [cells], 0 where there is none."""
    normal: Floats
    """(side, side, 2) its direction's x and y parts."""
    edge: Floats
    """(side, side) distance inwards from the outline [cells]; negative outside."""
    bar: NDArray[np.int32]
    """(side, side) number of the bar on top, -1 where there is none."""

    @classmethod
    def empty(cls, side: int) -> Solid:
        """Return nothing yet."""
        flat = np.zeros((side, side), np.float32)
        nobody = np.full((side, side), -1, np.int32)
        return cls(flat, np.zeros((side, side, 2), np.float32), flat - 1e3, nobody)

    def add(
        self,
        start: NDArray[np.floating],
        end: NDArray[np.floating],
        radii: tuple[float, float],
        *,
        lift: float = 0.0,
    ) -> None:
        """Put a bar with round ends on top, from `start` to `end` (2,) [cells], of `radii` [cells]
        there, `lift` cells above the picture; it is `len(bars)`-th to be numbered."""
        side = len(self.height)
        most = max(radii) + 2
        low = np.floor(np.minimum(start, end) - most).astype(int).clip(0, side)
        high = np.ceil(np.maximum(start, end) + most).astype(int).clip(0, side)
        number = int(self.bar.max()) + 1
        if (high <= low).any():
            return
        y, x = np.mgrid[low[1] : high[1], low[0] : high[0]].astype(np.float32)
        along = (end - start).astype(np.float32)
        length = max(float(along @ along), 1e-6)
        t = (((x - start[0]) * along[0] + (y - start[1]) * along[1]) / length).clip(0, 1)
        away_x, away_y = x - start[0] - t * along[0], y - start[1] - t * along[1]
        radius = radii[0] + t * (radii[1] - radii[0])
        distance = np.sqrt(away_x**2 + away_y**2)
        height = np.sqrt(np.maximum(radius**2 - distance**2, 0)) + lift
        window = (slice(low[1], high[1]), slice(low[0], high[0]))
        self.edge[window] = np.maximum(self.edge[window], radius - distance)
        wins = (distance < radius + 1) & (height > self.height[window])
        self.height[window][wins] = height[wins]
        self.normal[window][wins, 0] = (away_x / radius)[wins].clip(-1, 1)
        self.normal[window][wins, 1] = (away_y / radius)[wins].clip(-1, 1)
        self.bar[window][wins] = number

    def share(self) -> Floats:
        """Return how much of each pixel it covers (side, side), 0-1."""
        return np.asarray((self.edge + 0.5).clip(0, 1), np.float32)

    def shade(self, rng: Rng) -> Floats:
        """Return how much light each pixel throws back (side, side), about 0.4-1.2."""
        turn, slant = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.9)
        up = np.sqrt((1 - (self.normal**2).sum(-1)).clip(0.02, 1))
        light = self.normal[..., 0] * np.cos(turn) + self.normal[..., 1] * np.sin(turn)
        lit = slant * light + np.sqrt(1 - slant**2) * up
        ambient = rng.uniform(0.35, 0.75)
        depth = rng.uniform(0.3, 0.8)
        crease = 1 - depth * (1 - up) ** 2
        return np.asarray((ambient + (1 - ambient) * lit.clip(0, 1)) * crease * 1.15, np.float32)
