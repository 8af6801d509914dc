"""Recognise what belongs to codes: latent transformers, their classifier, directions,
components."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from torch import Tensor

from ..base import WeightsError
from ..latent_transformer import (
    CELEBA_ATTRIBUTES,
    CelebaAttribute,
    WPlusClassifier,
    WPlusTransformer,
    celeba_attribute,
)
from ..packs.parts import INTERDIGITAL, UNKNOWN, Facts, Part, Role
from .found import Found, Hints, is_training, plain_name, stated, tensors_of

_TNET: Final = re.compile(r"tnet_(\d+)\b")


def transformer(found: Found) -> tuple[Part, ...]:
    """Return a latent transformer of W+, if the file holds one."""
    inside = found.content.get("T_net_state_dict", found.content)
    state = tensors_of(inside) if isinstance(inside, Mapping) else {}
    if "dense.0.weight" not in state:
        return ()
    network = WPlusTransformer.from_state(state)
    shared = Facts(layers=network.layers, code=network.dimensions)
    published = (network.layers, network.dimensions) == (18, 512)
    facts = _mover_facts(found, shared)
    return (
        Part(
            "latent-transformer",
            f"latent transformer for {facts.attribute}, {network.layers} rows",
            f"latent-transformer-{facts.attribute}",
            state,
            INTERDIGITAL if published and not found.texts else stated(found.texts),
            facts,
            tuple(str(key) for key in found.content if is_training(str(key))),
        ),
    )


def _mover_facts(found: Found, shared: Facts) -> Facts:
    """Return which attribute a transformer moves: told, or stated, or the number in its name."""
    texts, named = found.texts, _TNET.search(found.name)
    said = found.hints.attribute or texts.get("attribute", "") or (named[1] if named else "")
    if not said:
        raise WeightsError(
            "a latent transformer, but for which attribute? Published files say it in their names "
            "(tnet_31.pth.tar); give --attribute NAME (smile, age, ...)"
        )
    if "attribute" in texts:
        first, _, stop = texts.get("layers", "").partition(":")
        known = next((a for a in CELEBA_ATTRIBUTES if a.name == said), None)
        facts = shared if known is None else _celeba_facts(known, shared)
        return replace(
            facts,
            attribute=plain_name(said),
            unit=float(texts.get("unit", "1")),
            rows=(int(first), int(stop)) if stop else None,
            generator=texts.get("generator", ""),
        )
    if shared.layers != 18 and not said.isdigit():
        return replace(shared, attribute=plain_name(said))
    return _celeba_facts(celeba_attribute(said), shared)


def _celeba_facts(attribute: CelebaAttribute, shared: Facts) -> Facts:
    return replace(
        shared,
        attribute=attribute.name,
        summary=attribute.summary,
        aliases=attribute.aliases,
        low=attribute.low,
        high=attribute.high,
        experimental=attribute.experimental,
        unit=float(attribute.sign),
    )


def classifier(found: Found) -> tuple[Part, ...]:
    """Return a classifier of codes, if the file holds one."""
    state = tensors_of(found.content)
    if "fcs.0.weight" not in state:
        return ()
    network = WPlusClassifier.from_state(state)
    labels = tuple(str(name) for name in json.loads(found.texts.get("labels", "[]")))
    if not labels and network.attributes == len(CELEBA_ATTRIBUTES):
        labels = tuple(a.name for a in CELEBA_ATTRIBUTES)
    published = (network.inputs, network.attributes) == (9216, 40)
    title = f"latent classifier, {network.attributes} attributes of codes of {network.inputs}"
    licence = INTERDIGITAL if published and not found.texts else stated(found.texts)
    return (
        Part(
            "classifier",
            title,
            "latent-classifier",
            state,
            licence,
            Facts(inputs=network.inputs, labels=labels),
        ),
    )


def components(found: Found) -> tuple[Part, ...]:
    """Return principal components of codes (GANSpace), if the file holds them."""
    state = tensors_of(found.content)
    if not {"comp", "mean", "std"} <= set(state):
        return ()
    mean, components_, spread = state["mean"], state["comp"], state["std"]
    if mean.dim() != 2 or components_.shape != (spread.numel(), *mean.shape):
        raise WeightsError(
            f"no GANSpace components: mean {tuple(mean.shape)}, comp {tuple(components_.shape)} "
            f"and std {tuple(spread.shape)} do not fit together"
        )
    count, rows, code = components_.shape
    layers = rows if rows > 1 else 0
    title = f"GANSpace components of W, {count} of them" if not layers else "components of W+"
    return (
        Part(
            "pca",
            title,
            "ganspace",
            state,
            stated(found.texts),
            Facts(
                layers=layers,
                code=code,
                components=count,
                generator=found.texts.get("generator", ""),
            ),
        ),
    )


def stated_direction(found: Found) -> tuple[Part, ...]:
    """A direction file of this program's own making, which says what it is for."""
    state = tensors_of(found.content)
    if set(state) != {"vector"} or "attribute" not in found.texts:
        return ()
    texts = found.texts
    part = direction(state["vector"], found.name, Hints(attribute=texts["attribute"]))
    first, _, stop = texts.get("rows", "").partition(":")
    facts = replace(
        part.facts,
        unit=float(texts.get("unit", "1")),
        rows=(int(first), int(stop)) if first and stop else None,
        generator=texts.get("generator", ""),
    )
    role: Role = "pca" if texts.get("editor") == "pca" else "direction"
    return (replace(part, role=role, facts=facts, licence=stated(texts)),)


def direction(tensor: Tensor, name: str, hints: Hints) -> Part:
    """A single array: one step in W or W+."""
    vector = tensor.float()
    while vector.dim() > 2 and len(vector) == 1:
        vector = vector[0]
    vector = vector[None] if vector.dim() == 1 else vector
    if vector.dim() == 3:
        raise WeightsError(
            f"codes of {len(vector)} faces, shape {tuple(vector.shape)}: data to train movers on "
            "(python -m models.latent_transformer --help), not weights"
        )
    if vector.dim() != 2 or vector.shape[1] < 2 or not vector.isfinite().all() or not vector.any():
        raise WeightsError(
            f"one array of shape {tuple(tensor.shape)}, which is no direction: that is (D,), "
            "(1, D), (L, D) or (1, L, D), finite and not all zero"
        )
    rows, code = vector.shape
    attribute = plain_name(hints.attribute or name.partition(".")[0])
    facts = Facts(
        layers=rows if rows > 1 else 0, code=code, attribute=attribute, low=-10.0, high=10.0
    )
    space = f"W+ of {rows} rows" if rows > 1 else "W"
    title = f"direction {attribute} in {space}"
    return Part(
        "direction",
        title,
        f"direction-{attribute}",
        {"vector": vector.contiguous()},
        UNKNOWN,
        facts,
    )
