"""Twenty lights that are fixed to a head, and how much of each falls on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...head.raster import Floats, Ints
from ...head.shading import ShadowMap, lambert
from .surface import Surface, sampled

AMBIENT: Final = 0.24
"""Light that is always there, against a flash of strength 1."""
FLASH: Final = 0.88

_WRAP: Final = 0.10
_RING: Final = tuple((azimuth, 2.0) for azimuth in range(-90, 91, 15))
_BEYOND: Final = ((-60, 40.0), (-22, 42.0), (22, 42.0), (60, 40.0), (0, 68.0), (0, -38.0))
"""Azimuth to the picture's right and height [degrees] of the flashes, as seen from the head."""
_UNSEEN: Final = 0.55
"""Share of the ambient light that reaches even a fold."""


def lamp(azimuth: float, height: float, strength: float) -> Floats:
    """Return a light (4,): unit direction to the lamp in the head's axes (x right, y down, z ahead)
    and strength of the flash. Angles in degrees, azimuth to the picture's right."""
    a, h = np.radians(azimuth), np.radians(height)
    direction = (np.sin(a) * np.cos(h), -np.sin(h), np.cos(a) * np.cos(h))
    return np.array([*direction, strength], np.float32)


def lamps() -> Floats:
    """Return the 20 lights (20, 4); the first is ambient light alone. Thirteen flashes stand in a
    half ring at the height of the head, four above it, one high up, one low down."""
    flashes = [lamp(azimuth, height, FLASH) for azimuth, height in (*_RING, *_BEYOND)]
    return np.stack([lamp(0, 0, 0), *flashes])


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """What falls on the V vertices of a surface from L lamps."""

    lit: Floats
    """(V, L) from each lamp, what a matt surface sends back."""
    shade: Floats
    """(V, L) share of the lamp that is seen."""
    ambient: Floats
    """(V,) from all sides."""
    lamps: Floats
    """(L, 4)"""

    def at(self, lights: Floats, shade: Floats, surface: Surface) -> Light:
        """Return the light of other lamps, whose shadows are known, and the same ambient light."""
        return Light(_lit(surface, lights, shade), shade, self.ambient, lights)


def shadow_map(surfaces: Sequence[Surface], lamp: Floats, matte: Floats) -> ShadowMap:
    """Return what a lamp (4,) sees of surfaces.

    Args:
        surfaces: that cast shadows.
        lamp: the light.
        matte: (512, 512) of the hair.
    """
    starts = np.cumsum([0, *(len(s.vertices) for s in surfaces[:-1])])
    casting = [
        _casting(surface, matte) + start for surface, start in zip(surfaces, starts, strict=True)
    ]
    vertices = np.concatenate([s.vertices for s in surfaces])
    return ShadowMap.of(vertices, np.concatenate(casting).astype(np.int32), lamp[:3], backs=False)


def _casting(surface: Surface, matte: Floats) -> Ints:
    """Return the triangles that cast a shadow: those that are there, thin ones from both sides."""
    there = np.ones(len(surface.vertices), bool)
    if surface.matted:
        there &= sampled(matte, surface.paint.places[:, 1]) > 0.5
    if surface.cover is not None:
        there &= surface.cover > 0.5
    if surface.hidden is not None:
        there &= ~surface.hidden
    triangles = surface.triangles[there[surface.triangles].all(1)]
    return np.concatenate([triangles, triangles[:, ::-1]]) if surface.thin else triangles


def light(
    surfaces: Sequence[Surface], casters: Sequence[Surface], lights: Floats, matte: Floats
) -> list[Light]:
    """Return the light on each of some surfaces.

    Args:
        surfaces: in the head's axes.
        casters: what casts shadows on them; they may be the same.
        lights: (L, 4).
        matte: (512, 512) of the hair.
    """
    shades = [np.zeros((len(s.vertices), len(lights)), np.float32) for s in surfaces]
    for k, lamp in enumerate(lights):
        if lamp[3] > 0:
            seen = shadow_map(casters, lamp, matte)
            for surface, shade in zip(surfaces, shades, strict=True):
                shade[:, k] = seen.lit_share(surface.vertices, surface.normals)
    return [
        Light(_lit(surface, lights, shade), shade, _ambient(surface, lights, shade), lights)
        for surface, shade in zip(surfaces, shades, strict=True)
    ]


def _lit(surface: Surface, lights: Floats, shade: Floats) -> Floats:
    matt = [lamp[3] * lambert(surface.normals, lamp[:3], wrap=_WRAP) for lamp in lights]
    return np.stack(matt, 1) * shade


def _ambient(surface: Surface, lights: Floats, shade: Floats) -> Floats:
    """Return the ambient light of vertices (V,): a little more from above, and less where few of
    the lamps are seen that should be by their angle."""
    facing = np.clip(surface.normals @ lights[:, :3].T, 0, 1) * (lights[:, 3] > 0)
    openness = (facing * shade).sum(1) / np.maximum(facing.sum(1), 0.3)
    return ambient_light(surface.normals, openness)


def ambient_light(normals: Floats, openness: NDArray[np.floating] | float) -> Floats:
    """Return ambient light (V,) on normals (V, 3) that are open to a share of it."""
    upward = 0.9 - 0.12 * normals[:, 1]
    return np.asarray(AMBIENT * upward * (_UNSEEN + (1 - _UNSEEN) * openness), np.float32)
