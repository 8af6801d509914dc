"""Recognise generators and the encoders, alone or merged in one file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from torch import Tensor

from .. import encoders
from ..base import WeightsError
from ..encoders import KINDS, EncoderShape, Kind
from ..encoders.hyperstyle import without_aliases
from ..encoders.last_layer import HairstyleEncoder
from ..packs.generator_id import generator_id
from ..packs.parts import HAIRSTYLE, NVIDIA, RESEARCH, UNKNOWN, Facts, Part
from ..state_dicts import fill
from ..stylegan2 import layouts
from ..stylegan2.net import default_channels
from .found import KEYS_SHOWN, Found, State, below, stated, tensors_of

_ENCODER_NAMES: Final[Mapping[Kind, str]] = {
    "psp": "pSp encoder",
    "e4e": "e4e encoder",
    "restyle-psp": "ReStyle encoder over pSp",
    "restyle-e4e": "ReStyle encoder over e4e",
    "w": "W encoder",
    "w+": "W+ encoder",
}


def merged(found: Found) -> tuple[Part, ...]:
    """pSp and its relatives: an encoder and the generator it was trained for, in one file."""
    inside = found.content.get("state_dict", found.content)
    if not isinstance(inside, Mapping):
        return ()
    state = tensors_of(inside)
    parts = {prefix: below(state, prefix) for prefix in ("encoder.", "hypernet.", "decoder.")}
    encoder_state, hypernet, decoder = parts.values()
    if not encoder_state and not hypernet:
        return ()
    strange = [key for key in state if not key.startswith(tuple(parts))]
    if strange:
        raise WeightsError(
            f"{len(strange)} tensors are left over beside `encoder.` and `decoder.`: "
            f"{', '.join(strange[:KEYS_SHOWN])}"
        )
    result: list[Part] = []
    opts = found.content.get("opts", {})
    opts = opts if isinstance(opts, Mapping) else {}
    average = found.content.get("latent_avg")
    if any(key.startswith("encoder_hair.") for key in encoder_state):
        result.append(_hairstyle(encoder_state))
    elif encoder_state:
        kind = found.hints.kind or encoders.kind_of(opts)
        result.append(encoder_part(encoder_state, kind, average, opts))
    if hypernet:
        result.append(_hypernetwork(hypernet))
    if decoder:
        result.append(_generator_part({"state_dict": state, "latent_avg": average}))
        identity = result[-1].facts.generator
        result = [replace(p, facts=replace(p.facts, generator=identity)) for p in result]
    used = ("state_dict", "opts", "latent_avg")
    aside = tuple(
        str(key) for key in found.content if key not in used and inside is not found.content
    )
    return tuple(replace(part, left_aside=aside) for part in result)


def generator(found: Found) -> tuple[Part, ...]:
    """Return a bare StyleGAN generator, if the file holds one."""
    holders = [found.content, *(v for v in found.content.values() if isinstance(v, Mapping))]
    decoder = any(key.startswith("decoder.") for h in holders for key in h)
    if not decoder and not any(layouts.layout_of(holder) for holder in holders):
        return ()
    part = _generator_part(found.content)
    used = ("g_ema", "G_ema", "state_dict", "latent_avg")
    beside = {} if layouts.layout_of(found.content) else found.content
    aside = [str(key) for key in beside if key not in used and not str(key).startswith("decoder.")]
    return (replace(part, left_aside=tuple(aside)),)


def _generator_part(content: Mapping[str, Any]) -> Part:
    weights = layouts.find_generator(content)
    facts = layouts.facts_of(weights.tensors)
    tensors = dict(weights.tensors)
    if weights.w_avg is not None:
        tensors["latent_avg"] = weights.w_avg
    published = facts.channels == default_channels(facts.size)
    return Part(
        "generator",
        f"StyleGAN2 generator, {facts.size} px ({weights.layout} layout)",
        f"stylegan2-{facts.size}",
        tensors,
        NVIDIA if published else UNKNOWN,
        Facts(
            size=facts.size,
            layers=2 * len(facts.channels),
            code=facts.style_dim,
            generator=generator_id(tensors),
        ),
    )


def encoder_part(
    state: State,
    kind: str,
    average: Any,
    opts: Mapping[str, Any],
    measures: EncoderShape | None = None,
) -> Part:
    """Return the part of an encoder's state dict, checked by filling the network.

    Args:
        state: keys without a prefix.
        kind: which encoder.
        average: the mean code, if the file has it.
        opts: options of the training.
        measures: of an encoder that is not of the published size.

    Raises:
        WeightsError: the keys or shapes are not those of that kind.
    """
    chosen: Kind | None = next((k for k in KINDS if k == kind), None)
    if chosen is None:
        raise WeightsError(f"unknown encoder kind {kind!r}; accepted: {', '.join(KINDS)}")
    rows = encoders.layers_of(opts)
    network = encoders.load(state, kind=chosen, measures=measures, layers=rows)
    tensors = dict(state)
    rows = 0 if chosen == "w" else network.layers  # one row, repeated for any generator
    if isinstance(average, Tensor):
        _check_average(average, rows, network.measures.code)
        tensors["latent_avg"] = average.float()
    return Part(
        "encoder",
        f"{_ENCODER_NAMES[chosen]}, {network.size} px to {rows or 'one'} row{'s' * (rows > 1)}",
        f"{chosen.replace('+', 'plus')}-encoder",
        tensors,
        RESEARCH,
        Facts(
            size=network.size,
            layers=rows,
            code=network.measures.code,
            kind=chosen,
            channels=network.channels,
            widths=measures.trunk.widths if measures is not None else (),
            units=measures.trunk.units if measures is not None else (),
            start_from_latent_avg=bool(opts.get("start_from_latent_avg", True)),
        ),
    )


def _check_average(average: Tensor, rows: int, code: int) -> None:
    found = tuple(average.shape)
    if found not in ((code,), (1, code), (rows or len(average), code)):
        raise WeightsError(
            f"latent_avg has shape {found}, expected ({code},) or ({rows or 'rows'}, {code})"
        )


def own_encoder(found: Found) -> tuple[Part, ...]:
    """An encoder trained by this program: its measures stand in the file's metadata."""
    texts, state = found.texts, tensors_of(found.content)
    average = state.pop("latent_avg", None)
    if not {"kind", "size", "widths", "units"} <= set(texts) or average is None:
        return ()
    kind = next((k for k in KINDS if k == texts["kind"]), None)
    if kind is None:
        raise WeightsError(f"unknown encoder kind {texts['kind']!r}; known: {', '.join(KINDS)}")
    measures = encoders.measures_of(
        kind,
        (average.shape[0], average.shape[1]),
        size=int(texts["size"]),
        widths=[int(text) for text in texts["widths"].split(",")],
        units=[int(text) for text in texts["units"].split(",")],
    )
    part = encoder_part(state, kind, average, {}, measures)
    facts = replace(part.facts, generator=texts.get("generator", ""))
    return (replace(part, facts=facts, licence=stated(texts)),)


def hypernetwork(found: Found) -> tuple[Part, ...]:
    """Return the hypernetwork of HyperStyle, if the file holds one."""
    state = tensors_of(found.content)
    return (_hypernetwork(state),) if "shared_weight_hypernet.w1" in state else ()


def _hypernetwork(state: State) -> Part:
    encoders.load_hypernetwork(state)
    once = without_aliases(state)
    return Part("hypernetwork", "HyperStyle hypernetwork", "hyperstyle", once, RESEARCH)


def _hairstyle(state: State) -> Part:
    fill(HairstyleEncoder, state, what="a hairstyle encoder")
    title = "hairstyle transfer encoder (face and hair)"
    return Part("hairstyle-encoder", title, "hairstyle-encoder", state, HAIRSTYLE)
