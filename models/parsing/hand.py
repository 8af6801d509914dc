"""A drawn hand before a face: bars for fingers, palm and arm, in the face's own skin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .layers import Floats, Layer, Rng, Solid, any_colour, clouds, grid_of

# Of an adult hand in palm widths (85 mm): where fingers begin over the palm, how long and thick
# they are (little finger first), the shares of their three bones.
_KNUCKLES: Final = ((-0.36, 0.92), (-0.13, 1.04), (0.12, 1.07), (0.36, 1.0))
_LENGTHS: Final = (0.72, 0.92, 1.0, 0.9)
_RADII: Final = (0.095, 0.11, 0.115, 0.115)
_BONES: Final = (0.46, 0.30, 0.24)
_Point = tuple[float, float] | NDArray[np.floating]
_At = Callable[[_Point], NDArray[np.float64]]
"""From hand units to cells."""
_PALM_OF_EYES: Final = 0.9
"""Palm width over the distance of the outer eye corners."""


def draw(
    side: int, eyes: float, place: NDArray[np.floating], skin: Floats, label: int, rng: Rng
) -> Layer:
    """Return a hand whose middle knuckle lies about `place` (2,) [cells].

    Args:
        eyes: distance of the outer eye corners [cells].
        skin: (3,) the face's colour, RGB levels.
        label: of the layer.
    """
    scale = eyes * _PALM_OF_EYES * rng.uniform(0.75, 1.35)
    turn = rng.uniform(-np.pi, np.pi) if rng.random() < 0.3 else rng.normal(0, 0.8)
    handed = 1.0 if rng.random() < 0.5 else -1.0
    cos, sin = np.cos(turn), np.sin(turn)
    # hand units, fingers towards +y; in the picture, fingers point up when turn is 0
    to_cells = scale * np.array([[cos * handed, sin], [sin * handed, -cos]])

    def at(point: _Point) -> NDArray[np.float64]:
        return np.asarray(place + to_cells @ (np.asarray(point) - (0.0, 1.0)), np.float64)

    solid = Solid.empty(side)
    _palm(solid, at, scale, rng)
    tips = _fingers(solid, at, scale, rng)
    share = solid.share()
    colour = _painted(solid, skin, tips, scale, rng)
    if rng.random() < 0.4:
        # a sleeve: what lies further down the arm than this
        spots = np.stack(grid_of(side), -1)
        down = -((spots - at((0.0, 0.0))) @ to_cells)[..., 1]
        covered = down > rng.uniform(0.2, 1.2) * scale**2
        cloth = any_colour(rng) * solid.shade(rng)[..., None]
        colour = np.where(covered[..., None], cloth, colour).astype(np.float32)
    return Layer(colour, share, label)


def _palm(solid: Solid, at: _At, scale: float, rng: Rng) -> None:
    wrist = rng.uniform(0.26, 0.34)
    for x, y in _KNUCKLES:
        solid.add(at((x * 0.62, 0.12)), at((x * 0.95, y * 0.93)), (0.2 * scale, 0.15 * scale))
    solid.add(at((0.0, 0.1)), at((0.0, 0.75)), (0.3 * scale, 0.33 * scale))
    bend = rng.normal(0, 0.5)
    elbow = (np.sin(bend) * 6, -np.cos(bend) * 6)
    solid.add(at((0.0, 0.05)), at(elbow), (wrist * scale, 0.6 * scale))


def _fingers(solid: Solid, at: _At, scale: float, rng: Rng) -> list[NDArray[np.float64]]:
    """Put fingers and thumb onto a palm; return their tips (2,) [cells]."""
    tips = []
    spread, curl = rng.uniform(-0.02, 0.22), rng.uniform(0, 1.0) ** 1.5
    alone = rng.random() < 0.25
    for number, ((x, y), length, radius) in enumerate(
        zip(_KNUCKLES, _LENGTHS, _RADII, strict=True)
    ):
        own = rng.uniform(0.7, 1.0) if alone and number != 3 else curl + rng.normal(0, 0.1)
        heading = (number - 1.6) * spread + rng.normal(0, 0.05)
        point, bent = np.array([x, y]), 0.0
        # one height for the whole finger: bones of different heights would look like a puppet's
        lift = scale * (0.08 + 0.1 * float(np.clip(own, 0, 1)) + rng.uniform(0, 0.01))
        for bone, part in enumerate(_BONES):
            bent += float(np.clip(own, 0, 1)) * (1.1, 1.3, 0.8)[bone]
            seen = length * part * np.cos(bent)
            ahead = point + seen * np.array([np.sin(heading), np.cos(heading)])
            thick = radius * scale * (1.0 - 0.06 * bone)
            solid.add(at(point), at(ahead), (thick, thick * 0.94), lift=lift)
            point, heading = ahead, heading + rng.normal(0, 0.04)
        tips.append(at(point))
    heading = rng.uniform(0.1, 1.1)
    point = np.array([0.34, 0.3])
    for bone, length in enumerate((0.42, 0.36, 0.3)):
        ahead = point + length * np.array([np.sin(heading), np.cos(heading)])
        thick = (0.16, 0.13, 0.115)[bone] * scale
        solid.add(at(point), at(ahead), (thick, thick * 0.92), lift=0.1 * scale)
        point, heading = ahead, heading - rng.uniform(-0.1, 0.35)
    tips.append(at(point))
    return tips


def _painted(
    solid: Solid, skin: Floats, tips: list[NDArray[np.float64]], scale: float, rng: Rng
) -> Floats:
    side = len(solid.height)
    tone = skin * rng.uniform(0.8, 1.2) + rng.normal(0, 5, 3).astype(np.float32)
    blotches = 1 + 0.05 * clouds(side, 7, rng) + 0.03 * clouds(side, side // 4, rng)
    colour = tone * (solid.shade(rng) * blotches)[..., None]
    if rng.random() < 0.5:
        y, x = np.mgrid[0:side, 0:side].astype(np.float32)
        nail = (
            (skin * 0.5 + np.array([255, 225, 215]) * 0.5)
            if rng.random() < 0.8
            else (any_colour(rng))
        )
        for tip in tips:
            near = ((x - tip[0]) ** 2 + (y - tip[1]) ** 2) < (0.075 * scale) ** 2
            colour[near] = colour[near] * 0.4 + nail * 0.6
    return np.asarray(colour.clip(0, 255), np.float32)
