"""Where faces are in their crops, computed once for all callers that ask for the same faces in a
row."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from .recent import Recent
from .shape import ShapeFit, ShapeModel

_KEPT: Final = 64
"""Faces remembered: those of one batch, which is encoded, rendered and searched for what hides."""

Placed = tuple[ShapeFit, Tensor]


class Placing:
    """Fits a shape to landmarks, and remembers the last fits where no gradient is wanted."""

    def __init__(self) -> None:
        """Begin with nothing remembered."""
        self._known: Recent[Placed] = Recent(_KEPT)

    def __call__(self, shape: ShapeModel, landmarks: Tensor) -> Placed:
        """Return pose and shape of N faces, and all their vertices (N, V, 2) px.

        Args:
            shape: the model to fit, always the same one.
            landmarks: (N, 68, 2) float, crop pixels.

        On a CPU every face is fitted by itself, so that not even a rounding depends on the other
        faces of the batch.
        """
        if torch.is_grad_enabled():
            return _placed(shape, landmarks)
        if landmarks.device.type != "cpu" or len(landmarks) == 1:
            return self._remembered(shape, landmarks)
        rows = [self._remembered(shape, row[None]) for row in landmarks]
        fits, vertices = zip(*rows, strict=True)
        return ShapeFit(*(torch.cat(parts) for parts in zip(*fits, strict=True))), torch.cat(
            vertices
        )

    def _remembered(self, shape: ShapeModel, landmarks: Tensor) -> Placed:
        key = (landmarks.device, landmarks.cpu().numpy().tobytes())
        return self._known.get(key, lambda: _placed(shape, landmarks))


def _placed(shape: ShapeModel, landmarks: Tensor) -> Placed:
    fit = shape.fit(landmarks)
    return fit, shape.project(fit, landmarks)
