"""The black bar over the eyes that the task *complete* takes away (section 4.3 of the paper)."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from .views import COLOUR_SIDE

Floats = NDArray[np.float32]
_HALF_HEIGHT: Final = 0.27
"""Of the bar, in distances between the eyes seen from the front."""
_BEYOND: Final = 0.5
"""How far it reaches past each eye, likewise."""
_VARIED: Final = 0.3
"""Bars in training are up to this share larger or smaller."""


def bars(
    eyes: Floats, yaws: NDArray[np.int64], side: int, varied: torch.Generator | None
) -> Floats:
    """Return how much of each pixel (N, side, side) a bar covers, 0 to 1.

    It lies along the line through the eyes, as high on a turned face as on one seen from the front.

    Args:
        eyes: (N, 7, 2, 2) places of both eyes in every view, x and y [px of 128²].
        yaws: (N,) which view is meant.
        side: of the pictures [px]; covers 128² pixels averaged down.
        varied: draws sizes; None: all as large as they are.
    """
    front = eyes[:, eyes.shape[1] // 2]
    frontal = np.linalg.norm(front[:, 1] - front[:, 0], axis=-1)
    size = np.ones((len(eyes), 2))
    if varied is not None:
        size += (torch.rand(len(eyes), 2, generator=varied).numpy() * 2 - 1) * _VARIED
    seen = eyes[np.arange(len(eyes)), yaws]
    middle, across = seen.mean(1), seen[:, 1] - seen[:, 0]
    apart = np.linalg.norm(across, axis=-1)
    along = across / np.maximum(apart, 1e-6)[:, None]
    half = np.stack([apart / 2 + _BEYOND * frontal, _HALF_HEIGHT * frontal], 1) * size
    ticks = np.arange(COLOUR_SIDE, dtype=np.float32)
    from_middle = np.stack(np.meshgrid(ticks, ticks), -1)[None] - middle[:, None, None]
    x = np.einsum("nyxc,nc->nyx", from_middle, along)
    y = np.einsum("nyxc,nc->nyx", from_middle, np.stack([-along[:, 1], along[:, 0]], 1))
    # Half a pixel of ramp: edges are smooth, as those of a drawn and averaged bar.
    inside = np.clip(half[:, 0, None, None] - abs(x) + 0.5, 0, 1) * np.clip(
        half[:, 1, None, None] - abs(y) + 0.5, 0, 1
    )
    cells = COLOUR_SIDE // side
    covered = inside.reshape(len(eyes), side, cells, side, cells).mean((2, 4))
    return np.asarray(covered, np.float32)
