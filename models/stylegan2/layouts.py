"""The layouts StyleGAN2 generators are published in: told apart by keys, converted exactly.

rosinality: flat keys `style.1.weight`, `convs.0.conv.weight`, ...; alone, under `g_ema` (training
files, with or without `latent_avg`), or under `state_dict` behind `decoder.` (pSp and relatives).
ADA: `mapping.fc0.weight`, `synthesis.b8.conv0.weight`, ...; flat or under `G_ema`.
Weights are the same numbers in both (no spatial flip, the style bias holds its 1 already); only
names and singleton dimensions differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..base import WeightsError
from ..ops.upfirdn import NOT_BINOMIAL, binomial_kernel, is_binomial
from ..state_dicts import expected_shapes, fill
from .net import Generator

_FIRST_KEY = {"rosinality": "input.input", "ada": "synthesis.b4.const"}
_HOLDERS = ("g_ema", "G_ema", "generator_ema", "netG_ema", "ema", "state_dict")
_KERNEL_SUFFIXES = (".blur.kernel", ".upsample.kernel")
_NAMES_SHOWN = 4
_LARGEST_PX = 2048
"""Side of a picture; the largest published generator makes 1024."""


@dataclass(frozen=True, slots=True)
class GeneratorFacts:
    """What a generator's shapes say about it."""

    size: int
    """Side of its pictures, px."""
    style_dim: int
    """Dimensions of a code row."""
    mapping_layers: int
    channels: dict[int, int]
    """Channels per resolution."""


@dataclass(frozen=True, slots=True)
class GeneratorWeights:
    """A generator found in a file, in the rosinality layout."""

    tensors: dict[str, Tensor]
    """Every key the network has, float32."""
    w_avg: Tensor | None
    """Mean W code (D,), or (L, D) where the file states one per layer; None if it has none."""
    layout: Literal["rosinality", "ada"]
    """The layout it was stored in."""


def layout_of(keys: Mapping[str, object]) -> Literal["rosinality", "ada"] | None:
    """Return which layout a flat state dict has; None if it holds no StyleGAN2 generator."""
    if _FIRST_KEY["rosinality"] in keys:
        return "rosinality"
    return "ada" if _FIRST_KEY["ada"] in keys else None


def find_generator(content: Mapping[str, object]) -> GeneratorWeights:
    """Return the generator that a file's content holds, whatever is wrapped around it.

    `g_ema` (the averaged generator, the one to use) is preferred to `g`.

    Raises:
        WeightsError: there is none, or keys, shapes or fixed filters are not those of StyleGAN2.
    """
    flat = _flat_generator(content)
    layout = layout_of(flat)
    if layout is None:
        raise WeightsError(
            f"no StyleGAN2 generator among the keys {_some(content)}; expected a rosinality file "
            f"(`g_ema`, `decoder.…` or flat `conv1.conv.weight`) or ADA tensors (`synthesis.b4.…`)"
        )
    average = content.get("latent_avg", flat.get("latent_avg"))
    if layout == "ada":
        tensors, average = from_ada(flat)
    else:
        tensors = completed({k: v for k, v in flat.items() if k != "latent_avg"})
    facts = facts_of(tensors)
    build(tensors)  # which checks them
    if average is not None and not _fits(average, facts):
        raise WeightsError(
            f"latent_avg has shape {tuple(getattr(average, 'shape', ()))}; expected "
            f"({facts.style_dim},) or one row per layer, as this generator needs"
        )
    w_avg = average.float() if isinstance(average, Tensor) else None
    return GeneratorWeights(tensors, w_avg, layout)


def build(weights: Mapping[str, Tensor]) -> Generator:
    """Return the generator for a complete state dict in the rosinality layout, frozen.

    Every size is read from the shapes; the tensors are used as they are, not copied.

    Raises:
        WeightsError: keys, shapes or fixed filters are not those of a StyleGAN2 generator.
    """
    facts = facts_of(weights)
    for key in weights:
        if key.endswith(_KERNEL_SUFFIXES):
            check_kernel(key, weights[key], gain=4.0)
    what = f"a StyleGAN2 generator of {facts.size} px in the rosinality layout"
    return fill(lambda: _generator(facts), weights, what=what)


