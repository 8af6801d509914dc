"""A label map in the making: labels, and how far each is trusted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .faces import Stroke
from .net import LABELS
from .regions import Floats, Mask, grown, outline, stroke

_LETTERS: Final = dict(zip("bshrigolmenc", LABELS, strict=False))
"""How strokes name the labels that they cover."""


def label_of(name: str) -> int:
    """Return the number of a label.

    Raises:
        ValueError: there is none of that name.
    """
    return LABELS.index(name)


@dataclass(frozen=True)
class Draft:
    """Both arrays are changed in place."""

    labels: NDArray[np.uint8]
    """(side, side), in the order of `LABELS`."""
    weights: Floats
    """(side, side) 0-1."""

    @classmethod
    def of_parts(cls, labels: NDArray[np.uint8]) -> Draft:
        """Return a draft that trusts labels (side, side) everywhere."""
        return cls(labels, np.ones(labels.shape, np.float32))

    def shows(self, *names: str) -> Mask:
        """Return where any of some labels lies (side, side)."""
        return np.isin(self.labels, [label_of(name) for name in names])

    def put(self, name: str, area: Mask, *, weight: float | None = None) -> None:
        """Set the label of an area, and how far to trust it; None leaves that as it was."""
        self.labels[area] = label_of(name)
        if weight is not None:
            self.weights[area] = weight

    def doubt(self, area: Mask) -> None:
        """Trust nothing of an area."""
        self.weights[area] = 0

    def correct(self, strokes: Iterable[Stroke], *, exact: bool) -> None:
        """Draw strokes over it, in their order.

        `exact`: their edges were checked, too; otherwise nothing is trusted within a pixel of them.
        """
        side = len(self.labels)
        for drawn in strokes:
            corners = drawn.corners * side
            if drawn.width:
                area = stroke(corners, drawn.width * side, side)
            else:
                area = outline(corners, side)
            if drawn.over:
                area &= self.shows(*(_LETTERS[letter] for letter in drawn.over))
            if drawn.label == "?":
                self.doubt(area)
                continue
            self.put(drawn.label, area, weight=1)
            if exact:
                continue
            if drawn.label == "clothes" and not drawn.over:
                # a hat: what is left beside its outline is most likely its rim
                self.doubt(grown(area, 5) & self.shows("hair"))
            # a line is its own edge
            self.doubt(grown(area, 1) & ~(area if drawn.width else grown(area, -1)))
