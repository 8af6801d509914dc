"""The studio: seven cameras round a still head, nineteen flashes, and pictures of both.

Lights are fixed to the head (in MultiPIE cameras stand round a person who keeps still), so light is
computed once per vertex and flash, and a camera only gathers it. Light is added linear and encoded
as sRGB at the end; pictures are drawn at twice their size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..head.raster import Floats, Ints, Raster, rasterise
from ..head.shading import gloss, lambert, lit_share, to_srgb
from .surface import Surface, painted, sampled, seen_values

SIDE: Final = 128
SMALL: Final = 32
YAWS: Final = (-45.0, -30.0, -15.0, 0.0, 15.0, 30.0, 45.0)
"""How far the face is turned to the picture's right [degrees]."""
AMBIENT: Final = 0.30
"""Light that is always there, against a flash of strength 1."""
EYES_Y, CHIN_Y = 0.42, 0.84
"""Where eyes and chin lie in a picture [heights]."""

_ASIDE: Final = 0.17
"""How far from the middle eyes and chin lie in a profile, so that the ear is seen [widths]."""
_FLASH: Final = 0.80
_WRAP: Final = 0.10
_OVER: Final = 2
"""Pixels drawn for each pixel of a picture, across and down."""
_GREY: Final = np.array([0.299, 0.587, 0.114], np.float32)
_RING: Final = tuple((azimuth, 2.0) for azimuth in range(-90, 91, 15))
_ABOVE: Final = ((-60, 40.0), (-22, 42.0), (22, 42.0), (60, 40.0), (0, 68.0), (0, -38.0))


