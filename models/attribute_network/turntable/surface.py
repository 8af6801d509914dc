"""Triangles with paint: what a bust is made of, and how its colours come off a photograph.

Every vertex knows up to two places of the photograph to be painted from (its own and its mirror
image's), how far each can be trusted there, what light has to be taken out, and a colour for what
no place shows. All this is blended over the pixels of a view before the photograph is looked at, so
a view is as sharp as the photograph however coarse the triangles are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from ...head.raster import Floats, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Paint:
    """Where the colours of V vertices come from."""

    places: Floats
    """(V, 2, 2): two places of the photograph as (x, y) [px]."""
    shares: Floats
    """(V, 2) 0–1: how far each is trusted; together at most 1."""
    gains: Floats
    """(V, 2, 3): what each is multiplied by to take its light out."""
    fill: Floats
    """(V, 3) linear: albedo for the rest."""

    def packed(self) -> Floats:
        """Return all of it as (V, 15), for blending."""
        count = len(self.fill)
        parts = (self.places, self.shares, self.gains, self.fill)
        return np.concatenate([part.reshape(count, -1) for part in parts], 1)

    @staticmethod
    def plain(colours: Floats) -> Paint:
        """Return paint of plain colours (V, 3)."""
        count = len(colours)
        return Paint(
            np.zeros((count, 2, 2), np.float32),
            np.zeros((count, 2), np.float32),
            np.ones((count, 2, 3), np.float32),
            colours.astype(np.float32),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """Painted triangles in the head's axes [head units]."""

    vertices: Floats
    """(V, 3)"""
    triangles: Ints
    """(F, 3)"""
    normals: Floats
    """(V, 3) unit."""
    paint: Paint
    gloss: Floats
    """(V,) strength of the mirror part of a flash."""
    cover: Floats | None = None
    """(V,) how much of it is there: below 0 nothing, from 1 on all; None: all."""
    matted: bool = False
    """Whether the photograph's hair matte decides too how much is there, at the second places of
    the paint."""
    thin: bool = False
    """Whether it is seen from behind as well."""
    hidden: NDArray[np.bool_] | None = None
    """(V,) what lies within, and casts no shadow."""
    polish: float = 12.0
    """How narrow highlights are: Blinn's exponent."""

    @property
    def clear(self) -> bool:
        """Whether something behind it may shine through."""
        return self.matted or self.cover is not None


def pruned(surface: Surface, kept: NDArray[np.bool_]) -> Surface:
    """Return a surface with some of its triangles (F,) only, and the vertices they use."""
    used, triangles = np.unique(surface.triangles[kept], return_inverse=True)
    paint = surface.paint
    return replace(
        surface,
        vertices=surface.vertices[used],
        triangles=triangles.reshape(-1, 3).astype(np.int32),
        normals=surface.normals[used],
        paint=Paint(paint.places[used], paint.shares[used], paint.gains[used], paint.fill[used]),
        gloss=surface.gloss[used],
        cover=None if surface.cover is None else surface.cover[used],
        hidden=None if surface.hidden is None else surface.hidden[used],
    )


def sampled(picture: Floats, places: Floats) -> Floats:
    """Return a picture (H, W, C) at places (N, 2) [px], bilinear, its edge going on outside."""
    x, y = places[:, 0].astype(np.float32), places[:, 1].astype(np.float32)
    rows = 1 << 14  # OpenCV takes no map that is wider than a short can count
    out = [
        cv2.remap(
            picture,
            x[a : a + rows, None],
            y[a : a + rows, None],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        ).reshape(-1, *picture.shape[2:])
        for a in range(0, len(x), rows)
    ]
    return np.concatenate(out) if out else np.zeros((0, *picture.shape[2:]), np.float32)


def painted(packed: Floats, photograph: Floats) -> Floats:
    """Return albedo (N, 3), linear, of blended paint (N, 15)."""
    own, mirrored = packed[:, 4, None], packed[:, 5, None]
    colours = own * packed[:, 6:9] * sampled(photograph, packed[:, 0:2])
    colours += mirrored * packed[:, 9:12] * sampled(photograph, packed[:, 2:4])
    colours += np.clip(1 - own - mirrored, 0, 1) * packed[:, 12:15]
    return colours
