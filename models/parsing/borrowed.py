"""What a face of a training square borrows from another one: a beard, a hat, the colour of hair.

Few of the faces have a beard, fewer a grey or a red one, and fewer still a hat. So what there is of
them is laid over other faces, by landmarks and in their light (copy and paste, Ghiasi et al., CVPR
2021), and hair takes colours that other hair has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .layers import Bytes, Floats, Layer, Rng
from .net import LABELS

Points = NDArray[np.floating]

_ID: Final = {name: n for n, name in enumerate(LABELS)}
_JAW: Final = (*range(2, 15), *range(31, 36), *range(48, 60))
"""Landmarks that a beard follows."""
_SKULL: Final = (*range(17), *range(17, 27))
"""Landmarks that a hat follows."""
_BESIDE_BEARDS: Final = tuple(_ID[name] for name in ("skin", "neck", "hair"))
_UNDER_HATS: Final = tuple(_ID[name] for name in ("eyes", "nose", "lips", "mouth", "glasses"))
_TONES: Final = (
    ((150, 150, 152), (0.55, 1.45), 0.45),
    ((150, 85, 50), (0.6, 1.3), 0.2),
    ((205, 170, 115), (0.7, 1.15), 0.2),
    ((45, 35, 32), (0.4, 1.6), 0.15),
)
"""Colours of hair: grey and white, red, fair, dark; how much darker or lighter they may be; how
often each is drawn."""


@dataclass(frozen=True, slots=True)
class Giver:
    """A face that something is taken from."""

    picture: Bytes
    """(h, w, 3) RGB."""
    labels: Bytes
    """(h, w)."""
    points: Points
    """(68, 2) landmarks [px]."""


def chin_of(shape: tuple[int, ...], points: Points) -> NDArray[np.bool_]:
    """Return where in a picture of a shape (h, w) a beard may be, (h, w) bool: below the nose,
    between the sides of the jaw, down to a quarter of the lower face below it."""
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    nose, chin = points[33, 1], points[8, 1]
    left, right = sorted((points[2, 0], points[14, 0]))
    low = chin + 0.25 * (chin - nose)
    return np.asarray((rows > nose) & (rows < low) & (columns > left) & (columns < right))


def beard(giver: Giver, picture: Floats, labels: Bytes, points: Points) -> Layer:
    """Return another's beard as a layer before a square (side, side, 3) with labels (side, side)
    and landmarks (68, 2) [cells]."""
    worn = (giver.labels == _ID["hair"]) & chin_of(giver.labels.shape, giver.points)
    place = _fitted(giver.points, points, _JAW)
    share = _laid(worn.astype(np.float32), place, len(labels))
    share *= np.isin(labels, _BESIDE_BEARDS)
    soft = cv2.GaussianBlur(share, (0, 0), 0.7)
    colour = _laid(giver.picture.astype(np.float32), place, len(labels))
    colour = colour * _light(giver, picture, labels)
    return Layer(colour.clip(0, 255).astype(np.float32), soft, _ID["hair"])


def with_hat(
    giver: Giver, picture: Floats, labels: Bytes, points: Points
) -> tuple[Floats, Bytes, Floats]:
    """Return a square (side, side, 3) and its labels (side, side) with another's hat or hood, with
    what is above it there, and how much of each pixel (side, side) is the other's."""
    rows = np.arange(len(giver.labels))[:, None]
    cloth = (giver.labels == _ID["clothes"]) & (rows < giver.points[8, 1])
    over = cloth & (rows < giver.points[17:27, 1].min())
    cloth = _touching(cloth, over)
    # hair that stood above must not stand above the hat
    above = np.flip(np.maximum.accumulate(np.flip(over, 0), 0), 0)
    place, side = _fitted(giver.points, points, _SKULL), len(labels)
    share = _laid((cloth | above).astype(np.float32), place, side)
    share *= ~np.isin(labels, _UNDER_HATS)
    theirs = cv2.warpAffine(giver.labels, place, (side, side), flags=cv2.INTER_NEAREST)
    colour = _laid(giver.picture.astype(np.float32), place, side)
    colour = (colour * _light(giver, picture, labels)).clip(0, 255)
    soft = cv2.GaussianBlur(share, (0, 0), 0.7)
    mixed = picture + soft[..., None] * (colour - picture)
    return mixed.astype(np.float32), np.where(soft >= 0.5, theirs, labels), soft


def recoloured(picture: Floats, labels: Bytes, points: Points, rng: Rng) -> Floats:
    """Return a square (side, side, 3) whose hair, or beard, or both, has another colour."""
    hair, chin = labels == _ID["hair"], chin_of(labels.shape, points)
    kind = rng.random()
    where = hair if kind < 0.5 else hair & chin if kind < 0.8 else hair & ~chin
    if where.sum() < 30:
        return picture
    odds = np.array([often for *_, often in _TONES])
    tone, (darkest, lightest), _ = _TONES[int(rng.choice(len(_TONES), p=odds))]
    colour = np.array(tone) * rng.uniform(darkest, lightest) + rng.normal(0, 5, 3)
    middle = picture[where].mean(0)
    # light hair varies by more levels than dark hair does
    contrast = rng.uniform(0.5, 1.2) * np.sqrt(colour.mean().clip(20) / middle.mean().clip(20))
    grey = (picture - middle).mean(-1, keepdims=True)
    other = (colour + contrast * (0.7 * grey + 0.3 * (picture - middle))).clip(0, 255)
    soft = cv2.GaussianBlur(where.astype(np.float32), (0, 0), 0.7)[..., None]
    return np.asarray(picture + soft * (other - picture), np.float32)


def _touching(area: NDArray[np.bool_], core: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the connected parts of an area (h, w) that hold some of a core (h, w): a hat, not the
    jacket under it."""
    _, part = cv2.connectedComponents(area.astype(np.uint8))
    return np.asarray(np.isin(part, np.unique(part[core])) & area)


def _fitted(given: Points, wanted: Points, which: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the affine map (2, 3) that takes landmarks to others, in least squares."""
    known = np.column_stack([given[list(which)], np.ones(len(which))])
    found = np.linalg.lstsq(known, wanted[list(which)], rcond=None)[0]
    return np.asarray(found.T, np.float64)


def _laid(values: Floats, place: NDArray[np.float64], side: int) -> Floats:
    """Return values (h, w) or (h, w, C) over a square, smoothed as far as they are made smaller."""
    small = np.sqrt(abs(np.linalg.det(place[:, :2])))
    if small < 0.8:
        values = np.asarray(cv2.GaussianBlur(values, (0, 0), 0.4 / small), np.float32)
    laid = cv2.warpAffine(values, place, (side, side), flags=cv2.INTER_LINEAR)
    return np.asarray(laid, np.float32)


def _light(giver: Giver, picture: Floats, labels: Bytes) -> Floats:
    """Return how much lighter (3,) skin is in a square than where something is taken from."""
    here, there = (s == _ID["skin"] for s in (labels, giver.labels))
    if here.sum() < 30 or there.sum() < 30:
        return np.ones(3, np.float32)
    ratio = picture[here].mean(0) / giver.picture[there].mean(0).clip(1)
    return np.asarray(ratio.clip(0.5, 2.0), np.float32)
