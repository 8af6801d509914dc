"""How a thing that is worn looks in a picture: where it is seen, its light, its shadow on the skin.

What is drawn is not a picture but what the thing does to one: light of its own, and the share of
what is behind it that it lets through, both linear. So the clip's own pixels stay behind lenses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .face_light import FaceLight
from .solids import NONE, Floats, View

_MOST_SAMPLES: Final = 700_000
"""Of a picture of a thing; beyond it pixels get fewer of them."""
_FINEST: Final = 4
"""Samples along a pixel, at most."""
_ROUND: Final = 0.28
"""How far beyond a thing its shadow may reach [head units]."""
_BIAS: Final = 0.02
"""How far the head may lie before a thing without hiding it [head units]."""
_SHADOW_SOFT, _SHADE_SOFT = 0.022, 0.05
"""Sigmas of the shadow's edge, and of the dark where little light comes between [head units]."""
_SHADE: Final = 0.22
"""How dark it is there at most."""
_SHADOW: Final = 0.62
"""Share of the light with a direction that a shadow takes: light has a size."""
_FAR: Final = 0.2
"""Gap between thing and skin from which on there is no shadow [head units]."""


@dataclass(frozen=True, slots=True, eq=False)
class Solid:
    """A thing in head units, at rest."""

    vertices: Floats
    """(V, 3)"""
    normals: Floats
    """(V, 3) unit, outwards."""
    faces: NDArray[np.int64]
    """(F, 3)"""
    material: NDArray[np.int64]
    """(F,)"""
    albedo: Floats
    """(M, 3) linear light that is scattered, 0–1."""
    passes: Floats
    """(M, 3) linear light that is let through where the thing is as dense as it gets, 0–1."""
    gloss: Floats
    """(M,) share of light that is mirrored straight on."""
    rough: Floats
    """(M,) 0 mirror … 1 chalk."""
    density: Floats
    """(V,) 0–1."""
    gap: Floats
    """(V,) how far the skin lies behind [head units]."""
    side: Floats
    """(V,) 0–1: 1 beside the head, where hair falls over it."""

    @property
    def clear(self) -> NDArray[np.bool_]:
        """(F,) which faces let light through."""
        return np.asarray(self.passes.max(1) > 0)[self.material]


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """Where a head is: px = scale · rotation · shape + shift, z towards the camera."""

    scale: float
    rotation: Floats
    """(3, 3)"""
    shift: Floats
    """(2,) [px]."""

    def placed(self, shape: Floats) -> Floats:
        """Return points (P, 3) [px] of points in head units."""
        turned = self.scale * (shape @ self.rotation.T)
        turned[:, :2] += self.shift
        return np.asarray(turned, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """What a thing does to some pixels of a picture, linear: `own + passes · behind`."""

    corner: tuple[int, int]
    """x, y [px] of its first pixel."""
    own: Floats
    """(h, w, 3)"""
    passes: Floats
    """(h, w, 3) 0–1, the shadow on what is behind included."""
    solid: Floats
    """(h, w) 0–1: how much of the picture's own grain is gone."""


def worn(
    solid: Solid,
    head: tuple[Floats, NDArray[np.int64]],
    pose: Pose,
    light: FaceLight,
    size: tuple[int, int],
    hair: Floats | None = None,
) -> Layer | None:
    """Return what a thing does to a picture; None if it is not in it.

    Args:
        solid: the thing.
        head: vertices (V, 3) [head units] at rest and triangles (F, 3) of what hides it.
        pose: of the head [px of the picture].
        light: at the head.
        size: height and width of the picture [px].
        hair: (height, width) 0–1 where hair is, which falls over what is beside the head.
    """
    points, skull = pose.placed(solid.vertices), pose.placed(head[0])
    window = _window(points, _ROUND * pose.scale, size)
    if window is None:
        return None
    x0, y0, x1, y1 = window
    fine = _fineness((y1 - y0) * (x1 - x0))
    shape = ((y1 - y0) * fine, (x1 - x0) * fine)
    view = _seen_from(points, solid.faces, window, fine)
    behind = _depth_of(_seen_from(skull, head[1], window, 1), (y1 - y0, x1 - x0), fine)
    own, passes = np.zeros((*shape, 3), np.float32), np.ones((*shape, 3), np.float32)
    rotated = np.asarray(solid.normals @ pose.rotation.T, np.float32)
    over = None if hair is None else _enlarged(hair[y0:y1, x0:x1], fine)
    bias = _BIAS * pose.scale * fine
    depths: list[Floats] = []
    for clear in (False, True):
        chosen = (solid.clear == clear) & (view.facing() | clear)
        samples = _Samples.of(view, view.ids(shape, chosen), behind - bias)
        depths.append(samples.depth)
        _draw(samples, solid, rotated, light, over, depths, (own, passes))
    own, passes = (_reduced(part, fine) for part in (own, passes))
    there = 1 - passes.mean(-1)
    dark = _shadow(solid, pose, light, window, behind[::fine, ::fine])
    return Layer((x0, y0), own, passes * (1 - dark)[..., None], there)


def _window(
    points: Floats, margin: float, size: tuple[int, int]
) -> tuple[int, int, int, int] | None:
    low = np.floor(points[:, :2].min(0) - margin).astype(int)
    high = np.ceil(points[:, :2].max(0) + margin).astype(int) + 1
    x0, y0 = np.maximum(low, 0)
    x1, y1 = np.minimum(high, size[::-1])
    return None if x1 - x0 < 2 or y1 - y0 < 2 else (int(x0), int(y0), int(x1), int(y1))


def _fineness(pixels: int) -> int:
    return int(np.clip(np.sqrt(_MOST_SAMPLES / pixels), 1, _FINEST))


def _seen_from(
    points: Floats, faces: NDArray[np.int64], window: tuple[int, int, int, int], fine: int
) -> View:
    """Return a view of points (V, 3) [px] in samples of a window."""
    corners = points.copy()
    # A pixel's samples lie evenly in it, about its middle.
    corners[:, :2] = (points[:, :2] - window[:2] + 0.5) * fine - 0.5
    corners[:, 2] *= fine
    return View(np.asarray(corners, np.float32), faces)


def _depth_of(view: View, size: tuple[int, int], fine: int) -> Floats:
    """Return how near a head is at every sample; -inf beside it."""
    depth = view.depth(view.ids(size, view.facing())) * np.float32(fine)
    return np.repeat(np.repeat(depth, fine, 0), fine, 1)


@dataclass(frozen=True, slots=True, eq=False)
class _Samples:
    """The samples that show faces of a view."""

    view: View
    at: tuple[NDArray[np.int64], NDArray[np.int64]]
    """Rows and columns (P,)."""
    numbers: NDArray[np.int32]
    """(P,) which face."""
    shares: Floats
    """(P, 3) of its corners."""
    z: Floats
    """(P,)"""
    depth: Floats
    """(h, w); -inf where there is none."""

    @staticmethod
    def of(view: View, ids: NDArray[np.int32], behind: Floats) -> _Samples:
        """Return the samples (h, w) of faces that are before what is behind."""
        y, x = np.nonzero(ids != NONE)
        numbers = ids[y, x]
        shares = view.shares(numbers, x.astype(np.float32), y.astype(np.float32))
        z = view.at(view.corners[:, 2:], numbers, shares)[:, 0]
        seen = z > behind[y, x]
        y, x, numbers, shares, z = y[seen], x[seen], numbers[seen], shares[seen], z[seen]
        depth = np.full(ids.shape, -np.inf, np.float32)
        depth[y, x] = z
        return _Samples(view, (y, x), numbers, shares, z, depth)


def _draw(
    samples: _Samples,
    solid: Solid,
    normals: Floats,
    light: FaceLight,
    over: Floats | None,
    depths: list[Floats],
    into: tuple[Floats, Floats],
) -> None:
    """Add samples to what is drawn: (h, w, 3) light of its own, and what is let through."""
    at, numbers, shares = samples.at, samples.numbers, samples.shares
    kind = solid.material[numbers]
    values = np.concatenate([normals, solid.density[:, None], solid.side[:, None]], 1)
    found = samples.view.at(values.astype(np.float32), numbers, shares)
    normal = found[:, :3]
    length = np.sqrt(np.einsum("pk,pk->p", normal, normal))
    # The inside of a lens is seen as its outside.
    normal = normal / np.copysign(np.maximum(length, 1e-6), normal[:, 2])[:, None]
    mirrored = _mirrored(normal, solid.gloss[kind], solid.rough[kind], light)
    bare = 1 - over[at] * found[:, 4] if over is not None else np.ones(len(numbers), np.float32)
    passes = 1 - found[:, 3:4] * (1 - solid.passes[kind])
    scattered = solid.albedo[kind] * light.on(normal)[:, None] * light.tint
    opaque = (solid.passes.max(1) == 0)[kind][:, None]
    own = np.where(opaque, scattered, 0) + mirrored[:, None] * light.tint
    passes = np.where(opaque, 0, passes)
    own, passes = own * bare[:, None], 1 - (1 - passes) * bare[:, None]
    light_own, let_through = into
    # A lens lies over what is drawn already, but for rims that are nearer.
    first = samples.z >= depths[0][at] if len(depths) > 1 else np.ones(len(numbers), bool)
    at = (at[0][first], at[1][first])
    light_own[at] = own[first] + passes[first] * light_own[at]
    let_through[at] *= passes[first]


def _mirrored(normal: Floats, gloss: Floats, rough: Floats, light: FaceLight) -> Floats:
    """Return the light (P,) that surfaces mirror: a room brighter above, and the main light."""
    ray = 2 * normal[:, 2:] * normal - (0, 0, 1)
    # A room whose upper half is bright, with a soft edge: what lenses show of most places.
    up = np.clip(-ray[:, 1] * 2.2 + 0.25 * ray[:, 0] + 0.33, 0, 1)
    room = light.mean * (0.1 + 1.0 * up * up * (3 - 2 * up))
    width = 0.02 + 0.5 * rough**2
    lobe = np.exp((ray @ light.direction - 1) / width) * (0.12 / width)
    grazing = 0.3 * (1 - np.clip(normal[:, 2], 0, 1)) ** 4 * (1 - rough) ** 2
    key = light.direct * light.mean * np.minimum(lobe, 6)
    return np.asarray((gloss + grazing) * (room + key), np.float32)


def _shadow(
    solid: Solid,
    pose: Pose,
    light: FaceLight,
    window: tuple[int, int, int, int],
    head: Floats,
) -> Floats:
    """Return what share of light skin loses to a thing before it, (h, w) 0–1."""
    size = (window[3] - window[1], window[2] - window[0])
    to_light = light.direction @ pose.rotation  # in the head's axes
    away = to_light / max(float(to_light[2]), 0.45)
    near = np.clip(2 - 2 * solid.gap / _FAR, 0, 1) * (1 - 0.6 * solid.side)
    cast = solid.vertices - solid.gap[:, None] * away
    below = solid.vertices - np.minimum(solid.gap, 0.05)[:, None] * (0, 0, 1)
    total = np.zeros(size, np.float32)
    kinds = ((cast, _SHADOW_SOFT, _SHADOW * light.direct), (below, _SHADE_SOFT, _SHADE))
    for places, soft, strength in kinds:
        view = _seen_from(pose.placed(np.asarray(places, np.float32)), solid.faces, window, 2)
        cover = _cover(view, solid, near, (2 * size[0], 2 * size[1]))
        dark = cv2.GaussianBlur(_reduced(cover, 2), (0, 0), max(soft * pose.scale, 0.3))
        total = total + (1 - total) * strength * dark
    on_head = cv2.GaussianBlur(np.isfinite(head).astype(np.float32), (0, 0), 1.0)
    return np.asarray(total * on_head, np.float32)


def _cover(view: View, solid: Solid, near: Floats, size: tuple[int, int]) -> Floats:
    """Return how much light is stopped at each sample, (h, w) 0–1."""
    out = np.zeros(size, np.float32)
    stops = 1 - solid.passes.mean(1)
    for clear in (True, False):
        ids = view.ids(size, solid.clear == clear)
        y, x = np.nonzero(ids != NONE)
        numbers = ids[y, x]
        share = near[solid.faces[numbers]].mean(1) * stops[solid.material[numbers]]
        out[y, x] = np.maximum(out[y, x], share)
    return out


def _enlarged(mask: Floats, fine: int) -> Floats:
    size = (mask.shape[1] * fine, mask.shape[0] * fine)
    return np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR))


def _reduced(samples: Floats, fine: int) -> Floats:
    """Return the means of the samples of each pixel."""
    size = (samples.shape[1] // fine, samples.shape[0] // fine)
    return np.asarray(cv2.resize(samples, size, interpolation=cv2.INTER_AREA), np.float32)