def facts_of(weights: Mapping[str, Tensor]) -> GeneratorFacts:
    """Return the sizes of a generator in the rosinality layout.

    Raises:
        WeightsError: the first keys are missing.
    """
    try:
        channels = {4: weights["input.input"].shape[1]}
        while (key := f"convs.{2 * len(channels) - 2}.conv.weight") in weights:
            channels[2 ** (len(channels) + 2)] = weights[key].shape[1]
        style_dim = weights["conv1.conv.modulation.weight"].shape[1]
    except (KeyError, IndexError) as e:
        raise WeightsError(f"not the weights of a StyleGAN2 generator: {e} is missing") from e
    mapping_layers = sum(bool(re.fullmatch(r"style\.\d+\.weight", key)) for key in weights)
    if len(channels) < 2:
        raise WeightsError("not a complete StyleGAN2 generator: it ends at 4 px")
    if max(channels) > _LARGEST_PX:
        # A few bytes of keys would ask for noise maps of terabytes.
        raise WeightsError(
            f"a generator of {max(channels)} px; accepted are up to {_LARGEST_PX} px"
        )
    return GeneratorFacts(max(channels), style_dim, mapping_layers, channels)


def from_ada(weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Tensor | None]:
    """Return (complete rosinality state dict, w_avg or None) for an ADA state dict.

    Raises:
        WeightsError: the generator is conditional, its filter is not [1, 3, 3, 1], or a key is
            missing or not known.
    """
    if any(key.startswith("mapping.embed.") for key in weights):
        raise WeightsError(
            "a conditional generator (it has `mapping.embed`); only unconditional ones, like those "
            "for faces, are supported"
        )
    for key in weights:
        if key.endswith("resample_filter"):
            check_kernel(key, weights[key], gain=1.0)
    levels = 2 + sum(bool(re.fullmatch(r"synthesis\.b\d+\.conv0\.weight", k)) for k in weights)
    depth = sum(bool(re.fullmatch(r"mapping\.fc\d+\.weight", k)) for k in weights)
    table = _correspondence(levels, depth)
    ignored = {k for k in weights if k.endswith("resample_filter")} | {"mapping.w_avg"}
    _check_names(set(weights) - ignored, {pair.ada for pair in table})
    converted = {pair.rosinality: pair.to_rosinality(weights[pair.ada]) for pair in table}
    return completed(converted), weights.get("mapping.w_avg")


def completed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return float32 weights with what files may leave out: fixed filters and noise maps.

    Early training files have no noise maps; they get maps drawn from a fixed seed, so that a video
    still has the same grain in every frame.
    """
    full = {key: value.float() for key, value in weights.items()}
    facts = facts_of(full)
    generator = torch.Generator().manual_seed(0)
    for key, shape in expected_shapes(lambda: _generator(facts)).items():
        if key not in full and key.endswith(_KERNEL_SUFFIXES):
            full[key] = binomial_kernel(4.0)
        elif key not in full and key.startswith("noises."):
            full[key] = torch.randn(shape, generator=generator)
    return full


def check_kernel(key: str, kernel: Tensor, *, gain: float) -> None:
    """Refuse a stored filter that is not outer([1, 3, 3, 1]) scaled to sum `gain`.

    Raises:
        WeightsError: it is another filter.
    """
    if not is_binomial(kernel, gain):
        raise WeightsError(f"{key} {NOT_BINOMIAL.format(gain=gain)}")


@dataclass(frozen=True, slots=True)
class _Pair:
    """One tensor under both names; rosinality's has singleton dimensions before and after."""

    ada: str
    rosinality: str
    before: int = 0
    after: int = 0

    def to_rosinality(self, value: Tensor) -> Tensor:
        return value.reshape((1,) * self.before + tuple(value.shape) + (1,) * self.after)


