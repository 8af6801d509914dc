"""Direction files: ready ones of others (`.npy`, `.pt`), and ours, which name their generator.

A ready file says nothing of the generator it was made for; with another one it gives nonsense
without any error. So it is bound to a generator's id once, when it is brought in, and refused for
any other from then on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from torch import Tensor

from ..base import WeightsError
from ..reading.checkpoint import read_checkpoint
from ..weights import load_safetensors, save_safetensors
from .mover import DirectionMover, LayerRange

FORMAT: Final = "direction-1"

LAYER_WINDOWS: Final[dict[str, LayerRange]] = {
    "smile": (0, 6),
    "age": (0, 9),
    "gender": (0, 6),
    "beard": (6, 10),
    "glasses": (2, 5),
    "light": (5, 12),
    "eye-color": (14, 16),
}
"""Layers of 18 that published tools move along ready directions (Chunkmogrify), by attribute."""


@dataclass(frozen=True, slots=True)
class BoundDirection:
    """A direction and the generator it belongs to."""

    vector: Tensor
    """(1, D) for W, (L, D) for W+."""
    generator: str
    """Id of the generator's latent space."""
    attribute: str = ""
    editor: str = "direction"
    """`direction` or `pca`."""
    unit: float = 1.0
    """Times the strength."""
    rows: LayerRange | None = None
    """Layers that move; None for all."""
    notes: tuple[tuple[str, str], ...] = ()
    """Anything else: licence, accuracy, source."""

    def mover(self, generator: str, layers: int) -> DirectionMover:
        """Return what moves codes of a generator along this direction.

        Raises:
            WeightsError: the direction was made for another generator.
        """
        if generator != self.generator:
            raise WeightsError(
                f"the direction {self.attribute!r} was made for generator {self.generator}, not "
                f"for {generator}; fit one with `python -m models.directions fit-boundary`"
            )
        return DirectionMover(self.vector, layers, rows=self.rows, unit=self.unit)


def read_ready(path: Path) -> Tensor:
    """Return the direction (1, D) or (L, D) of a `.npy` or `.pt` file of others; nothing is run.

    Raises:
        WeightsError: the file is missing, damaged, carries code, or holds something else.
    """
    found: object = read_checkpoint(path).content
    if not isinstance(found, Tensor):
        raise WeightsError(f"{path} holds a {type(found).__name__}, expected one array of numbers")
    vector = found.float()
    while vector.ndim > 2 and len(vector) == 1:
        vector = vector[0]
    if vector.ndim == 1:
        vector = vector[None]
    if vector.ndim != 2 or not bool(vector.isfinite().all()) or not bool(vector.any()):
        raise WeightsError(
            f"{path} is no direction: shape {tuple(found.shape)}; expected finite numbers (D,), "
            "(1, D), (L, D) or (1, L, D)"
        )
    return vector.contiguous()


def save_direction(path: Path, direction: BoundDirection) -> None:
    """Write a direction with the id of its generator.

    Raises:
        WeightsError: it names no generator.
    """
    if not direction.generator:
        raise WeightsError("a direction needs the id of its generator; give --generator ID")
    first, stop = direction.rows or ("", "")
    texts = {
        **dict(direction.notes),
        "format": FORMAT,
        "generator": direction.generator,
        "attribute": direction.attribute,
        "editor": direction.editor,
        "unit": repr(direction.unit),
        "rows": f"{first}:{stop}",
    }
    save_safetensors(path, {"vector": direction.vector}, texts)


def load_direction(path: Path) -> BoundDirection:
    """Return the direction of a file of ours.

    Raises:
        WeightsError: the file is missing, damaged, or no direction bound to a generator.
    """
    tensors, texts = load_safetensors(path)
    if texts.get("format") != FORMAT or "vector" not in tensors or not texts.get("generator"):
        raise WeightsError(
            f"{path} is no direction bound to a generator; bind a ready one with `python -m "
            "models.directions bind`"
        )
    known = ("format", "generator", "attribute", "editor", "unit", "rows")
    first, _, stop = texts.get("rows", ":").partition(":")
    return BoundDirection(
        vector=tensors["vector"].float(),
        generator=texts["generator"],
        attribute=texts.get("attribute", ""),
        editor=texts.get("editor", "direction"),
        unit=float(texts.get("unit", "1")),
        rows=(int(first), int(stop)) if first else None,
        notes=tuple((k, v) for k, v in texts.items() if k not in known),
    )
