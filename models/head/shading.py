"""Light on a surface: normals, soft light as spherical harmonics, flashes and who stands in them.

Directions are unit vectors (x right, y down, z towards the camera) that point *to* the light, in
the same axes as the vertices. Light is linear (not sRGB); a surface of albedo 1 that faces a flash
of strength 1 sends back 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .raster import Floats, Ints, rasterise

HARMONICS: Final = 9
"""Spherical harmonics up to order 2."""

_SHADOW_SIDE: Final = 224
"""Side of a shadow map [px]."""
_SHADOW_SLACK: Final = 1.2
"""How far behind the nearest surface still counts as lit [px of the shadow map], on a surface that
faces the light; more at a slant, as the surface falls away within a pixel."""
_TURNED: Final = -0.3
"""Cosine to the lamp from which on a surface is asked whether it sees it."""
_SHADOW_BLUR: Final = 2
"""Half width of the window a shadow's edge is softened over [px of the shadow map]."""


def vertex_normals(vertices: Floats, triangles: Ints) -> Floats:
    """Return unit normals (V, 3) float32 that point outwards, each the mean of the triangles around
    the vertex by area; vertices without triangles get (0, 0, 1).

    Args:
        vertices: (V, 3).
        triangles: (F, 3), (b - a) x (c - a) pointing outwards.
    """
    a, b, c = (vertices[triangles[:, i]].astype(np.float64) for i in range(3))
    across = np.cross(b - a, c - a)
    sums = np.stack(
        [
            np.bincount(triangles.ravel(), np.repeat(across[:, i], 3), minlength=len(vertices))
            for i in range(3)
        ],
        1,
    )
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    sums = np.where(length > 0, sums / np.maximum(length, 1e-300), (0.0, 0.0, 1.0))
    return sums.astype(np.float32)


def harmonics(normals: Floats) -> Floats:
    """Return the nine real spherical harmonics up to order 2 of unit vectors: (…, 3) → (…, 9).

    Without the factors of normalisation: coefficients are fitted, and the factors drop out
    (Ramamoorthi & Hanrahan, "An Efficient Representation for Irradiance Environment Maps", 2001).
    """
    x, y, z = (normals[..., i] for i in range(3))
    one = np.ones_like(x)
    return np.stack([one, x, y, z, x * y, x * z, y * z, x * x - y * y, 3 * z * z - 1], -1)


def fit_light(
    normals: Floats, colours: Floats, weights: Floats, *, albedo: Floats, ridge: float = 0.02
) -> Floats:
    """Return coefficients (9, 3) of the soft light that makes `albedo` look like `colours`.

    The light of a normal n is `harmonics(n) @ coefficients`, times the albedo the colour.

    Args:
        normals: (N, 3) unit.
        colours: (N, 3) linear light.
        weights: (N,) ≥ 0, how much a place counts.
        albedo: (3,) or (N, 3) what the surface would send back under light 1.
        ridge: how strongly all coefficients but the constant one are held down, as a share of what
            they are known by.
    """
    basis = harmonics(normals).astype(np.float64)
    wanted = colours.astype(np.float64) / np.maximum(albedo, 1e-4)
    left = basis.T @ (basis * weights[:, None])
    held = np.full(HARMONICS, ridge * left[0, 0])
    held[0] = 0
    right = basis.T @ (wanted * weights[:, None])
    return np.asarray(np.linalg.solve(left + np.diag(held), right), np.float32)


