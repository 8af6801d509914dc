"""From a recognised file, or from the store, to the network it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from torch import Tensor, nn

from .. import arcface, bisenet, encoders
from ..base import WeightsError
from ..encoders import KINDS
from ..encoders.last_layer import HairstyleEncoder
from ..latent_transformer import WPlusClassifier, WPlusTransformer
from ..packs.parts import Part, Role
from ..reading.checkpoint import read_checkpoint
from ..state_dicts import fill
from ..stylegan2 import layouts
from .found import Hints
from .recognise import recognise


def open_file(path: Path, hints: Hints | None = None) -> tuple[nn.Module, ...]:
    """Return the networks of a published weight file, ready to run, without storing them.

    Raises:
        WeightsError: the file cannot be used, or holds no network.
    """
    return tuple(network_of(part) for part in recognise(read_checkpoint(path), hints))


def network_of(part: Part) -> nn.Module:
    """Return the network of a part, on the CPU, in evaluation mode.

    An encoder is returned as it is; what adds its mean code is `encoders.Inverter`.

    Raises:
        WeightsError: the part is no network of its own: a direction, LPIPS heads, a
            discriminator.
    """
    build = _BUILDERS.get(part.role)
    if build is None:
        raise WeightsError(f"{part.title} is no network that runs on its own")
    tensors = {key: value for key, value in part.tensors.items() if key != "latent_avg"}
    return build(tensors, part)


def _encoder(state: Mapping[str, Tensor], part: Part) -> nn.Module:
    facts = part.facts
    kind = next(k for k in KINDS if k == facts.kind)
    if not facts.widths:
        return encoders.load(state, kind=kind)
    measures = encoders.measures_of(
        kind, (facts.layers, facts.code), size=facts.size, widths=facts.widths, units=facts.units
    )
    return encoders.load(state, kind=kind, measures=measures)


def _identity(state: Mapping[str, Tensor], _: Part) -> nn.Module:
    is_arcface = "output_layer.4.weight" in state
    return arcface.load(state, arcface.ARCFACE if is_arcface else arcface.CURRICULARFACE)


_BUILDERS: Final[Mapping[Role, Callable[[Mapping[str, Tensor], Part], nn.Module]]] = {
    "generator": lambda state, _: layouts.build(layouts.completed(state)),
    "encoder": _encoder,
    "latent-transformer": lambda state, _: WPlusTransformer.from_state(state),
    "classifier": lambda state, _: WPlusClassifier.from_state(state),
    "parsing": lambda state, _: bisenet.load(state),
    "identity": _identity,
    "hypernetwork": lambda state, _: encoders.load_hypernetwork(state),
    "hairstyle-encoder": lambda state, _: fill(HairstyleEncoder, state, what="a hairstyle encoder"),
}
