"""A head turned about its neck: where each place of the picture was before.

The skull turns as a whole about the axis of the neck, the neck below it less and less, down to the
shoulders, which stay. Both the head as it is and the turned one are drawn into z-buffers; a place
that the turned head shows came from where the same spot of the skin was, unless that was hidden
behind another part of the head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .raster import rasterise

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

_JAW_Y, _JAW_Z, _JAW_SLOPE = 1.23, 1.1, 0.47
"""The lower edge of the skull from chin to nape: its height at the chin, how far forward that lies,
and how it rises towards the back [head units]."""
_NECK: Final = 0.45
"""Length of the neck below it, over which the turn fades [head units]."""
_LENSES_BEND, _LENSES_X = 0.25, 0.75
"""How lenses bend backwards, and how far to the side they reach [head units]."""
_HIDDEN: Final = 0.06
"""How far behind what is seen a spot may lie and still count as seen [head units]."""


@dataclass(frozen=True, slots=True)
class Turned:
    """What a turned head shows on a grid of places."""

    pull: Floats
    """(h, w, 2) x, y [px] from each place to where what it shows was before."""
    depth: Floats
    """(h, w) how far forward of the neck's axis it lies [head units]."""
    share: Floats
    """(h, w) 0–1 how much of the turn it takes: less on the neck, 0 beside the head."""
    known: Flags
    """(h, w) where the turned head shows something that was seen before."""
    head: Flags
    """(h, w) where the turned head is."""
    scale: float
    """Of the head [px per head unit]."""


def turning_share(shape: Floats) -> Floats:
    """Return how much of a turn vertices (V, 3) [head units] of a head take, (V,) 0–1."""
    below = shape[:, 1] - _JAW_Y - _JAW_SLOPE * (shape[:, 2] - _JAW_Z)
    t = np.clip(1 - below / _NECK, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def behind_glasses(shape: Floats, corners: float) -> Floats:
    """Return vertices (V, 3) [head units], the temples behind glasses as far forward as the eyes.

    A slightly bent plane through the outer corners of the eyes, at a depth `corners`: lenses are
    flat where the skin behind them bends away. What lies before it stays: eyes keep their depth.
    """
    across, down = np.abs(shape[:, 0]), shape[:, 1]
    plane = corners - _LENSES_BEND * (across**2 - 0.25)
    lens = np.clip((_LENSES_X - across) / 0.15, 0, 1) * np.clip((0.4 - np.abs(down)) / 0.12, 0, 1)
    lens = lens * lens * (3 - 2 * lens) * (shape[:, 2] > 0.3)
    out = shape.copy()
    out[:, 2] += lens * np.maximum(plane - shape[:, 2], 0)
    return out


def turned(shape: Floats, degrees: float) -> Floats:
    """Return vertices (V, 3) [head units] after a turn [°] about the neck; above 0 the nose goes to
    the picture's right."""
    angle = np.radians(degrees) * turning_share(shape)
    cos, sin = np.cos(angle), np.sin(angle)
    x, z = shape[:, 0], shape[:, 2]
    return np.stack([cos * x + sin * z, shape[:, 1], cos * z - sin * x], 1).astype(np.float32)


def turn_pull(
    before: Floats,
    after: Floats,
    share: Floats,
    faces: NDArray[np.int32],
    scale: float,
    cell: int,
    count: int,
) -> Turned:
    """Return where what a head shows after a turn was before, on every `cell`-th pixel.

    Args:
        before, after: (V, 3) vertices [px], x right, y down, z towards the camera.
        share: (V,) how much of the turn they take.
        faces: (F, 3).
        scale: of the head [px per head unit].
        cell: step of the grid [px]; its first place is pixel 0.
        count: places along each side.
    """
    was, shown = (rasterise(v / np.float32(cell), faces, (count, count)) for v in (before, after))
    head = shown.triangle >= 0
    values = np.column_stack([before - after, before[:, 2], after[:, 2] / scale, share])
    seen = shown.blend(faces, values.astype(np.float32))
    line = np.arange(count, dtype=np.float32) * cell
    at = np.stack([line[None] + seen[..., 0], line[:, None] + seen[..., 1]], -1) / cell
    column, row = (np.clip(np.rint(at[..., k]), 0, count - 1).astype(int) for k in (0, 1))
    nearest = cell * was.depth[row, column]
    is_seen = seen[..., 3] > nearest - _HIDDEN * scale
    return Turned(seen[..., :2], seen[..., 4], seen[..., 5], head & is_seen, head, scale)
