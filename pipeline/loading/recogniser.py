"""What tells whether an edited face is still the same person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .seam import models, weights_errors

if TYPE_CHECKING:
    from torch import Tensor


class FaceRecogniser:
    """A recogniser of faces on the CPU, looking at pictures as FFHQ cuts them out."""

    def __init__(self, recogniser: models.recognition.Recogniser) -> None:
        self._recogniser = recogniser
        self.name = recogniser.name
        self.other_person = recogniser.other_person
        """Distance from which two pictures count as two people, if that is known."""

    def distances(self, a: Tensor, b: Tensor) -> Tensor:
        """Return how far apart (N,) faces (N, 3, S, S) in [-1, 1] are; 0: the same picture."""
        return self._recogniser.distances(a, b)


def load_recogniser() -> FaceRecogniser | None:
    """Return a recogniser, or None where the extra `identity` is not installed.

    Raises:
        WeightsError: the file that the extra brought is damaged.
    """
    with weights_errors():
        if models.recognition.packaged_file() is None:
            return None
        return FaceRecogniser(models.recognition.open_recogniser())
