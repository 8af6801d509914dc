"""What files of StyleGAN2 look like: generators, alone or beside their encoder; discriminators."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn

from ..parts import UNKNOWN, Contents, Facts, Licence, Part
from ..state_dicts import fill
from . import layouts
from .discriminator import Discriminator
from .generator_id import generator_id
from .net import default_channels

KNOWN = "StyleGAN2 generators (rosinality, ADA) and discriminators"
ROLES = ("generator", "discriminator")

LICENCE = Licence("NVIDIA Source Code License, non-commercial")
"""Of generators in the published shape, whose files say nothing of it."""

_USED = ("g_ema", "G_ema", "state_dict", "latent_avg")


def detect(contents: Contents) -> bool:
    """Return whether a file holds a generator, whatever is wrapped around it, or a
    discriminator."""
    return _holds_generator(contents) or _is_discriminator(contents.tensors)


def parts(contents: Contents) -> tuple[Part, ...]:
    """Return the network of a file that `detect` has approved.

    Raises:
        WeightsError: keys, shapes or fixed filters are not those of StyleGAN2.
    """
    if not _holds_generator(contents):
        return (_discriminator_part(contents.tensors),)
    weights = layouts.find_generator(contents.entries)
    facts = layouts.facts_of(weights.tensors)
    tensors = dict(weights.tensors)
    if weights.w_avg is not None:
        tensors["latent_avg"] = weights.w_avg
    is_published = facts.channels == default_channels(facts.size)
    beside = () if layouts.layout_of(contents.entries) else contents.entries
    part = Part(
        "generator",
        f"StyleGAN2 generator, {facts.size} px ({weights.layout} layout)",
        f"stylegan2-{facts.size}",
        tensors,
        LICENCE if is_published else UNKNOWN,
        Facts(
            size=facts.size,
            layers=2 * len(facts.channels),
            code=facts.style_dim,
            generator=generator_id(tensors),
        ),
        tuple(k for k in map(str, beside) if k not in _USED and not k.startswith("decoder.")),
    )
    return (part,)


def build(state: Mapping[str, Tensor]) -> nn.Module:
    """Return the generator or discriminator of a state dict.

    Raises:
        WeightsError: keys, shapes or fixed filters are not those of StyleGAN2.
    """
    if _is_discriminator(state):
        return _discriminator(state)
    return layouts.build(layouts.completed({k: v for k, v in state.items() if k != "latent_avg"}))


def _holds_generator(contents: Contents) -> bool:
    entries = contents.entries
    holders = [entries, *(value for value in entries.values() if isinstance(value, Mapping))]
    return any(
        layouts.layout_of(holder) or any(str(key).startswith("decoder.") for key in holder)
        for holder in holders
    )


def _is_discriminator(state: Mapping[str, Tensor]) -> bool:
    return {"final_linear.1.weight", "convs.0.0.weight"} <= set(state)


def _discriminator_part(state: Mapping[str, Tensor]) -> Part:
    size = _discriminator(state).size
    title, slug = f"StyleGAN2 discriminator, {size} px", f"stylegan2-discriminator-{size}"
    return Part("discriminator", title, slug, state, LICENCE, Facts(size=size))


def _discriminator(state: Mapping[str, Tensor]) -> Discriminator:
    blocks = sum(bool(re.fullmatch(r"convs\.\d+\.conv2\.1\.weight", key)) for key in state)
    size = 4 << blocks
    widths = {size: len(state["convs.0.0.weight"])}
    for block in range(1, blocks + 1):
        last = state.get(f"convs.{block}.conv2.1.weight")
        widths[size >> block] = 0 if last is None else len(last)
    what = "a StyleGAN2 discriminator"
    return fill(lambda: Discriminator(size, channels=widths), state, what=what)
