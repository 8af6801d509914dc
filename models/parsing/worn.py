"""Drawn things that are worn: glasses of many shapes with clear and dark lenses; caps, scarves and
hoods over the hair.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .layers import Bytes, Floats, Layer, Rng, any_colour, clouds, filled, grid_of, lines
from .net import LABELS

GLASSES: Final = LABELS.index("glasses")
CLOTHES: Final = LABELS.index("clothes")
_HEAD: Final = tuple(LABELS.index(name) for name in ("hair", "skin", "brows", "clothes"))
_WRAPPED: Final = tuple(LABELS.index(name) for name in ("hair", "ears", "neck"))


_LEAST: Final = 0.3
"""Share of a pixel that a wire must cover to be seen there: few are as wide as a pixel."""


def _outline(
    middle: NDArray[np.float64], half: NDArray[np.float64], square: float, droop: float
) -> NDArray[np.float64]:
    """Return a lens (P, 2): a superellipse of an exponent 2 / `square`, wider above by `droop`."""
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    c, s = np.cos(angle), np.sin(angle)
    x, y = np.sign(c) * np.abs(c) ** square, np.sign(s) * np.abs(s) ** square
    return np.stack([middle[0] + half[0] * x * (1 - droop * y), middle[1] + half[1] * y], 1)


def glasses(points: NDArray[np.float64], side: int, rng: Rng) -> list[Layer]:
    """Return glasses for a face with landmarks (68, 2) [cells], back to front; what is seen through
    a clear lens keeps its label."""
    eyes = float(np.linalg.norm(points[45] - points[36]))
    across = (points[45] - points[36]) / eyes
    frame = np.stack([across, (-across[1], across[0])], 1)
    half = np.array([rng.uniform(0.25, 0.36), rng.uniform(0.13, 0.32)]) * eyes
    square, droop = rng.uniform(0.3, 1.0), rng.uniform(-0.05, 0.25)
    shift = np.array([rng.uniform(-0.01, 0.03), rng.uniform(-0.02, 0.08)]) * eyes
    lenses = []
    for sign, corners in ((-1, [36, 39]), (1, [42, 45])):
        middle = points[corners].mean(0) + frame @ (shift * (sign, 1))
        lenses.append(middle + _outline(np.zeros(2), half, square, droop) @ frame.T)
    wire = _wire(lenses, frame, eyes, side, rng)
    rims = Layer(_rim_colour(frame[:, 1], side, rng), wire, GLASSES, _LEAST)
    return [*_lenses(filled(side, lenses), side, rng), rims]


def _rim_colour(down: NDArray[np.float64], side: int, rng: Rng) -> Floats:
    """Return the colour (side, side, 3) of rims: dark, any, or metal that shines here and there."""
    kind = rng.random()
    if kind < 0.6:
        colour = np.full(3, rng.uniform(5, 70)) if kind < 0.4 else any_colour(rng)
        return np.broadcast_to(colour.astype(np.float32), (side, side, 3))
    metal = np.array(((150, 150, 155), (190, 160, 110), (95, 90, 90))[int(rng.integers(3))])
    x, y = grid_of(side)
    wave = (x * down[0] + y * down[1]) / side * rng.uniform(5, 30) + x / side * rng.uniform(0, 12)
    light = 1 + rng.uniform(0.1, 0.6) * np.sin(wave + rng.uniform(0, 6))
    return np.asarray((metal * rng.uniform(0.5, 1.3) * light[..., None]).clip(0, 255), np.float32)


def _wire(
    lenses: list[NDArray[np.float64]],
    frame: NDArray[np.float64],
    eyes: float,
    side: int,
    rng: Rng,
) -> Floats:
    """Return the share of rims (whole, above only, or none), bridge and temples."""
    across, down = frame.T
    width = rng.choice([rng.uniform(0.5, 1.1), rng.uniform(0.5, 2.2), rng.uniform(2.2, 6)])
    kind = rng.random()
    share = np.zeros((side, side), np.float32)
    if kind < 0.7:
        share = lines(side, lenses, width, closed=True)
    elif kind < 0.9:
        # outlines run from the right by way of below
        share = lines(side, [lens[len(lens) // 2 :] for lens in lenses], width)
    inner = [
        lens[int(np.argmax(lens @ across * s))] for s, lens in zip((1, -1), lenses, strict=True)
    ]
    lift = down * rng.uniform(-0.06, 0.05) * eyes
    middle = (inner[0] + inner[1]) / 2 - down * 0.02 * eyes
    arc = np.stack([inner[0], middle, inner[1]]) - lift
    share = np.maximum(share, lines(side, [arc], max(0.5, width * rng.uniform(0.6, 1.2))))
    temples = []
    for sign, lens in zip((-1, 1), lenses, strict=True):
        outer = lens[int(np.argmax(lens @ across * sign))]
        hinge = outer - down * rng.uniform(0.03, 0.15) * eyes
        end = hinge + eyes * (across * sign * rng.uniform(0.05, 0.4) + down * rng.normal(0, 0.04))
        temples.append(np.stack([hinge, end]))
    return np.maximum(share, lines(side, temples, max(0.5, width * 0.8)))


def _lenses(inside: Floats, side: int, rng: Rng) -> list[Layer]:
    """Return what fills the rims: a dark glass, or a tint and reflections that hide little."""
    x, y = grid_of(side)
    if rng.random() < 0.4:
        tint = np.full(3, rng.uniform(0, 60)) if rng.random() < 0.7 else any_colour(rng) * 0.6
        slope = rng.uniform(-0.6, 0.6) * (y / side - 0.45) * 2
        dark = inside * (rng.uniform(0.78, 1.0) + slope.clip(-0.15, 0.1)).clip(0.55, 1)
        shine = 60 * rng.random() * np.exp(-(((x + y) / side * 6 - rng.uniform(2, 8)) ** 2))
        colour = tint + shine[..., None]
        return [Layer(colour.astype(np.float32), dark.astype(np.float32), GLASSES)]
    faint = inside * np.float32(rng.uniform(0, 0.15))
    layers = [Layer(any_colour(rng), faint, GLASSES)]
    if rng.random() < 0.4:
        band = np.exp(-(((x * rng.normal() + y) / side * 10 - rng.uniform(0, 10)) ** 2))
        layers.append(
            Layer(np.full(3, 245, np.float32), inside * band.astype(np.float32) * 0.19, GLASSES)
        )
    return layers


def headwear(points: NDArray[np.float64], labels: Bytes, rng: Rng) -> Layer:
    """Return a cap, or a scarf or hood, for a face with landmarks (68, 2) [cells], where `labels`
    (side, side) show its head."""
    side = len(labels)
    eyes = float(np.linalg.norm(points[45] - points[36]))
    across = (points[45] - points[36]) / eyes
    spots = np.stack(grid_of(side), -1)
    middle = (points[36] + points[45]) / 2
    right = (spots - middle) @ across / eyes
    below = (spots - middle) @ np.array([-across[1], across[0]]) / eyes
    if rng.random() < 0.55:
        worn = _cap(labels, right, below, eyes, rng)
    else:
        worn = _wrap(labels, right, below, eyes, rng)
    soft = cv2.GaussianBlur(worn.astype(np.float32), (0, 0), 1.5)
    share = ((soft - 0.5) * 3 + 0.5).clip(0, 1).astype(np.float32)
    return Layer(_cloth(right, below, rng), share, CLOTHES)


def _cap(labels: Bytes, right: Floats, below: Floats, eyes: float, rng: Rng) -> NDArray[np.bool_]:
    """All of the head above a line over the brows, some cells wider than it, and perhaps a peak."""
    edge = rng.normal(0, 0.12) * right - rng.uniform(-0.1, 0.25) * right**2
    edge = edge - rng.uniform(0.22, 0.6)
    head = np.isin(labels, _HEAD) & (below < edge)
    radius = max(1, round(rng.uniform(0.02, 0.15) * eyes))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    wide = cv2.dilate(head.astype(np.uint8), disc).astype(bool) & (below < edge)
    if rng.random() < 0.4:
        reach, aside = rng.uniform(0.5, 1.0), rng.normal(0, 0.3)
        wide |= ((right - aside) / reach) ** 2 + ((below - edge) / rng.uniform(0.08, 0.2)) ** 2 < 1
    return np.asarray(wide)


def _wrap(labels: Bytes, right: Floats, below: Floats, eyes: float, rng: Rng) -> NDArray[np.bool_]:
    """Hair, ears and neck, and a ring about the face: what lies within an oval is left free."""
    wide, high = rng.uniform(0.68, 0.85), rng.uniform(0.95, 1.2)
    centre = rng.uniform(0.3, 0.42)
    oval = (right / wide) ** 2 + ((below - centre) / high) ** 2
    radius = max(1, round(rng.uniform(0.02, 0.12) * eyes))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    own = np.isin(labels, _WRAPPED) | (np.isin(labels, _HEAD) & (below < 0))
    head = cv2.dilate(own.astype(np.uint8), disc).astype(bool)
    ring = oval < rng.uniform(1.3, 1.9)
    open_below = rng.random() < 0.4
    if open_below:
        return np.asarray((head | ring) & (oval > 1) & (below < centre + rng.uniform(0.2, 1.0)))
    return np.asarray((head | ring) & (oval > 1))


def _cloth(right: Floats, below: Floats, rng: Rng) -> Floats:
    """Plain or striped cloth in folds; never a piece of a picture, which might be one of hair."""
    side = len(right)
    kind = rng.random()
    colour = np.broadcast_to(any_colour(rng), (side, side, 3))
    if kind < 0.3:
        pitch = rng.uniform(0.03, 0.25)
        stripes = np.sin((right * rng.normal() + below * rng.normal()) * 2 * np.pi / pitch) > 0
        colour = np.where(stripes[..., None], colour, any_colour(rng))
    folds = 1 + rng.uniform(0.03, 0.25) * clouds(side, int(rng.integers(4, 40)), rng)
    round_off = 1 - rng.uniform(0, 0.35) * (right**2).clip(0, 1.5)
    return np.asarray((colour * (folds * round_off)[..., None]).clip(0, 255), np.float32)
