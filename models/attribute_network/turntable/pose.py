"""A fitted head as its photograph sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ...head.raster import Floats, Raster, rasterise
from .anatomy import Anatomy
from .sitters import PARTS_SIDE, SKIN, Sitter

BELOW: Final = 56
"""How far a bust goes on below its photograph [px of the parts]."""
_PULL_SIGMA: Final = 0.16
"""How far the pull of a point on the paint reaches [head units]."""


@dataclass(frozen=True, slots=True, eq=False)
class Posed:
    """A fitted head as the photograph sees it."""

    vertices: Floats
    """(V, 3) [px of the photograph]."""
    normals: Floats
    """(V, 3) unit, in the photograph's axes."""
    places: Floats
    """(V, 2): where a vertex is found in the photograph [px]: its projection, pulled so that the 68
    points fall on those that were seen."""
    raster: Raster
    """At half the size, and going on below the photograph: (PARTS_SIDE + BELOW, PARTS_SIDE)."""
    label: NDArray[np.uint8]
    """(V,) what the photograph shows at a vertex: background, hair, skin, clothes."""
    clean: NDArray[np.bool_]
    """(V,) whether that is skin with nothing else near."""
    unit: float
    """One head unit [px of the photograph]."""


def pose(sitter: Sitter, vertices: Floats, normals: Floats, anatomy: Anatomy) -> Posed:
    """Return a sitter's head as the photograph sees it.

    Args:
        sitter: with the fit.
        vertices: (V, 3) in the head's axes [head units].
        normals: (V, 3) in the head's axes.
        anatomy: of the head.
    """
    fit = sitter.fit
    rotation = fit.rotation[0].astype(np.float32)
    placed = np.float32(fit.scale[0]) * vertices @ rotation.T
    placed[:, :2] += fit.shift[0].astype(np.float32)
    places = placed[:, :2] + _pull(sitter, placed, anatomy)
    half = placed * np.float32(0.5) - np.array([0.25, 0.25, 0], np.float32)
    raster = rasterise(half, anatomy.triangles, (PARTS_SIDE + BELOW, PARTS_SIDE))
    cell = np.clip(np.rint(places * 0.5 - 0.25).astype(int), 0, PARTS_SIDE - 1)
    label = sitter.parts[cell[:, 1], cell[:, 0]]
    skin = (sitter.parts == SKIN).astype(np.uint8)
    clean = cv2.erode(skin, np.ones((9, 9)))[cell[:, 1], cell[:, 0]] > 0
    unit = float(fit.scale[0])
    return Posed(placed, normals @ rotation.T, places, raster, label, clean, unit)


def _pull(sitter: Sitter, placed: Floats, anatomy: Anatomy) -> Floats:
    """Return how far paint (V, 2) is moved so that the points meet: bumps around the points."""
    sigma = _PULL_SIGMA * float(sitter.fit.scale[0])
    own = placed[anatomy.landmarks, :2].astype(np.float64)
    missing = sitter.points - own
    bumps = np.exp(-((own[:, None] - own) ** 2).sum(-1) / (2 * sigma**2))
    # The jaw's points lie nowhere exactly; only a little of them is believed.
    doubt = np.where(np.arange(68) < 17, 3.0, 0.1)
    heights = np.linalg.solve(bumps + np.diag(doubt), missing)
    reach = np.exp(-((placed[:, None, :2] - own.astype(np.float32)) ** 2).sum(-1) / (2 * sigma**2))
    return np.asarray(reach @ heights, np.float32)
