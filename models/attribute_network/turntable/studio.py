"""The studio: seven cameras round a still head, twenty lights, and pictures of both.

Lights are fixed to the head (in MultiPIE cameras stand round a person who keeps still), so light is
computed once per vertex and flash, and a camera only gathers it. Light is added linear and encoded
as sRGB at the end; pictures are drawn at twice their size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...head.raster import Floats, rasterise
from ...head.shading import gloss, to_srgb
from .lighting import Light
from .surface import Surface, painted, sampled

SIDE: Final = 128
SMALL: Final = 32
YAWS: Final = (-45.0, -30.0, -15.0, 0.0, 15.0, 30.0, 45.0)
"""How far the face is turned to the picture's right [degrees]."""
EYES_Y, CHIN_Y = 0.42, 0.84
"""Where eyes and chin lie in a picture [heights]."""

_ASIDE: Final = 0.17
"""How far from the middle eyes and chin lie in a profile, so that the ear is seen [widths]."""
_OVER: Final = 2
"""Pixels drawn for each pixel of a picture, across and down."""
_GREY: Final = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Bust:
    """A head with its hair, in the head's axes."""

    head: Surface
    """All of the head, which casts shadows."""
    skin: Surface
    """What of it is ever seen."""
    hair: tuple[Surface, ...]
    """The back and the front, or nothing."""
    photograph: Floats
    """(512, 512, 3) linear."""
    matte: Floats
    """(512, 512) 0–1: how much hair is at a place of the photograph."""
    eyes: Floats
    """(2, 3) middles of the eyes, left in the picture first."""
    chin: Floats
    """(3,)"""
    covered: tuple[bool, bool]
    """Whether hair hangs over the ear on the left and on the right of the picture."""

    @property
    def surfaces(self) -> tuple[Surface, ...]:
        """What is seen, from the inside out."""
        return (self.skin, *self.hair)

    @property
    def casters(self) -> tuple[Surface, ...]:
        """What casts shadows."""
        return (self.head, *self.hair)


@dataclass(frozen=True, slots=True)
class Stance:
    """How a head stands before a camera, beyond the camera's own yaw."""

    yaw: float = 0.0
    """To the picture's right; pitch down; roll clockwise [degrees]."""
    pitch: float = 0.0
    roll: float = 0.0
    aside: tuple[float, float] = (0.0, 0.0)
    """How far off the picture is cut out [px of 128]."""
    size: float = 1.0
    """How much larger."""


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """Where points of the head lie in a picture: `scale · rotation · point + shift`."""

    rotation: Floats
    """(3, 3) from the head's axes to the camera's."""
    scale: float
    """[px of 128 per head unit]."""
    shift: Floats
    """(2,) [px of 128]."""

    @staticmethod
    def aimed(bust: Bust, stance: Stance, yaw: float) -> Camera:
        """Return the camera of a yaw [degrees], aligned by eyes and chin."""
        rotation = turned(stance, yaw)
        eyes, chin = bust.eyes.mean(0) @ rotation.T, bust.chin @ rotation.T
        scale = stance.size * (CHIN_Y - EYES_Y) * SIDE / float(chin[1] - eyes[1])
        middle = 0.5 * (eyes[:2] + chin[:2])
        across = 0.5 + _ASIDE * float(rotation[0, 2])
        wanted = np.array([across, 0.5 * (EYES_Y + CHIN_Y)]) * SIDE - 0.5 + stance.aside
        return Camera(rotation, scale, (wanted - scale * middle).astype(np.float32))

    def project(self, points: Floats) -> Floats:
        """Return points (N, 3) in the picture, depth included [px of 128]."""
        out = np.float32(self.scale) * points @ self.rotation.T
        out[:, :2] += self.shift
        return out.astype(np.float32)


