"""Hair in a photograph: how much is where, its colour, and more of it for where none is seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ...head.raster import Floats
from .anatomy import Anatomy
from .pose import Posed
from .sitters import HAIR, PARTS_SIDE, Sitter

_LEAST: Final = 300
"""Hair below is stubble or a mistake [px of the parts]."""
_RIM: Final = 5
"""Near its outline the background shines through hair: so far within it can be painted from
[px of the parts]."""
_MIRRORED: Final = 0.4
"""Step into the hair for each step away from it."""


@dataclass(frozen=True, slots=True, eq=False)
class Matte:
    """The hair of a head: no brows, beards and eyes."""

    share: Floats
    """(256, 256) 0–1."""
    there: NDArray[np.bool_]
    """(256, 256) more hair than not."""
    inner: NDArray[np.bool_]
    """(256, 256) far enough within to be painted from."""
    colours: Floats
    """(256, 256, 3) linear: the colour of the hair nearby, everywhere."""

    def large(self, side: int) -> Floats:
        """Return the shares at the size of a photograph."""
        return np.asarray(cv2.resize(self.share, (side, side), interpolation=cv2.INTER_LINEAR))

    def at(self, places: Floats) -> NDArray[np.bool_]:
        """Return whether there is hair at places (N, 2) [px of the parts]: (N,)."""
        cell = np.clip(np.rint(places).astype(int), 0, PARTS_SIDE - 1)
        return np.asarray(self.there[cell[:, 1], cell[:, 0]])

    def more(self, places: Floats) -> Floats:
        """Return for places (N, 2) [px of the parts] places within the hair: the same ones if they
        are, else mirrored at its edge as far as the hair reaches, (N, 2)."""
        _, labels = cv2.distanceTransformWithLabels(
            (~self.inner).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        edge = np.zeros((int(labels.max()) + 1, 2), np.float32)
        y, x = np.nonzero(self.inner)
        edge[labels[y, x]] = np.stack([x, y], 1)
        at = np.clip(np.rint(places).astype(int), 0, PARTS_SIDE - 1)
        nearest = edge[labels[at[:, 1], at[:, 0]]]
        best = nearest
        # The farthest of some steps that is still hair.
        for step in (0.25, 0.5, 0.75, 1.0):
            further = nearest + step * _MIRRORED * (nearest - places)
            cell = np.clip(np.rint(further).astype(int), 0, PARTS_SIDE - 1)
            best = np.where(self.inner[cell[:, 1], cell[:, 0], None], further, best)
        own = self.inner[at[:, 1], at[:, 0], None]
        return np.where(own, places, best).astype(np.float32)


def folded(places: Floats) -> Floats:
    """Return places (N, 2) that lie below the photograph mirrored at its border."""
    last = PARTS_SIDE - 1
    y = np.where(places[:, 1] > last, 2 * last - places[:, 1], places[:, 1])
    return np.stack([places[:, 0], y], 1).astype(np.float32)


def find_matte(sitter: Sitter, posed: Posed, anatomy: Anatomy) -> Matte | None:
    """Return the hair of a sitter; None: there is none to speak of."""
    hair = (sitter.parts == HAIR).astype(np.uint8)
    hair[_inner_face(posed, anatomy)] = 0
    eyes = float((posed.places[anatomy.landmarks[36:48], 1] * 0.5).mean())
    count, blobs, stats, _ = cv2.connectedComponentsWithStats(hair)
    for blob in range(1, count):
        # What does not reach up to the eyes is a beard, a collar or a shadow.
        low = stats[blob, cv2.CC_STAT_TOP] > eyes
        if low or stats[blob, cv2.CC_STAT_AREA] < 0.5 * _LEAST:
            hair[blobs == blob] = 0
    if hair.sum() < _LEAST:
        return None
    soft = cv2.GaussianBlur(hair.astype(np.float32), (0, 0), 1.5)
    inner = cv2.erode(hair, np.ones((_RIM, _RIM))) > 0
    if inner.sum() < 0.2 * _LEAST:
        inner = hair > 0
    share = np.asarray(np.clip((soft - 0.2) / 0.6, 0, 1), np.float32)
    return Matte(share, soft > 0.5, inner, _spread(sitter, posed, inner))


def _inner_face(posed: Posed, anatomy: Anatomy) -> NDArray[np.bool_]:
    """Return where only skin, brows, eyes, mouth and beard can be: the face below the brows."""
    points = posed.places[anatomy.landmarks] * 0.5 - 0.25
    hull = cv2.convexHull(np.concatenate([points[2:15], points[17:27]]).astype(np.float32))
    mask = np.zeros((PARTS_SIDE, PARTS_SIDE), np.uint8)
    cv2.fillConvexPoly(mask, np.rint(hull).astype(np.int32), 1)
    return mask > 0


def _spread(sitter: Sitter, posed: Posed, inner: NDArray[np.bool_]) -> Floats:
    """Return the hair's colour spread over the picture."""
    small = cv2.resize(sitter.photograph, (PARTS_SIDE, PARTS_SIDE), interpolation=cv2.INTER_AREA)
    weight = inner.astype(np.float32)
    mean = np.median(small[inner], 0)
    sigma = 0.08 * posed.unit
    spread = cv2.GaussianBlur(small * weight[..., None], (0, 0), sigma)
    total = cv2.GaussianBlur(weight, (0, 0), sigma)[..., None]
    return np.asarray((spread + 0.02 * mean) / (total + 0.02), np.float32)
