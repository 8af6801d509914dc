"""Direction files: ready ones of others (`.npy`, `.pt`), and ours, which name their generator.

A ready file says nothing of the generator it was made for; with another one it gives nonsense
without any error. So it is bound to a generator's id once, when it is brought in, and refused for
any other from then on. That first binding is the user's word: nothing in the file can confirm it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from torch import Tensor

from ..attributes import Attribute
from ..base import WeightsError, command
from ..ops.codes import LayerRange
from ..parts import Contents, Facts, Part, plain_name, row_range, row_text
from ..reading.checkpoint import read_checkpoint
from ..weights import load_safetensors, save_safetensors
from .pca import Components

KNOWN = "directions, GANSpace components"
ROLES = ("direction", "pca")

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
    """Anything else to be written: licence, accuracy, source."""


def read_ready(path: Path) -> Tensor:
    """Return the direction (1, D) or (L, D) of a `.npy` or `.pt` file of others; nothing is run.

    Raises:
        WeightsError: the file is missing, damaged, carries code, or holds something else.
    """
    content: object = read_checkpoint(path).content
    if not isinstance(content, Tensor):
        raise WeightsError(
            f"{path} holds a {type(content).__name__}, expected one array of numbers"
        )
    try:
        return vector_of(content)
    except WeightsError as e:
        raise WeightsError(
            f"{path} is no direction: shape {tuple(content.shape)}; expected finite numbers (D,), "
            "(1, D), (L, D) or (1, L, D)"
        ) from e


def vector_of(array: Tensor) -> Tensor:
    """Return the direction (1, D) or (L, D) float32 that an array holds.

    Raises:
        WeightsError: it is not finite, all zero, or of another shape.
    """
    vector = array.float()
    while vector.ndim > 2 and len(vector) == 1:
        vector = vector[0]
    vector = vector[None] if vector.ndim == 1 else vector
    if vector.ndim == 3:
        raise WeightsError(
            f"codes of {len(vector)} faces, shape {tuple(vector.shape)}: data to train movers on "
            f"({command('latent_transformer')} --help), not weights"
        )
    if vector.ndim != 2 or vector.shape[1] < 2 or not vector.isfinite().all() or not vector.any():
        raise WeightsError(
            f"one array of shape {tuple(array.shape)}, which is no direction: that is (D,), "
            "(1, D), (L, D) or (1, L, D), finite and not all zero"
        )
    return vector.contiguous()


def save_direction(path: Path, direction: BoundDirection) -> None:
    """Write a direction with the id of its generator.

    Raises:
        WeightsError: it names no generator.
    """
    if not direction.generator:
        raise WeightsError("a direction needs the id of its generator; give --generator ID or PACK")
    texts = {
        **dict(direction.notes),
        "format": FORMAT,
        "generator": direction.generator,
        "attribute": direction.attribute,
        "editor": direction.editor,
        "unit": repr(direction.unit),
        "rows": row_text(direction.rows),
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
            f"{path} is no direction bound to a generator; bind a ready one with "
            f"`{command('directions')} bind`"
        )
    return _bound(tensors["vector"], texts)


def _bound(vector: Tensor, texts: Mapping[str, str]) -> BoundDirection:
    return BoundDirection(
        vector=vector.float(),
        generator=texts.get("generator", ""),
        attribute=texts.get("attribute", ""),
        editor=texts.get("editor", "direction"),
        unit=float(texts.get("unit", "1")),
        rows=row_range(texts.get("rows", "")),
    )


def detect(contents: Contents) -> bool:
    """Return whether a file holds one array, a direction of ours, or principal components."""
    return isinstance(contents.content, Tensor) or _holds_components(contents) or _is_ours(contents)


def parts(contents: Contents) -> tuple[Part, ...]:
    """Return the directions of a file that `detect` has approved.

    Raises:
        WeightsError: shapes do not fit together, or the array is no direction.
    """
    if _holds_components(contents):
        return (_components_part(contents),)
    if isinstance(contents.content, Tensor):
        name = contents.hints.attribute or contents.name.partition(".")[0]
        return (_direction_part(contents.content, name),)
    bound = _bound(contents.tensors["vector"], contents.texts)
    part = _direction_part(bound.vector, contents.hints.attribute or bound.attribute)
    facts = replace(part.facts, unit=bound.unit, rows=bound.rows, generator=bound.generator)
    role = "pca" if bound.editor == "pca" else "direction"
    return (replace(part, role=role, facts=facts, licence=contents.licence),)


def _holds_components(contents: Contents) -> bool:
    return {"comp", "mean", "std"} <= set(contents.tensors)


def _is_ours(contents: Contents) -> bool:
    return set(contents.tensors) == {"vector"} and "attribute" in contents.texts


def _components_part(contents: Contents) -> Part:
    components = Components.from_state(contents.tensors).components
    count, rows, code = components.shape
    layers = rows if rows > 1 else 0
    title = f"GANSpace components of W, {count} of them" if not layers else "components of W+"
    generator = contents.texts.get("generator", "")
    facts = Facts(layers=layers, code=code, components=count, generator=generator)
    return Part("pca", title, "ganspace", contents.tensors, contents.licence, facts)


def _direction_part(array: Tensor, name: str) -> Part:
    vector, name = vector_of(array), plain_name(name)
    rows, code = vector.shape
    layers = rows if rows > 1 else 0
    attribute = Attribute(name, low=-10.0, high=10.0)  # in steps of its own length
    facts = Facts(layers=layers, code=code, attribute=attribute)
    title = f"direction {name} in {f'W+ of {rows} rows' if layers else 'W'}"
    return Part("direction", title, f"direction-{name}", {"vector": vector}, facts=facts)
