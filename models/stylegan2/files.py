"""What files of StyleGAN2 look like: generators, alone or beside their encoder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from torch import Tensor

from ..parts import Contents, Facts, Licence, Part
from . import layouts
from .generator_id import generator_id
from .net import Generator

KNOWN = "StyleGAN2 generators (rosinality, ADA)"
ROLES = ("generator",)

LICENCE = Licence("NVIDIA Source Code License, non-commercial")
"""Of the published generators, whose files say nothing of it."""

UNSAID = Licence("unknown, treat as non-commercial (NVIDIA's own: NVIDIA Source Code License)")
"""Of generators that state none and have no published name: their shape tells nothing of who
trained them on what."""

_PUBLISHED: Final = re.compile(
    r"stylegan2-ffhq|ffhq(-\w+)?\.pkl$|550000\.pt$|(psp|e4e|restyle|hyperstyle)_.*\.pt$"
)
"""How the published files are called."""

_USED = ("g_ema", "G_ema", "state_dict", "latent_avg")


def detect(contents: Contents) -> bool:
    """Return whether a file holds a generator, whatever is wrapped around it."""
    entries = contents.entries
    holders = [entries, *(value for value in entries.values() if isinstance(value, Mapping))]
    return any(
        layouts.layout_of(holder) or any(str(key).startswith("decoder.") for key in holder)
        for holder in holders
    )


def parts(contents: Contents) -> tuple[Part, ...]:
    """Return the network of a file that `detect` has approved.

    Raises:
        WeightsError: keys, shapes or fixed filters are not those of StyleGAN2.
    """
    weights = layouts.find_generator(contents.entries)
    facts = layouts.facts_of(weights.tensors)
    tensors = dict(weights.tensors)
    if weights.w_avg is not None:
        tensors["latent_avg"] = weights.w_avg
    beside = () if layouts.layout_of(contents.entries) else contents.entries
    part = Part(
        "generator",
        f"StyleGAN2 generator, {facts.size} px ({weights.layout} layout)",
        f"stylegan2-{facts.size}",
        tensors,
        _licence(contents),
        Facts(
            size=facts.size,
            layers=2 * len(facts.channels),
            code=facts.style_dim,
            generator=generator_id(tensors),
        ),
        tuple(k for k in map(str, beside) if k not in _USED and not k.startswith("decoder.")),
    )
    return (part,)


def _licence(contents: Contents) -> Licence:
    """Return what a file states, or what its published name stands for."""
    if "licence" in contents.texts:
        return contents.licence
    return LICENCE if _PUBLISHED.match(contents.name.lower()) else UNSAID


def build(state: Mapping[str, Tensor]) -> Generator:
    """Return the generator of a state dict.

    Raises:
        WeightsError: keys, shapes or fixed filters are not those of StyleGAN2.
    """
    return layouts.build(layouts.completed({k: v for k, v in state.items() if k != "latent_avg"}))