def _correspondence(levels: int, mapping_layers: int) -> list[_Pair]:
    """Return every tensor of a generator whose pictures are 2^levels px wide."""
    pairs = [_Pair("synthesis.b4.const", "input.input", 1)]
    for i in range(mapping_layers):
        pairs += [_Pair(f"mapping.fc{i}.{x}", f"style.{i + 1}.{x}") for x in ("weight", "bias")]
    pairs += _convolution("synthesis.b4.conv1", "conv1", 0)
    pairs += _to_rgb("synthesis.b4.torgb", "to_rgb1")
    for block in range(levels - 2):
        ada = f"synthesis.b{2 ** (block + 3)}"
        for half in (0, 1):
            index = 2 * block + half
            pairs += _convolution(f"{ada}.conv{half}", f"convs.{index}", index + 1)
        pairs += _to_rgb(f"{ada}.torgb", f"to_rgbs.{block}")
    return pairs


def _convolution(ada: str, rosinality: str, noise: int) -> list[_Pair]:
    return [
        *_modulated(ada, rosinality),
        _Pair(f"{ada}.noise_strength", f"{rosinality}.noise.weight", 1),
        _Pair(f"{ada}.noise_const", f"noises.noise_{noise}", 2),
        _Pair(f"{ada}.bias", f"{rosinality}.activate.bias"),
    ]


def _to_rgb(ada: str, rosinality: str) -> list[_Pair]:
    return [*_modulated(ada, rosinality), _Pair(f"{ada}.bias", f"{rosinality}.bias", 1, 2)]


def _modulated(ada: str, rosinality: str) -> list[_Pair]:
    return [
        _Pair(f"{ada}.weight", f"{rosinality}.conv.weight", 1),
        _Pair(f"{ada}.affine.weight", f"{rosinality}.conv.modulation.weight"),
        _Pair(f"{ada}.affine.bias", f"{rosinality}.conv.modulation.bias"),
    ]


def _flat_generator(content: Mapping[str, object]) -> dict[str, Tensor]:
    """Return the tensors of the generator, unwrapped."""
    inside: Mapping[str, object] = content
    if layout_of(content) is None:
        held = (content.get(holder) for holder in (*_HOLDERS, "g", "G", "generator", "netG"))
        inside = next((h for h in held if isinstance(h, Mapping)), content)
    if layout_of(inside) is None:
        inside = {
            key.removeprefix("decoder."): value
            for key, value in inside.items()
            if key.startswith("decoder.")
        }
    return {key: value for key, value in inside.items() if isinstance(value, Tensor)}


def _generator(facts: GeneratorFacts) -> Generator:
    return Generator(
        facts.size,
        style_dim=facts.style_dim,
        mapping_layers=facts.mapping_layers,
        channels=facts.channels,
    )


def _check_names(found: set[str], expected: set[str]) -> None:
    complaints = [
        f"{len(names)} {what} ({_some(names)})"
        for names, what in ((expected - found, "missing"), (found - expected, "not known"))
        if names
    ]
    if complaints:
        raise WeightsError(
            f"not a complete StyleGAN2 generator in the ADA layout: keys "
            f"{' and '.join(complaints)}; bring the unchanged published file"
        )


def _fits(average: object, facts: GeneratorFacts) -> bool:
    if not isinstance(average, Tensor):
        return False
    layers = 2 * (facts.size.bit_length() - 2)
    return tuple(average.shape) in ((facts.style_dim,), (layers, facts.style_dim))


def _some(names: Iterable[str]) -> str:
    shown = sorted(names)
    more = f", … {len(shown) - _NAMES_SHOWN} more" if len(shown) > _NAMES_SHOWN else ""
    return ", ".join(shown[:_NAMES_SHOWN]) + more