def axes_towards(direction: Floats) -> Floats:
    """Return a rotation (3, 3) whose last row is the unit direction: what it turns is seen from
    there, with y still down as far as may be."""
    forward = np.asarray(direction, np.float64) / np.linalg.norm(direction)
    down = np.array([0.0, 1.0, 0.0]) if abs(forward[1]) < 0.99 else np.array([0.0, 0.0, 1.0])
    right = np.cross(down, forward)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward]).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class ShadowMap:
    """What a far lamp sees of all that may cast a shadow.

    Williams, "Casting Curved Shadows on Curved Surfaces", 1978; comparisons are averaged over a
    window (Reeves, Salesin & Cook, 1987), which makes the edges of shadows soft.
    """

    depth: Floats
    """(S, S) distance towards the lamp [px of the map], −inf where nothing is; so is its border."""
    axes: Floats
    """(3, 3): rows are the map's x and y, and the direction to the lamp."""
    corner: Floats
    """(3,) of the map, in its axes."""
    scale: float
    """[px of the map per unit]."""

    @staticmethod
    def of(
        vertices: Floats, triangles: Ints, direction: Floats, *, backs: bool = True
    ) -> ShadowMap:
        """Return the map of a lamp.

        Args:
            vertices: (V, 3) in any unit.
            triangles: (F, 3) that cast a shadow, at least one.
            direction: (3,) unit, to the lamp.
            backs: whether triangles cast one too where the lamp sees their back; closed things need
                not.
        """
        axes = axes_towards(direction)
        turned = vertices @ axes.T
        used = turned[np.unique(triangles)]
        rim = _SHADOW_BLUR + 2
        low, high = used.min(0), used.max(0)
        scale = (_SHADOW_SIDE - 2 * rim - 1) / max(float((high - low)[:2].max()), 1e-9)
        corner = low - np.array([rim / scale, rim / scale, 0], np.float32)
        seen = ((turned - corner) * np.float32(scale)).astype(np.float32)
        size = (_SHADOW_SIDE, _SHADOW_SIDE)
        return ShadowMap(
            rasterise(seen, triangles, size, backs=backs).depth,
            axes,
            corner.astype(np.float32),
            scale,
        )

    def lit_share(self, vertices: Floats, normals: Floats) -> Floats:
        """Return how much of the lamp each vertex sees: (V,) float32, 0 in shadow, 1 in full light.

        What turns far away from the lamp counts as in shadow.

        Args:
            vertices: (V, 3), of the casters or of others.
            normals: (V, 3) unit.
        """
        cosine = normals @ self.axes[2]
        share = np.zeros(len(vertices), np.float32)
        asked = np.flatnonzero(cosine > _TURNED)
        seen = (vertices[asked] @ self.axes.T - self.corner) * np.float32(self.scale)
        cosine = np.clip(cosine[asked], 0.1, 1)
        slant = np.sqrt(1 - cosine**2) / cosine
        slack = _SHADOW_SLACK + np.minimum(slant, 6.0) * (_SHADOW_BLUR + 0.5)
        share[asked] = self._window(seen, (seen[:, 2] + slack).astype(np.float32))
        return share

    def _window(self, places: Floats, nearest: Floats) -> Floats:
        """Return the share of the map around the places that is not nearer than `nearest`: a tent
        of ±(blur + 1) px, so that it moves smoothly with a place."""
        reach = _SHADOW_BLUR + 1
        left, top = (np.floor(places[:, i]).astype(np.int64) for i in range(2))
        off_x, off_y = places[:, 0] - left, places[:, 1] - top
        flat = self.depth.ravel()
        share = np.zeros(len(places), np.float32)
        total = np.zeros(len(places), np.float32)
        for dy in range(1 - reach, reach + 1):
            row = np.clip(top + dy, 0, _SHADOW_SIDE - 1) * _SHADOW_SIDE
            down = np.maximum(reach - np.abs(off_y - dy), 0)
            for dx in range(1 - reach, reach + 1):
                weight = down * np.maximum(reach - np.abs(off_x - dx), 0)
                depth = flat[row + np.clip(left + dx, 0, _SHADOW_SIDE - 1)]
                share += weight * (depth <= nearest)
                total += weight
        return share / total


def lambert(normals: Floats, direction: Floats, *, wrap: float = 0.0) -> Floats:
    """Return what a matt surface sends back of a flash of strength 1: (V,) float32 in [0, 1].

    Args:
        normals: (V, 3) unit.
        direction: (3,) unit, to the lamp.
        wrap: how far light creeps round the terminator, as skin and large lamps have it (0–1).
    """
    cosine = normals @ np.asarray(direction, np.float32)
    bent: Floats = np.clip((cosine + np.float32(wrap)) / np.float32(1 + wrap), 0, 1)
    return bent


def gloss(normals: Floats, direction: Floats, eye: Floats, *, power: float = 12.0) -> Floats:
    """Return the mirror part of a flash, before its strength: (V,) float32 in [0, 1].

    Blinn, "Models of Light Reflection for Computer Synthesized Pictures", 1977.

    Args:
        normals: (V, 3) unit.
        direction: (3,) unit, to the lamp.
        eye: (3,) unit, to the camera.
        power: how narrow the highlight is.
    """
    half = np.asarray(direction, np.float32) + np.asarray(eye, np.float32)
    half = half / np.maximum(np.linalg.norm(half), 1e-6)
    spot: Floats = np.clip(normals @ half, 0, 1) ** np.float32(power)
    return spot


def to_srgb(light: NDArray[np.floating]) -> Floats:
    """Return sRGB in [0, 1] of linear light, clipped to [0, 1] (IEC 61966-2-1)."""
    light = np.clip(light, 0, 1)
    encoded = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return encoded.astype(np.float32)


def to_linear(encoded: NDArray[np.floating]) -> Floats:
    """Return linear light in [0, 1] of sRGB, clipped to [0, 1]."""
    encoded = np.clip(encoded, 0, 1)
    light = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)
