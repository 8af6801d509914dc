"""Mattes: which parts of a frame keep the plate, as the user says and not as the program finds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .types import Box

Matte = NDArray[np.float32]
"""(H, W) float32 0–1, as large as the upright frame."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Mattes:
    """The mattes of one frame."""

    held: Matte | None = None
    """1 where the plate is kept, as if something lay in front of the faces; None: nowhere."""
    only: Matte | None = None
    """1 where alone the plate may be changed; None: everywhere."""

    def applied(self, mask: NDArray[np.float32], box: Box) -> NDArray[np.float32]:
        """Return a mask (h, w) 0–1 of a box of the frame with what the mattes leave of it."""
        x0, y0, x1, y1 = box
        at = (slice(y0, y1), slice(x0, x1))
        if self.held is not None:  # it was taken off the crops: this is for those not on the pixels
            mask = np.minimum(mask, 1 - self.held[at])
        return mask if self.only is None else mask * self.only[at]