def turned(stance: Stance, yaw: float) -> Floats:
    """Return the rotation (3, 3) from the head's axes to a camera's at some yaw [degrees]."""
    a, b, c = np.radians([yaw + stance.yaw, stance.pitch, stance.roll])
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_x @ about_y, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A surface as a camera sees it, before any light: N pixels of the drawn size."""

    surface: Surface
    pixels: NDArray[np.intp]
    """(N,) flat numbers."""
    depth: Floats
    """(N,)"""
    corners: NDArray[np.int32]
    """(N, 3) vertices around each pixel."""
    weights: Floats
    """(N, 3) of the vertices."""
    albedo: Floats
    """(N, 3) linear."""
    cover: Floats
    """(N,) 0–1: how much of the pixel it takes."""


def shoot(surface: Surface, bust: Bust, camera: Camera) -> Shot:
    """Return a surface as a camera sees it.

    Args:
        surface: of the bust, or worn by it.
        bust: whose photograph it is painted from.
        camera: that sees it.
    """
    size = SIDE * _OVER
    placed = camera.project(surface.vertices) * np.float32(_OVER)
    placed[:, :2] += np.float32((_OVER - 1) / 2)
    raster = rasterise(placed, surface.triangles, (size, size), backs=surface.thin)
    pixels = np.flatnonzero(raster.triangle.ravel() >= 0)
    corners = surface.triangles[raster.triangle.ravel()[pixels]]
    weights = raster.barycentric.reshape(-1, 3)[pixels]
    paint = _blend(surface.paint.packed(), corners, weights)
    cover = np.ones(len(pixels), np.float32)
    if surface.cover is not None:
        cover *= np.clip(_blend(surface.cover[:, None], corners, weights)[:, 0], 0, 1)
    if surface.matted:
        cover *= sampled(bust.matte, paint[:, 2:4])
    albedo = painted(paint, bust.photograph)
    depth = raster.depth.ravel()[pixels]
    return Shot(surface, pixels, depth, corners, weights, albedo, cover)


def _blend(values: Floats, corners: NDArray[np.int32], weights: Floats) -> Floats:
    """Return values of vertices (V, C) at pixels: (N, C)."""
    out = weights[:, 0, None] * values[corners[:, 0]]
    for corner in (1, 2):
        out += weights[:, corner, None] * values[corners[:, corner]]
    return out


def develop(
    shots: Sequence[Shot], lights: Sequence[Light], camera: Camera, backdrop: Floats
) -> NDArray[np.uint8]:
    """Return a picture under each of L lamps: (L, 128, 128, 3) uint8 sRGB.

    Args:
        shots: of one camera, clear ones last.
        lights: on each of their surfaces.
        camera: that made them.
        backdrop: (256, 256, 3) linear light behind all of them.
    """
    count = len(lights[0].lamps)
    picture = np.repeat(backdrop.reshape(-1, 1, 3), count, 1)
    nearest = np.full(len(picture), -np.inf, np.float32)
    for shot, light in zip(shots, lights, strict=True):
        seen = np.flatnonzero((shot.depth > nearest[shot.pixels]) & (shot.cover > 0))
        pixels, cover = shot.pixels[seen], shot.cover[seen]
        per_vertex = np.concatenate(
            [light.lit + light.ambient[:, None], _gleam(shot.surface, light, camera)], 1
        )
        both = _blend(per_vertex, shot.corners[seen], shot.weights[seen])
        colours = shot.albedo[seen, None] * both[:, :count, None] + both[:, count:, None]
        if shot.surface.clear:
            behind = picture[pixels]
            colours = behind + cover[:, None, None] * (colours - behind)
        picture[pixels] = colours
        solid = cover > 0.5
        nearest[pixels[solid]] = shot.depth[seen][solid]
    return _encoded(picture)


def _gleam(surface: Surface, light: Light, camera: Camera) -> Floats:
    """Return the mirror part of each lamp at each vertex: (V, L)."""
    eye = camera.rotation[2]
    spots = [
        gloss(surface.normals, lamp[:3], eye, power=surface.polish) * lamp[3]
        for lamp in light.lamps
    ]
    return np.stack(spots, 1) * light.shade * surface.gloss[:, None]


def _encoded(picture: Floats) -> NDArray[np.uint8]:
    """Return drawn light (256 · 256, L, 3) as pictures (L, 128, 128, 3)."""
    cells = picture.reshape(SIDE, _OVER, SIDE, _OVER, -1, 3)
    small = cells[:, 0, :, 0] + cells[:, 0, :, 1] + cells[:, 1, :, 0] + cells[:, 1, :, 1]
    levels = np.rint(to_srgb(small / _OVER**2) * 255).astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(2, 0, 1, 3))


def small_grey(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return pictures (…, 128, 128, 3) as grey ones of the paper's size (…, 32, 32)."""
    step = SIDE // SMALL
    grey = pictures.astype(np.float32) @ _GREY
    mean = grey.reshape(*grey.shape[:-2], SMALL, step, SMALL, step).mean((-3, -1))
    return np.asarray(np.rint(mean), np.uint8)
