"""Codes and pictures that a user gives: drawn into crops, carried into frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..editors import FACE, Attribute, Codes, Editor
from ..editors.latent import SPEC as LATENT
from ..errors import UsageError
from ..imaging.color import add_rgb_difference
from ..pictures import rgb_of
from ..request import Edit
from ..session import Session
from ..types import AlignedBatch, EditedBatch, Frame

if TYPE_CHECKING:
    from torch import Tensor

    from ..imaging.parsing import Region


class GivenCodes(Editor):
    """Draws what lies between codes that are given."""

    spec = LATENT

    def __init__(
        self, session: Session, before: Codes, after: Codes, attributes: Sequence[Attribute]
    ) -> None:
        self._model = session.pack.model
        self._before, self._after = before, after
        self._regions: frozenset[Region] = FACE.union(*(a.regions for a in attributes))

    def apply(self, batch: AlignedBatch, edit: Edit, amount: Tensor, prepared: Any) -> EditedBatch:
        """Return the crop (N = 1) with the change."""
        del edit, amount, prepared
        return self._model.render(batch, self._before, self._after, self._regions)


def repainted(frame: Frame, picture: NDArray[np.uint8]) -> Frame:
    """Return a frame with another picture; where it is the same, samples stay as they are."""
    own = rgb_of(frame)
    if picture.shape != own.shape or picture.dtype != np.uint8:
        raise UsageError(
            f"frame {frame.index} takes a picture {own.shape} uint8, got {picture.shape} "
            f"{picture.dtype}"
        )
    difference = (picture.astype(np.float32) - own) / np.float32(255)
    box = (0, 0, frame.width, frame.height)
    return add_rgb_difference(frame, box, difference, (picture != own).any(2))
