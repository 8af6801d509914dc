"""Files of W+ movers and classifiers: the published keys in a safetensors file, with what strength
1 means in its text metadata.

`dense.{l}.*` for a transformer, `fcs.{i}.*` for a classifier, so that an official file and one
trained here hold the same tensors. Tensors may be float16 on disk; they run as float32.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from torch import Tensor

from ..base import ModelInputError, WeightsError
from ..weights import load_safetensors, save_safetensors
from .wplus import LayerRange, WPlusMover, WPlusTransformer, default_range
from .wplus_classifier import WPlusClassifier

MOVER_FORMAT: Final = "latent-transformer-wplus-1"
CLASSIFIER_FORMAT: Final = "latent-classifier-wplus-1"


@dataclass(frozen=True, slots=True)
class MoverFacts:
    """What a mover file says of itself."""

    attribute: str
    """Name of the attribute."""
    unit: float = 1.0
    """α of strength 1."""
    layers: LayerRange | None = None
    """Layers that move, `(first, after the last)`; None for the default."""
    generator: str = ""
    """Id of the generator whose codes it moves; empty if not stated."""
    notes: tuple[tuple[str, str], ...] = ()
    """Anything else: licence, variant, seed."""


def save_mover(path: Path, transformer: WPlusTransformer, facts: MoverFacts) -> None:
    """Write one transformer, float16, with its facts."""
    first, stop = facts.layers or default_range(transformer.layers)
    texts = {
        **dict(facts.notes),
        "format": MOVER_FORMAT,
        "attribute": facts.attribute,
        "unit": repr(facts.unit),
        "layers": f"{first}:{stop}",
        "generator": facts.generator,
    }
    save_safetensors(path, _halved(transformer.state_dict()), texts)


def load_mover(path: Path) -> tuple[WPlusMover, MoverFacts]:
    """Return the mover of a file and its facts; an official state dict without facts has unit 1.

    Raises:
        WeightsError: the file is missing, damaged, or holds no transformer.
    """
    tensors, texts = load_safetensors(path)
    try:
        facts = _facts(texts, path)
        transformer = WPlusTransformer.from_state(tensors)
        return WPlusMover(transformer, layers=facts.layers, unit=facts.unit), facts
    except (ValueError, WeightsError, ModelInputError) as e:
        raise WeightsError(f"{path} is no mover of W+ codes: {e}") from e


def _facts(texts: dict[str, str], path: Path) -> MoverFacts:
    known = ("format", "attribute", "unit", "layers", "generator")
    first, _, stop = texts.get("layers", "").partition(":")
    return MoverFacts(
        attribute=texts.get("attribute", path.stem),
        unit=float(texts.get("unit", "1")),
        layers=(int(first), int(stop)) if stop else None,
        generator=texts.get("generator", ""),
        notes=tuple((key, value) for key, value in texts.items() if key not in known),
    )


def save_classifier(
    path: Path, classifier: WPlusClassifier, names: tuple[str, ...], notes: dict[str, str]
) -> None:
    """Write a classifier, float16, with the names of its logits."""
    texts = {**notes, "format": CLASSIFIER_FORMAT, "labels": json.dumps(list(names))}
    save_safetensors(path, _halved(classifier.state_dict()), texts)


def load_classifier(path: Path) -> tuple[WPlusClassifier, tuple[str, ...]]:
    """Return the classifier of a file and the names of its logits (empty if it states none).

    Raises:
        WeightsError: the file is missing, damaged, or holds no classifier.
    """
    tensors, texts = load_safetensors(path)
    names = tuple(str(name) for name in json.loads(texts.get("labels", "[]")))
    classifier = WPlusClassifier.from_state(tensors)
    if names and len(names) != classifier.attributes:
        raise WeightsError(
            f"{path} names {len(names)} labels for {classifier.attributes} logits; train it again "
            "with `python -m models.latent_transformer train-classifier`"
        )
    return classifier, names


def _halved(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.half() for key, value in state.items()}
