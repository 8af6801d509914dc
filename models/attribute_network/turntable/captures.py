"""All pictures of one sitter: seven yaws under twenty lights, and what can be worn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ...head.basis import Head
from ...head.raster import Floats
from .anatomy import Anatomy
from .bust import make_bust, resting
from .lighting import FLASH, lamp, lamps, light
from .sitters import Sitter
from .studio import SIDE, YAWS, Bust, Camera, Stance, develop, shoot
from .worn import STATES, dress, light_on

_YAW_SD, _PITCH_SD, _ROLL_SD = 2.5, 3.0, 1.5
"""How people sit, differently from each other [degrees]."""
_ASIDE_SD, _SIZE_SD = 0.6, 0.010
"""How exactly eyes and chin are annotated: [px of 128], and of the size."""
_CAPTURE_YAW: Final = 14.0
"""How far faces that wear something are turned, one way or the other [degrees]."""
_GREY: Final = 0.20
"""Backdrop, linear."""
_UNEVEN, _GRAIN = 0.06, 0.02
"""Of the backdrop: slow changes, and those from pixel to pixel."""


@dataclass(frozen=True, slots=True, eq=False)
class Captures:
    """What is kept of a sitter."""

    views: NDArray[np.uint8]
    """(7 yaws, 20 lights, 128, 128, 3) sRGB."""
    wearing: NDArray[np.uint8]
    """(7 states, K captures, 128, 128, 3) sRGB."""
    eyes: Floats
    """(7, 2, 2) middles of both eyes in each view, x and y [px of 128]."""


def capture(sitter: Sitter, head: Head, anatomy: Anatomy, *, seed: int, captures: int) -> Captures:
    """Return all pictures of a sitter; the same ones for the same seed.

    Args:
        sitter: who.
        head: the whole ICT head.
        anatomy: of it.
        seed: of the turntable.
        captures: how often each thing is worn.
    """
    random = np.random.default_rng([seed, sitter.number])
    bust = make_bust(sitter, head, anatomy)
    views, eyes = _round(bust, _stance(random), random)
    rest = resting(sitter, head)
    wearing = _wearing(bust, rest, anatomy, random, captures)
    return Captures(views, wearing, eyes)


def _stance(random: np.random.Generator) -> Stance:
    yaw, pitch, roll = np.clip(random.normal(0, 1, 3), -2, 2)
    return Stance(yaw * _YAW_SD, pitch * _PITCH_SD, roll * _ROLL_SD)


def _annotated(stance: Stance, random: np.random.Generator) -> Stance:
    x, y, size = np.clip(random.normal(0, 1, 3), -2, 2)
    return Stance(
        stance.yaw, stance.pitch, stance.roll,
        (float(x) * _ASIDE_SD, float(y) * _ASIDE_SD), 1 + float(size) * _SIZE_SD,
    )  # fmt: skip


def _round(
    bust: Bust, stance: Stance, random: np.random.Generator
) -> tuple[NDArray[np.uint8], Floats]:
    """Return the views from all sides, and where the eyes are in them."""
    lights = light(bust.surfaces, bust.casters, lamps(), bust.matte)
    views, eyes = [], []
    for yaw in YAWS:
        camera = Camera.aimed(bust, _annotated(stance, random), yaw)
        shots = [shoot(surface, bust, camera) for surface in bust.surfaces]
        views.append(develop(shots, lights, camera, backdrop(random)))
        eyes.append(camera.project(bust.eyes)[:, :2])
    return np.stack(views), np.stack(eyes)


def _wearing(
    bust: Bust, rest: Floats, anatomy: Anatomy, random: np.random.Generator, captures: int
) -> NDArray[np.uint8]:
    """Return what a bust looks like with things on: the states of one capture differ in nothing
    but what is worn."""
    out = np.zeros((len(STATES), captures, SIDE, SIDE, 3), np.uint8)
    outfits = [dress(bust, rest, anatomy, state) for state in STATES]
    for k in range(captures):
        key = lamp(random.uniform(-45, 45), random.uniform(5, 50), FLASH)
        base = light(bust.surfaces, bust.casters, key[None], bust.matte)
        stance = _annotated(_stance(random), random)
        camera = Camera.aimed(bust, stance, random.uniform(-_CAPTURE_YAW, _CAPTURE_YAW))
        behind = backdrop(random)
        skin, *hair = (shoot(surface, bust, camera) for surface in bust.surfaces)
        for number, outfit in enumerate(outfits):
            if outfit.hair is not bust.hair:
                own = [shoot(surface, bust, camera) for surface in outfit.hair]
            else:
                own = hair
            things = [shoot(surface, bust, camera) for surface in outfit.things]
            lights = light_on(bust, outfit.things, key, base)
            out[number, k] = develop([skin, *own, *things], lights, camera, behind)[0]
    return out


def backdrop(random: np.random.Generator) -> Floats:
    """Return a grey wall, a little uneven: (256, 256, 3) linear light."""
    side = 2 * SIDE
    slow = cv2.resize(
        random.normal(0, 1, (4, 4)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC
    )
    wall = _GREY * (1 + _UNEVEN * slow + _GRAIN * random.normal(0, 1, (side, side)))
    return np.repeat(np.clip(wall, 0.02, 1)[..., None], 3, 2).astype(np.float32)
