"""Where nobody can say how far a person reaches: what is moved there is stretched, never torn.

A parsing that is sure of a person and of the room has an outline between the two about as wide as
one of its cells. Where it hesitates over more than that, as before a picture on the wall that looks
like hair, each edge of the room looks like the person's, and whatever is cut out along it leaves
shreds, other ones in every frame. There each pixel is moved by the share of its way that may be the
person's: a line may bend a little, but it stays a line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .backdrop import sampled

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
Pixels = tuple[NDArray[np.intp], ...]
"""Rows and columns of P pixels of a part."""

_UNDECIDED: Final = (0.1, 0.9)
"""Shares of a person between which a parsing hesitates."""
_WIDE: Final = (0.045, 0.07)
"""Half widths of where it hesitates [outer eye distances] up to which that is an outline, and from
which on it is none."""
_SOFT: Final = 0.025
"""Sigma of what is told of these places [outer eye distances]."""
_SOME: Final = 0.25
"""Share up to which nothing is moved, and from 1 less which on all is."""
_STILL_PX: Final = 0.05
"""Pixels that are moved by less are left to whoever asks."""
_LEAST: Final = 0.01
"""Share of a guess from which on it is worth a look."""


@dataclass(frozen=True, slots=True)
class Guessed:
    """Pixels of a part whose outline is guessed."""

    pixels: Pixels
    share: Floats
    """(P,) 0–1, how much of each is to be what `stretched` says."""
    stretched: Floats
    """(3, P) [-1, 1]."""


@dataclass(frozen=True, slots=True)
class Guesses:
    """Where the outline of one person is guessed, on cells."""

    share: Floats
    """(h, w) 0–1, how much of a guess it is."""
    person: Floats
    """(h, w) 0–1, how much of the way of the person is gone, without any edge."""

    @classmethod
    def of(cls, share: Floats, eyes: float) -> Guesses | None:
        """Return what is guessed of a person who has a share (h, w) of cells, and whose outer eye
        corners are some cells apart; None if nothing is."""
        low, high = _UNDECIDED
        between = ((share > low) & (share < high)).view(np.uint8)
        half = cv2.distanceTransform(between, cv2.DIST_L2, cv2.DIST_MASK_5) / np.float32(eyes)
        if half.max() <= _WIDE[0]:
            return None
        core = np.clip((half - _WIDE[0]) / (_WIDE[1] - _WIDE[0]), 0, 1)
        grown = _grown(core, (_WIDE[1] + _SOFT) * eyes)
        # The outlines beside it are as sure as ever.
        wide = _grown((core > 0).astype(np.float32), _WIDE[0] * eyes)
        grown *= 1 - _grown(between * (1 - wide), _SOFT * eyes)
        soft = max(_SOFT * eyes, 0.5)
        guessed, person = (cv2.GaussianBlur(values, (0, 0), soft) for values in (grown, share))
        moves = np.clip((person - _SOME) / (1 - 2 * _SOME), 0, 1)
        return cls(np.asarray(guessed, np.float32), np.asarray(moves, np.float32))

    def stretched(
        self,
        picture: Floats,
        edited: Floats,
        shifts: Floats,
        mask: Floats,
        window: tuple[slice, slice],
    ) -> Guessed:
        """Return what an edit of a part of a picture shows where the outline is guessed.

        Args:
            picture: (H, W, 3) [-1, 1], of whole numbers of cells.
            edited: (3, h, w) [-1, 1] the part, as the edit has it.
            shifts: (2, h, w) x, y [px] from every pixel to where it was moved from.
            mask: (h, w), above 0 where the edit counts.
            window: rows and columns of the picture.
        """
        size = picture.shape[1::-1]
        share, person = (cv2.resize(v, size)[window] for v in (self.share, self.person))
        far = np.abs(shifts).max(0)
        at = np.nonzero((share > _LEAST) & (mask > 0) & (far > _STILL_PX))
        part, (x, y) = person[at], (plane[at] for plane in shifts)
        rows, columns = (
            (cells + span.start).astype(np.float32) for cells, span in zip(at, window, strict=True)
        )
        change = np.stack([plane[at] for plane in edited], -1)
        change -= sampled(picture, columns + x, rows + y)
        out = sampled(picture, columns + part * x, rows + part * y) + part[:, None] * change
        return Guessed(at, share[at], np.asarray(np.clip(out, -1, 1).T, np.float32))


def _grown(values: Floats, reach: float) -> Floats:
    """Return the highest of values (h, w) within some cells of each."""
    side = 2 * max(round(reach), 1) + 1
    return np.asarray(cv2.dilate(values, np.ones((side, side), np.uint8)), np.float32)
