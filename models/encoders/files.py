"""What files of encoders look like: alone, or behind `encoder.` beside their generator.

Keys alone do not tell a pSp from an e4e file, so the kind is read from the options beside them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from torch import Tensor

from ..base import WeightsError
from ..parts import KEYS_SHOWN, Contents, Facts, Licence, Part, below, tensors_of
from .blocks import Encoder, EncoderShape
from .kinds import BY_ENCODER_TYPE, KINDS, Kind, kind_of, layers_of, load, measures_of

KNOWN = "pSp, e4e and ReStyle encoders"
ROLES = ("encoder",)

LICENCE = Licence("research, non-commercial (trained with NVIDIA's StyleGAN2 and FFHQ)")

_PUBLISHED: Final = re.compile(r"(psp|e4e|restyle)_.*\.pt$|faces_w_encoder\.pt$")
"""How the published files are called; nothing in them says under which terms they come."""

_UNUSED: Final = ("hypernet.", "encoder.encoder_hair.")
_NAMES: Final[Mapping[Kind, str]] = {
    "psp": "pSp encoder",
    "e4e": "e4e encoder",
    "restyle-psp": "ReStyle encoder over pSp",
    "restyle-e4e": "ReStyle encoder over e4e",
    "w": "W encoder",
    "w+": "W+ encoder",
}


def detect(contents: Contents) -> bool:
    """Return whether a file holds an encoder."""
    return _is_merged(contents) or _is_ours(contents) or _is_bare(contents.tensors)


def parts(contents: Contents) -> tuple[Part, ...]:
    """Return the encoder of a file that `detect` has approved; not the generator beside it.

    Raises:
        WeightsError: keys or shapes are not those of the network, or its kind is not said.
    """
    if _is_merged(contents):
        return (_merged(contents),)
    if _is_ours(contents):
        return (_ours(contents),)
    state = contents.tensors
    kind = _chosen_kind(contents.hints.kind, _kind_of_head(state), contents.entries)
    return (replace(_encoder(state, kind, None, {}), licence=_licence(contents)),)


def build(state: Mapping[str, Tensor], kind: str = "") -> Encoder:
    """Return the encoder of a state dict, without its mean code.

    Args:
        state: key -> tensor, no prefix.
        kind: which encoder, where the keys do not tell (pSp and e4e have the same).

    Raises:
        WeightsError: keys or shapes are not those of the network, or the kind is not said.
    """
    state = {key: value for key, value in state.items() if key != "latent_avg"}
    return load(state, kind=_checked_kind(kind or _kind_of_head(state) or kind_of({})))


def _is_merged(contents: Contents) -> bool:
    return any(key.startswith(("encoder.", "hypernet.")) for key in _inside(contents))


def _is_ours(contents: Contents) -> bool:
    """Whether it was trained by this program: its measures stand in the file's metadata."""
    has_measures = {"kind", "size", "widths", "units"} <= set(contents.texts)
    return has_measures and "latent_avg" in contents.tensors


def _is_bare(state: Mapping[str, Tensor]) -> bool:
    """Whether an encoder is alone; face recognition has the same trunk, and an output layer."""
    has_trunk = {"input_layer.0.weight", "body.0.res_layer.0.weight"} <= set(state)
    return has_trunk and "output_layer.3.weight" not in state


def _kind_of_head(state: Mapping[str, Tensor]) -> str:
    """Return the kind that the keys of a W or W+ head tell; '' for the others."""
    if "linear.weight" not in state:
        return ""
    return "w+" if any(key.startswith("output_layer_2.") for key in state) else "w"


def _chosen_kind(asked: str, told: str, opts: Mapping[str, object]) -> str:
    """Return the kind of an encoder by what the user says, its keys tell, or its options name.

    Raises:
        WeightsError: they contradict each other, or nobody says it.
    """
    named = opts.get("encoder_type")
    if not told and isinstance(named, str) and named in BY_ENCODER_TYPE:
        told = BY_ENCODER_TYPE[named]
    if asked and told and asked != told:
        said = f"its encoder_type is {named!r}" if named else "its keys show that"
        raise WeightsError(
            f"a file of kind {told} ({said}), but --kind says {asked}: read as that it would give "
            "garbage; leave --kind out"
        )
    return asked or told or kind_of(opts)


def _licence(contents: Contents) -> Licence:
    """Return what a file states, or what its published name stands for."""
    if "licence" in contents.texts or not _PUBLISHED.match(contents.name.lower()):
        return contents.licence
    return LICENCE


def _checked_kind(name: str) -> Kind:
    for kind in KINDS:
        if kind == name:
            return kind
    raise WeightsError(f"unknown encoder kind {name!r}; accepted: {', '.join(KINDS)}")


def _inside(contents: Contents) -> dict[str, Tensor]:
    return tensors_of(contents.entries.get("state_dict", contents.content))


def _merged(contents: Contents) -> Part:
    """Return what stands beside a generator in one file: pSp and its relatives."""
    state, entries = _inside(contents), contents.entries
    if any(key.startswith(_UNUSED) for key in state):
        raise WeightsError("no command uses hypernetworks (HyperStyle) or hairstyle encoders yet")
    if strange := [key for key in state if not key.startswith(("encoder.", "decoder."))]:
        raise WeightsError(
            f"{len(strange)} tensors are left over beside `encoder.` and `decoder.`: "
            f"{', '.join(strange[:KEYS_SHOWN])}"
        )
    opts = entries.get("opts", {})
    opts = opts if isinstance(opts, Mapping) else {}
    kind = _chosen_kind(contents.hints.kind, "", opts)
    part = _encoder(below(state, "encoder."), kind, entries.get("latent_avg"), opts)
    used = ("state_dict", "opts", "latent_avg")
    aside = tuple(str(k) for k in entries if k not in used and "state_dict" in entries)
    return replace(part, left_aside=aside, licence=_licence(contents))


def _ours(contents: Contents) -> Part:
    texts, state = contents.texts, contents.tensors
    _chosen_kind(contents.hints.kind, texts["kind"], {})
    average = state.pop("latent_avg")
    measures = measures_of(
        _checked_kind(texts["kind"]),
        (average.shape[0], average.shape[1]),
        size=int(texts["size"]),
        widths=[int(text) for text in texts["widths"].split(",")],
        units=[int(text) for text in texts["units"].split(",")],
    )
    part = _encoder(state, texts["kind"], average, {}, measures)
    facts = replace(part.facts, generator=texts.get("generator", ""))
    return replace(part, facts=facts, licence=contents.licence)


def _encoder(
    state: Mapping[str, Tensor],
    kind: str,
    average: object,
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
    chosen = _checked_kind(kind)
    network = load(state, kind=chosen, measures=measures, layers=layers_of(opts))
    tensors = dict(state)
    rows = 0 if chosen == "w" else network.layers  # one row, repeated for any generator
    if isinstance(average, Tensor):
        _check_average(average, rows, network.measures.code)
        tensors["latent_avg"] = average.float()
    return Part(
        "encoder",
        f"{_NAMES[chosen]}, {network.size} px to {rows or 'one'} row{'s' * (rows > 1)}",
        f"{chosen.replace('+', 'plus')}-encoder",
        tensors,
        LICENCE,
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
    shape = tuple(average.shape)
    if shape not in ((code,), (1, code), (rows or len(average), code)):
        raise WeightsError(
            f"latent_avg has shape {shape}, expected ({code},) or ({rows or 'rows'}, {code})"
        )