def lamps() -> Floats:
    """Return the 20 lights (20, 4): unit direction to the lamp in the head's axes (x right, y down,
    z ahead) and strength of the flash; the first is ambient light alone."""
    rows = [(0.0, 0.0, 1.0, 0.0)]
    for azimuth, elevation in (*_RING, *_ABOVE):
        a, e = np.radians(azimuth), np.radians(elevation)
        rows.append((np.sin(a) * np.cos(e), -np.sin(e), np.cos(a) * np.cos(e), _FLASH))
    return np.array(rows, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Bust:
    """A head with all it wears, in the head's axes."""

    surfaces: tuple[Surface, ...]
    """Opaque ones first, then clear ones."""
    photograph: Floats
    """(512, 512, 3) linear."""
    matte: Floats
    """(512, 512) 0–1: how much hair is at a place of the photograph."""
    eyes: Floats
    """(2, 3) middles of the eyes, left in the picture first."""
    chin: Floats
    """(3,)"""


@dataclass(frozen=True, slots=True)
class Stance:
    """How a head stands before a camera, beyond the camera's own yaw."""

    yaw: float = 0.0
    """[degrees], to the picture's right; so on"""
    pitch: float = 0.0
    roll: float = 0.0
    aside: tuple[float, float] = (0.0, 0.0)
    """How far off the picture is cut out [px of 128]."""
    size: float = 1.0
    """How much larger."""


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """What falls on each vertex of each surface of a bust."""

    lit: tuple[Floats, ...]
    """Per surface (V, L): of each lamp, matt."""
    shade: tuple[Floats, ...]
    """Per surface (V, L): share of the lamp that is seen."""
    open: tuple[Floats, ...]
    """Per surface (V,): share of the ambient light that is seen."""
    lamps: Floats
    """(L, 4)"""


def light(bust: Bust, lights: Floats) -> Light:
    """Return the light on a bust, shadows included.

    Args:
        bust: as it sits.
        lights: (L, 4) directions and strengths in the head's axes.
    """
    casters = np.cumsum([0, *(len(s.vertices) for s in bust.surfaces)])
    vertices = np.concatenate([s.vertices for s in bust.surfaces])
    normals = np.concatenate([s.normals for s in bust.surfaces])
    triangles = np.concatenate(
        [_casting(s, bust.matte) + start for s, start in zip(bust.surfaces, casters[:-1], strict=True)]
    ).astype(np.int32)
    shade = np.zeros((len(vertices), len(lights)), np.float32)
    lit = np.zeros_like(shade)
    for k, lamp in enumerate(lights):
        if lamp[3] > 0:
            shade[:, k] = lit_share(vertices, triangles, normals, lamp[:3])
            lit[:, k] = lamp[3] * lambert(normals, lamp[:3], wrap=_WRAP) * shade[:, k]
    # How open a place is to light from all sides: what the lamps see of it, by their cosine.
    facing = np.clip(normals @ lights[:, :3].T, 0, 1) * (lights[:, 3] > 0)
    openness = (facing * shade).sum(1) / np.maximum(facing.sum(1), 0.3)
    upward = 0.9 - 0.12 * normals[:, 1]
    ambient = AMBIENT * upward * (0.55 + 0.45 * openness)
    cuts = casters[1:-1]
    return Light(
        tuple(np.split(lit, cuts)), tuple(np.split(shade, cuts)),
        tuple(np.split(ambient.astype(np.float32), cuts)), lights,
    )  # fmt: skip


def _casting(surface: Surface, matte: Floats) -> Ints:
    """Return the triangles that cast a shadow: those that are there."""
    there = np.ones(len(surface.vertices), bool)
    if surface.matted:
        there &= sampled(matte, surface.paint.places[:, 1]) > 0.5
    if surface.cover is not None:
        there &= surface.cover > 0.5
    return surface.triangles[there[surface.triangles].all(1)]


def turned(stance: Stance, yaw: float) -> Floats:
    """Return the rotation (3, 3) from the head's axes to the camera's."""
    a, b, c = np.radians([yaw + stance.yaw, stance.pitch, stance.roll])
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return (about_z @ about_x @ about_y).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """Where points of the head lie in a picture: `scale · rotation · point + shift`."""

    rotation: Floats
    scale: float
    """[px of 128 per head unit]."""
    shift: Floats
    """(2,) [px of 128]."""

    @staticmethod
    def aimed(bust: Bust, stance: Stance, yaw: float) -> Camera:
        """Return the camera of a yaw, aligned by eyes and chin."""
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


def view(bust: Bust, light: Light, camera: Camera, backdrop: Floats) -> NDArray[np.uint8]:
    """Return the bust under each of L lamps: (L, 128, 128, 3) uint8 sRGB.

    Args:
        bust: what is seen.
        light: on it.
        camera: that sees it.
        backdrop: (256, 256, 3) linear light behind it.
    """
    size = SIDE * _OVER
    lamps_count = len(light.lamps)
    eye = camera.rotation[2]
    picture = np.repeat(backdrop.reshape(1, -1, 3), lamps_count, 0)
    depth = np.full(size * size, -np.inf, np.float32)
    for k, surface in enumerate(bust.surfaces):
        placed = camera.project(surface.vertices) * np.float32(_OVER)
        placed[:, :2] += np.float32((_OVER - 1) / 2)
        raster = rasterise(placed, surface.triangles, (size, size), backs=surface.matted)
        flat = raster.depth.ravel()
        pixels = np.flatnonzero(flat > depth)
        if not len(pixels):
            continue
        blended = seen_values(raster, surface.triangles, surface.paint.packed(), pixels)
        albedo = painted(blended, bust.photograph)
        cover = _cover(surface, raster, blended, pixels, bust.matte)
        shine = np.stack([gloss(surface.normals, lamp[:3], eye) * lamp[3] for lamp in light.lamps], 1)
        both = np.concatenate(
            [light.lit[k] + light.open[k][:, None], shine * light.shade[k] * surface.gloss[:, None]], 1
        )
        seen = seen_values(raster, surface.triangles, both, pixels)
        for lamp in range(lamps_count):
            colours = albedo * seen[:, lamp, None] + seen[:, lamps_count + lamp, None]
            picture[lamp, pixels] += cover[:, None] * (colours - picture[lamp, pixels])
        solid = pixels[cover > 0.5]
        depth[solid] = flat[solid]
    small = picture.reshape(lamps_count, SIDE, _OVER, SIDE, _OVER, 3).mean((2, 4))
    return np.rint(to_srgb(small) * 255).astype(np.uint8)


def _cover(
    surface: Surface, raster: Raster, blended: Floats, pixels: NDArray[np.intp], matte: Floats
) -> Floats:
    """Return how much of each of some pixels (N,) a surface takes."""
    cover = np.ones(len(pixels), np.float32)
    if surface.cover is not None:
        share = seen_values(raster, surface.triangles, surface.cover[:, None], pixels)[:, 0]
        cover *= np.clip(share, 0, 1)
    if surface.matted:
        cover *= sampled(matte, blended[:, 2:4])
    return cover


def small_grey(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return pictures (…, 128, 128, 3) as grey ones of the paper's size (…, 32, 32)."""
    step = SIDE // SMALL
    grey = pictures.astype(np.float32) @ _GREY
    lead = grey.shape[:-2]
    mean = grey.reshape(*lead, SMALL, step, SMALL, step).mean((-3, -1))
    return np.rint(mean).astype(np.uint8)
