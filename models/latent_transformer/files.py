"""Files of W+ movers and classifiers: the published keys in a safetensors file, with what strength
1 means in its text metadata.

`dense.{l}.*` for a transformer, `fcs.{i}.*` for a classifier, so that an official file and one
trained here hold the same tensors. Tensors may be float16 on disk; they run as float32. The
attribute of a published transformer stands only in its file's name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from torch import Tensor

from ..attributes import Attribute
from ..base import ModelInputError, WeightsError, command
from ..ops.codes import LayerRange
from ..parts import (
    Contents,
    Facts,
    Licence,
    Part,
    is_training,
    plain_name,
    row_range,
    row_text,
    tensors_of,
)
from ..weights import load_safetensors, save_safetensors
from .celeba import CELEBA_ATTRIBUTES, celeba_attribute
from .classifier import WPlusClassifier
from .net import WPlusMover, WPlusTransformer, default_range

KNOWN = "latent transformers (tnet_K.pth.tar) and their classifier"
ROLES = ("latent-transformer", "classifier")

LICENCE = Licence("InterDigital evaluation licence, non-commercial, no redistribution")
"""Of the published files, which say nothing of it."""

MOVER_FORMAT: Final = "latent-transformer-wplus-1"
CLASSIFIER_FORMAT: Final = "latent-classifier-wplus-1"

_TNET: Final = re.compile(r"tnet_(\d+)\b")
_PUBLISHED: Final = re.compile(r"tnet_\d+\.pth|latent_classifier")
"""How the published files are called."""


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
    """Anything else to be written: licence, variant, seed."""


def save_mover(path: Path, transformer: WPlusTransformer, facts: MoverFacts) -> None:
    """Write one transformer, float16, with its facts."""
    texts = {
        **dict(facts.notes),
        "format": MOVER_FORMAT,
        "attribute": facts.attribute,
        "unit": repr(facts.unit),
        "layers": row_text(facts.layers or default_range(transformer.layers)),
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
        facts = _facts(texts, path.stem)
        transformer = WPlusTransformer.from_state(tensors)
        return WPlusMover(transformer, layers=facts.layers, unit=facts.unit), facts
    except (ValueError, WeightsError, ModelInputError) as e:
        raise WeightsError(f"{path} is no mover of W+ codes: {e}") from e


def _facts(texts: Mapping[str, str], name: str) -> MoverFacts:
    return MoverFacts(
        attribute=texts.get("attribute", name),
        unit=float(texts.get("unit", "1")),
        layers=row_range(texts.get("layers", "")),
        generator=texts.get("generator", ""),
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
    names = _labels(texts)
    classifier = WPlusClassifier.from_state(tensors)
    if names and len(names) != classifier.attributes:
        raise WeightsError(
            f"{path} names {len(names)} labels for {classifier.attributes} logits; train it again "
            f"with `{command('latent_transformer')} train-classifier`"
        )
    return classifier, names


def _labels(texts: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(str(name) for name in json.loads(texts.get("labels", "[]")))


def as_stored(transformer: WPlusTransformer) -> WPlusTransformer:
    """Return a transformer with the numbers that `save_mover` will keep: its file is what figures
    are told of."""
    return WPlusTransformer.from_state(_halved(transformer.state_dict()))


def _halved(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.half() for key, value in state.items()}


def detect(contents: Contents) -> bool:
    """Return whether a file holds a latent transformer or a latent classifier."""
    return "dense.0.weight" in _transformer_of(contents) or "fcs.0.weight" in contents.tensors


def parts(contents: Contents) -> tuple[Part, ...]:
    """Return the network of a file that `detect` has approved.

    Raises:
        WeightsError: keys or shapes are not those of the network, or which attribute it moves is
            not said.
        ModelInputError: there is no such attribute.
    """
    state = _transformer_of(contents)
    if "dense.0.weight" not in state:
        return (_classifier_part(contents),)
    network = WPlusTransformer.from_state(state)
    is_published = _PUBLISHED.match(contents.name) is not None and not contents.texts
    stated, (attribute, sign) = _facts(contents.texts, ""), _moved(contents, network.layers)
    facts = Facts(
        layers=network.layers,
        code=network.dimensions,
        attribute=attribute,
        unit=sign * stated.unit,
        rows=stated.layers,
        generator=stated.generator,
    )
    part = Part(
        "latent-transformer",
        f"latent transformer for {attribute.name}, {network.layers} rows",
        f"latent-transformer-{attribute.name}",
        state,
        LICENCE if is_published else contents.licence,
        facts,
        tuple(str(key) for key in contents.entries if is_training(str(key))),
    )
    return (part,)


def build(state: Mapping[str, Tensor]) -> WPlusTransformer | WPlusClassifier:
    """Return the transformer or classifier of a state dict.

    Raises:
        WeightsError: the keys or shapes are those of neither.
    """
    if "fcs.0.weight" in state:
        return WPlusClassifier.from_state(state)
    return WPlusTransformer.from_state(state)


def _transformer_of(contents: Contents) -> dict[str, Tensor]:
    return tensors_of(contents.entries.get("T_net_state_dict", contents.content))


def _classifier_part(contents: Contents) -> Part:
    network = WPlusClassifier.from_state(contents.tensors)
    labels = _labels(contents.texts)
    if not labels and network.attributes == len(CELEBA_ATTRIBUTES):
        labels = tuple(row.attribute.name for row in CELEBA_ATTRIBUTES)
    is_published = _PUBLISHED.match(contents.name) is not None and not contents.texts
    return Part(
        "classifier",
        f"latent classifier, {network.attributes} attributes of codes of {network.inputs}",
        "latent-classifier",
        contents.tensors,
        LICENCE if is_published else contents.licence,
        Facts(inputs=network.inputs, labels=labels),
    )


def _moved(contents: Contents, rows: int) -> tuple[Attribute, int]:
    """Return which attribute a transformer moves, told, or stated, or by the number in its name;
    and −1 if strength +1 is a step back."""
    texts, numbered = contents.texts, _TNET.search(contents.name)
    attribute = contents.hints.attribute or texts.get("attribute", "")
    attribute = attribute or (numbered[1] if numbered else "")
    if not attribute:
        raise WeightsError(
            "a latent transformer, but for which attribute? Published files say it in their names "
            "(tnet_31.pth.tar); give --attribute NAME (smile, age, ...)"
        )
    if "attribute" in texts:
        published = (row.attribute for row in CELEBA_ATTRIBUTES if row.attribute.name == attribute)
        return next(published, Attribute(plain_name(attribute))), 1
    if rows != 18 and not attribute.isdigit():
        return Attribute(plain_name(attribute)), 1
    row = celeba_attribute(attribute)
    return row.attribute, row.sign
