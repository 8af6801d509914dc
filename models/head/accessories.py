"""Glasses and hats: solid things that are built on a head's own shape, so they fit anybody.

A pair of glasses rests on the nose, its lenses stand before the eyes, and its temples run along the
head to over the ears. A hat holds the skull and leaves the ears free. Where that is on
a head say its 68 points and its surface; sizes are those of things one can buy, in centimetres of
a head whose eyes are 6.2 cm apart.

The head is looked at in a frame of its own (`Seat`), so it may lie in any coordinates, x right or
left, y up or down. Put things on the head at rest (neutral expression), then move them as its
skull moves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import _glasses, _hats
from ._seat import GLASSES, HATS, Accessory, Glasses, Hat, Material, Seat
from ._sweep import Floats, Ints

__all__ = ["GLASSES", "HATS", "Accessory", "Glasses", "Hat", "Material", "Seat", "put_on"]


def put_on(
    name: Glasses | Hat,
    vertices: Floats,
    faces: Ints,
    landmarks68: Ints,
    ears: NDArray[np.bool_],
) -> Accessory:
    """Return a thing that sits on a head.

    Args:
        name: one of `GLASSES` or `HATS`.
        vertices: (V, 3) of a whole head (with skull and ears, without shoulders' width mattering),
            in any coordinates.
        faces: (F, 3) its triangles.
        landmarks68: (68,) the vertices of its 68 points.
        ears: (V,) which vertices are of its ears.

    Raises:
        ValueError: there is no such thing.
    """
    seat = Seat.of(vertices, faces, landmarks68, ears)
    if name in GLASSES:
        return seat.placed(name, _glasses.parts(name, seat))
    if name in HATS:
        return seat.placed(name, _hats.parts(name, seat))
    raise ValueError(f"no accessory is called {name!r}; there are {', '.join(GLASSES + HATS)}")
