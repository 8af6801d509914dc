"""Which encoder a checkpoint holds, said by its options, and how to build it.

pSp and e4e files have the same keys and shapes, and so have the two ReStyle variants: a file of one
loads into the other without an error and gives garbage. So the kind is read from
`opts.encoder_type`, never guessed from the keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

from torch import Tensor

from ..base import WeightsError
from ..ops.irse import TrunkShape
from ..state_dicts import fill
from .blocks import Encoder, EncoderShape
from .e4e import Encoder4Editing
from .last_layer import WEncoder, WPlusEncoder
from .psp import GradualStyleEncoder
from .restyle import BackboneEncoder, ProgressiveBackboneEncoder

Kind = Literal["psp", "e4e", "restyle-psp", "restyle-e4e", "w", "w+"]
KINDS: tuple[Kind, ...] = get_args(Kind)

BY_ENCODER_TYPE: dict[str, Kind] = {
    "GradualStyleEncoder": "psp",
    "Encoder4Editing": "e4e",
    "BackboneEncoder": "restyle-psp",
    "ProgressiveBackboneEncoder": "restyle-e4e",
    "BackboneEncoderUsingLastLayerIntoW": "w",
    "SingleStyleCodeEncoder": "w",
    "WEncoder": "w",
    "BackboneEncoderUsingLastLayerIntoWPlus": "w+",
}
"""`opts.encoder_type` in published files -> kind."""

_CLASSES: dict[Kind, Callable[[EncoderShape], Encoder]] = {
    "psp": GradualStyleEncoder,
    "e4e": Encoder4Editing,
    "restyle-psp": BackboneEncoder,
    "restyle-e4e": ProgressiveBackboneEncoder,
    "w": WEncoder,
    "w+": WPlusEncoder,
}

_INPUT_KEY = "input_layer.0.weight"


def kind_of(opts: Mapping[str, object]) -> Kind:
    """Return the kind that the options of a checkpoint name.

    Args:
        opts: the `opts` of the file.

    Raises:
        WeightsError: `encoder_type` is missing or not one of the published ones.
    """
    known = ", ".join(sorted(BY_ENCODER_TYPE))
    named = opts.get("encoder_type")
    if named is None:
        raise WeightsError(
            "the checkpoint's opts name no encoder_type, and pSp and e4e files have the same keys; "
            f"say which kind it is with --kind ({', '.join(KINDS)}), or add it ({known})"
        )
    if not isinstance(named, str) or named not in BY_ENCODER_TYPE:
        raise WeightsError(f"encoder_type {named!r} is not supported; known are {known}")
    return BY_ENCODER_TYPE[named]


def layers_of(opts: Mapping[str, object]) -> int:
    """Return the W+ rows of the generator that the options name; 18 (1024 px) where they name none.

    pSp says `output_size`, e4e `stylegan_size`; older pSp files say neither.

    Raises:
        WeightsError: the side is not a power of two from 8 to 1024.
    """
    side = opts.get("output_size", opts.get("stylegan_size"))
    side = 1024 if side is None else side
    if not isinstance(side, int) or side not in {1 << k for k in range(3, 11)}:
        raise WeightsError(
            f"the checkpoint's opts name a generator of {side!r} px; accepted are 8, 16, … 1024"
        )
    return 2 * side.bit_length() - 4


def measures_of(
    kind: Kind,
    codes: tuple[int, int],
    *,
    size: int = 256,
    widths: Sequence[int] = TrunkShape().widths,
    units: Sequence[int] = TrunkShape().units,
    reduction: int = 16,
) -> EncoderShape:
    """Return the measures of an encoder from plain numbers, as files state them.

    Args:
        kind: which encoder; the ReStyle kinds take 6 channels.
        codes: rows and width of a code.
        size: side of its input, px.
        widths: channels of the stem and of the four stages.
        units: residual units per stage.
        reduction: how much narrower the squeeze is than its stage.

    Raises:
        WeightsError: not 5 widths and 4 units.
    """
    if len(widths) != 5 or len(units) != 4:
        raise WeightsError(
            f"an encoder has 5 widths and 4 units, got {list(widths)} and {list(units)}"
        )
    trunk = TrunkShape(
        channels=6 if kind.startswith("restyle") else 3,
        widths=(widths[0], widths[1], widths[2], widths[3], widths[4]),
        units=(units[0], units[1], units[2], units[3]),
        reduction=reduction,
    )
    return EncoderShape(size, *codes, trunk)


def untrained(kind: Kind, measures: EncoderShape | None = None) -> Encoder:
    """Return an untrained encoder; of the published measures if none are given. The ReStyle kinds
    always take 6 channels."""
    return _CLASSES[kind](measures or EncoderShape())


def load(
    state: Mapping[str, Tensor],
    *,
    kind: Kind,
    measures: EncoderShape | None = None,
    layers: int = 18,
) -> Encoder:
    """Return the encoder of a state dict (keys without the prefix `encoder.`), ready to run.

    Args:
        state: key -> tensor.
        kind: which encoder, from `kind_of(opts)`.
        measures: its measures; None = the published ones with the layers and input channels that
            the tensors show.
        layers: W+ rows of a W head, whose tensors do not show them; see `layers_of`.

    Raises:
        WeightsError: keys or shapes are not those of that kind.
    """
    if measures is None:
        rows = {key.split(".")[1] for key in state if key.startswith("styles.")}
        first = state.get(_INPUT_KEY)
        channels = 3 if first is None or first.dim() != 4 else first.shape[1]
        measures = EncoderShape(
            layers=len(rows) or _rows_of_head(state, layers), trunk=TrunkShape(channels=channels)
        )
    shape = measures
    return fill(lambda: _CLASSES[kind](shape), state, what=f"a {kind} encoder")


def _rows_of_head(state: Mapping[str, Tensor], layers: int) -> int:
    """Rows of a last-layer head: its linear layer makes all of them, or one for `layers`."""
    linear = state.get("linear.weight")
    if linear is None or linear.dim() != 2 or "output_layer_2.3.weight" not in state:
        return layers
    return max(1, linear.shape[0] // linear.shape[1])
