"""Light that is added to a face, or taken from it, as a picture of log ratios.

Light adds up: under one more lamp a place is (E + F) / E times as bright, with E the light that
falls on it already and F what the lamp adds: by how far the place faces the lamp, and how much of
the lamp it sees past nose, brow and chin. What a skin is like (its pores, its colour, the grain of
the film) is a factor of both and stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .relief import Relief

Floats = NDArray[np.float32]
Vector = NDArray[np.float64]

GAMMA: Final = 2.2
"""Light on a screen is about this power of the numbers of a picture (ITU-R BT.1886: 2.4, sRGB:
2.2), so a factor of light is a factor of the numbers, its root."""
_AZIMUTHS: Final = (-1.0, 0.0, 1.0)
"""Where on a lamp its shadows are taken from, in its radii."""
_STEPS: Final = (0.05, 0.09, 0.14, 0.2, 0.27, 0.35, 0.44, 0.55, 0.7, 0.9, 1.15, 1.5)
"""How far from a place is looked for what keeps the lamp from it [outer eye distances]."""


@dataclass(frozen=True, slots=True)
class Lamp:
    """A large lamp, far away."""

    towards: Vector
    """(3,) unit vector to it: x right, y down, z towards the camera."""
    radius: float
    """Half its angle [rad]: how soft its light is."""


def lamp_at(side_deg: float, up_deg: float, radius_deg: float) -> Lamp:
    """Return the lamp so far to the picture's right of the camera, and above it."""
    side, up = np.radians([side_deg, up_deg])
    towards = np.array([np.sin(side) * np.cos(up), -np.sin(up), np.cos(side) * np.cos(up)])
    return Lamp(towards, float(np.radians(radius_deg)))


def flux(relief: Relief, lamp: Lamp, eyes: float, *, shadows: bool = True) -> Floats:
    """Return how much light of a lamp falls on a relief, (h, w), 1 where it is faced fully.

    `eyes`: outer eye distance [cells]; `shadows`: whether parts of the head keep it from others.
    """
    facing = np.einsum("c,chw->hw", lamp.towards.astype(np.float32), relief.normals)
    soft = np.float32(np.sin(lamp.radius))
    # The mean of a ramp over the lamp's width.
    risen = np.clip(facing + soft, 0, 2 * soft)
    light = np.where(facing > soft, facing, risen * risen / (4 * soft))
    return np.asarray(light * seen_of(relief, lamp, eyes) if shadows else light, np.float32)


def seen_of(relief: Relief, lamp: Lamp, eyes: float) -> Floats:
    """Return the share of a lamp that each place of a relief sees, (h, w) 0–1."""
    shares = []
    for turn in _AZIMUTHS:
        towards = _turned(lamp, turn)
        flat = float(np.hypot(*towards[:2]))
        horizon = _horizon(relief.depth, towards[:2] / max(flat, 1e-6), eyes)
        height = np.arctan2(towards[2], flat)
        above = (height - np.arctan(horizon)) / (2 * lamp.radius) + 0.5
        t = np.clip(above, 0, 1)
        shares.append(t * t * (3 - 2 * t))
    return np.asarray(sum(shares) / len(shares), np.float32)


def _turned(lamp: Lamp, turn: float) -> Vector:
    """Return the direction to the edge of a lamp, so many radii along the picture's plane."""
    x, y, z = lamp.towards
    angle = 0.7 * turn * lamp.radius / max(np.hypot(x, y), 0.3)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([cos * x - sin * y, sin * x + cos * y, z])


def _horizon(depth: Floats, along: Vector, eyes: float) -> Floats:
    """Return the steepest slope (h, w) up from each place along a direction (2,) of the picture."""
    height, width = depth.shape
    steepest = np.full(depth.shape, -10.0, np.float32)
    for step in _STEPS:
        reach = step * eyes
        moved = np.array([[1, 0, reach * along[0]], [0, 1, reach * along[1]]])
        there = cv2.warpAffine(
            depth,
            moved,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        np.maximum(steepest, (there - depth) / np.float32(reach), out=steepest)
    return steepest


def brightness(normals: Floats, towards: Vector) -> Floats:
    """Return the light (h, w) that falls on places of some normals (3, h, w), as it was found
    (`found_light`), 1 on the whole."""
    return np.asarray(np.exp(np.einsum("c,chw->hw", towards.astype(np.float32), normals)))


def found_light(normals: Floats, logs: Floats) -> Vector:
    """Return (3,) how the logarithm of light grows with normals (P, 3), where a face shows log
    luma (P,): by ridge regression that spots and gloss pull at little (Huber, 1964)."""
    design = np.column_stack([normals, np.ones(len(normals))]).astype(np.float64)
    ridge = np.diag([1.0, 1.0, 1.0, 0.0]) * 0.02 * len(design)
    weights: Vector = np.ones(len(design))
    found: Vector = np.zeros(4)
    for _ in range(5):
        weighted = design * weights[:, None]
        found[:] = np.linalg.solve(
            design.T @ weighted + ridge + 1e-9 * np.eye(4), weighted.T @ logs
        )
        away = np.abs(logs - design @ found)
        weights[:] = 1 / np.maximum(away / max(1.5 * float(np.median(away)), 1e-3), 1)
    return np.asarray(found[:3])
