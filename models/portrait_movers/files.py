"""Save and load what moves portrait codes: one transformer and one direction per attribute, and the
classifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from torch import Tensor

from ..base import ModelError, WeightsError, command
from ..parts import Contents, Facts, Part, below
from ..weights import load_safetensors, save_safetensors
from .attributes import PORTRAIT_ATTRIBUTES, PortraitAttribute
from .net import Direction, LatentClassifier, LatentTransformer

KNOWN = "movers of the portrait"
ROLES = ("portrait-movers",)

DEFAULT_FILE: Final = Path(__file__).with_name("movers.safetensors")
"""The embedded movers of the embedded portrait."""

FORMAT: Final = "latent-transformer-portrait-1"


@dataclass(frozen=True, slots=True)
class MoverPack:
    """Everything that moves the codes of one portrait."""

    transformers: dict[str, LatentTransformer]
    """By attribute name."""
    directions: dict[str, Direction]
    """By attribute name."""
    classifier: LatentClassifier
    labels: tuple[str, ...]
    """What the classifier's logits stand for."""

    @property
    def attributes(self) -> tuple[PortraitAttribute, ...]:
        """Attributes in this pack, in the order they are shown."""
        return tuple(a for a in PORTRAIT_ATTRIBUTES if a.name in self.transformers)

    def kinds_of(self, attribute: str) -> tuple[str, ...]:
        """Return the kinds of the movers of an attribute."""
        tables = (("latent-transformer", self.transformers), ("direction", self.directions))
        return tuple(kind for kind, table in tables if attribute in table)

    def mover(self, editor: str, attribute: str) -> LatentTransformer | Direction:
        """Return what moves codes (N, D) by strength (N,) along an attribute.

        Args:
            editor: "latent-transformer" or "direction" (the linear baseline).
            attribute: a name from `attributes`.

        Raises:
            ModelError: unknown editor or attribute.
        """
        tables: dict[str, dict[str, LatentTransformer] | dict[str, Direction]] = {
            "latent-transformer": self.transformers,
            "direction": self.directions,
        }
        if editor not in tables:
            raise ModelError(
                f"the portrait pack has no movers for the editor {editor!r}; it has them for "
                f"{', '.join(tables)}"
            )
        table = tables[editor]
        if attribute not in table:
            raise ModelError(
                f"no attribute {attribute!r} in this pack; there are {', '.join(table)}"
            )
        return table[attribute]


def save_movers(pack: MoverPack, path: Path, *, notes: dict[str, str]) -> None:
    """Write movers to a safetensors file; `notes` go into its text metadata."""
    tensors: dict[str, Tensor] = {}
    for name, transformer in pack.transformers.items():
        tensors |= {
            f"transformer.{name}.{k}": v.half() for k, v in transformer.state_dict().items()
        }
    for name, direction in pack.directions.items():
        tensors[f"direction.{name}.vector"] = direction.vector
    tensors |= {f"classifier.{k}": v.half() for k, v in pack.classifier.state_dict().items()}
    save_safetensors(path, tensors, {"format": FORMAT, "labels": ",".join(pack.labels), **notes})


def load_movers(path: Path = DEFAULT_FILE, *, expected_sha256: str | None = None) -> MoverPack:
    """Return the movers of a file, on the CPU, in evaluation mode.

    Raises:
        WeightsError: the file is missing, damaged, has another hash, or holds no movers.
    """
    tensors, notes = load_safetensors(path, expected_sha256=expected_sha256)
    if notes.get("format") != FORMAT:
        raise WeightsError(
            f"{path} has format {notes.get('format')!r}, expected {FORMAT!r}; "
            f"make one with `{command('portrait_movers')} train`"
        )
    floats = {key: value.float() for key, value in tensors.items()}
    names = [key.split(".")[1] for key in floats if key.startswith("direction.")]
    labels = tuple(notes["labels"].split(","))
    try:
        return MoverPack(
            {name: build(below(floats, f"transformer.{name}.")) for name in names},
            {name: _direction(floats[f"direction.{name}.vector"]) for name in names},
            _classifier(below(floats, "classifier.")),
            labels,
        )
    except (RuntimeError, KeyError) as e:
        raise WeightsError(f"{path} does not fit: {e}") from e


def build(state: Mapping[str, Tensor]) -> LatentTransformer:
    """Return the transformer of a state dict, in evaluation mode.

    Raises:
        RuntimeError: its keys or shapes do not fit.
        KeyError: a key is missing.
    """
    rank, dimensions = state["basis"].shape
    net = LatentTransformer(dimensions, rank, len(state["mlp.0.bias"]))
    net.load_state_dict({key: value.float() for key, value in state.items()})
    return net.eval().requires_grad_(False)


def _direction(vector: Tensor) -> Direction:
    net = Direction(len(vector))
    net.vector.copy_(vector)
    return net.eval()


def _classifier(state: dict[str, Tensor]) -> LatentClassifier:
    attributes, dimensions = state["linear.weight"].shape
    net = LatentClassifier(dimensions, attributes, len(state["net.0.bias"]))
    net.load_state_dict(state)
    return net.eval().requires_grad_(False)


def detect(contents: Contents) -> bool:
    """Return whether a file holds what `save_movers` writes."""
    return contents.texts.get("format") == FORMAT


def parts(contents: Contents) -> tuple[Part, ...]:
    """Return the transformers and directions of a file that `detect` has approved, as one part.

    Raises:
        WeightsError: one is missing, or they are for different sorts of code.
    """
    state = contents.tensors
    known = [attribute.name for attribute in PORTRAIT_ATTRIBUTES]
    names = tuple(name for name in known if f"direction.{name}.vector" in state)
    try:
        sizes = {build(below(state, f"transformer.{name}.")).basis.shape[1] for name in names}
    except (RuntimeError, KeyError) as e:
        raise WeightsError(f"these movers of the portrait are not complete: {e}") from e
    sizes |= {len(state[f"direction.{name}.vector"]) for name in names}
    if len(sizes) != 1:
        raise WeightsError(f"movers of the portrait for one sort of code, not for {sorted(sizes)}")
    kept = {k: v for k, v in state.items() if k.startswith(("transformer.", "direction."))}
    return (
        Part(
            "portrait-movers",
            f"movers of the portrait for {', '.join(names)}",
            "portrait-movers",
            kept,
            contents.licence,
            Facts(
                layers=1,
                code=sizes.pop(),
                labels=names,
                generator=contents.texts.get("generator", ""),
            ),
            ("classifier",) if len(kept) < len(state) else (),
        ),
    )
