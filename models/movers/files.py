"""Files of movers of any kind: the tensors that its `build` takes, with what they are in the text
metadata. The older kinds have layouts of their own, and keep them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from ..attributes import Attribute
from ..base import WeightsError
from ..ops.codes import LayerRange
from ..parts import Contents, Facts, Part, below, plain_name, row_range, row_text
from ..weights import save_safetensors
from ._kept import Kept
from ._kinds import Kind, Material, kinds

KNOWN = "movers of any kind (models.movers.files)"
ROLES = ("mover",)

FORMAT: Final = "mover-1"
PREFIX: Final = "mover."
"""Of every key, so that no other family takes them for its own."""


@dataclass(frozen=True, slots=True)
class MoverFacts:
    """What a file says of its mover."""

    kind: str
    """Name of its kind."""
    attribute: str
    """As in `--attr`."""
    rows: int
    """L of the codes it moves."""
    width: int
    """D of the codes it moves."""
    generator: str
    """Id of the generator whose codes they are, as `visagist models` shows it."""
    summary: str = ""
    """What strength +1 does, in one line."""
    low: float = -3.0
    """Lowest useful strength."""
    high: float = 3.0
    """Highest useful strength."""
    unit: float = 1.0
    """What the strength is multiplied with."""
    window: LayerRange | None = None
    """Rows that move; None: the kind decides."""
    licence: str = ""


def save_mover(path: Path, tensors: Mapping[str, Tensor], facts: MoverFacts) -> None:
    """Write a mover, to be brought with `visagist models import PATH --as PACK`.

    Raises:
        WeightsError: it names no generator, or the file cannot be written.
    """
    if not facts.generator:
        raise WeightsError("a mover needs the id of its generator: that of its codes")
    texts = {
        "format": FORMAT,
        "kind": facts.kind,
        "attribute": facts.attribute,
        "codes": f"{facts.rows}x{facts.width}",
        "generator": facts.generator,
        "summary": facts.summary,
        "range": f"{facts.low!r}:{facts.high!r}",
        "unit": repr(facts.unit),
        "rows": row_text(facts.window),
        "licence": facts.licence,
    }
    save_safetensors(path, {f"{PREFIX}{key}": value for key, value in tensors.items()}, texts)


def detect(contents: Contents) -> bool:
    """Return whether a file is what `save_mover` writes."""
    return contents.texts.get("format") == FORMAT


def parts(contents: Contents) -> tuple[Part, ...]:
    """Return the mover of a file that `detect` has approved; it is built and tried once.

    Raises:
        WeightsError: its kind is unknown, its texts are not complete, or it does not move codes.
    """
    texts = contents.texts
    try:
        rows, width = (int(number) for number in texts["codes"].split("x"))
        low, high = (float(number) for number in texts["range"].split(":"))
        unit, window = float(texts["unit"]), row_range(texts["rows"])
        kind, generator = texts["kind"], texts["generator"]
        name = plain_name(contents.hints.attribute or texts["attribute"])
    except (KeyError, ValueError) as e:
        raise WeightsError(
            f"its texts are not those of a mover ({e}); write it with movers.files.save_mover"
        ) from e
    tensors = {key: value for key, value in contents.tensors.items() if key.startswith(PREFIX)}
    attribute = Attribute(name, texts.get("summary", ""), low=low, high=high)
    own = {key: value.float() for key, value in below(tensors, PREFIX).items()}
    _try(build(kind, Material(own, name, rows, width, window, unit)), rows, width)
    facts = Facts(
        layers=rows,
        code=width,
        kind=kind,
        attribute=attribute,
        unit=unit,
        rows=window,
        generator=generator,
    )
    title = f"mover of the kind {kind} for {name}, codes of {rows} rows"
    return (Part("mover", title, f"{plain_name(kind)}-{name}", tensors, contents.licence, facts),)


def kind_of(name: str) -> Kind:
    """Return a kind of mover.

    Raises:
        WeightsError: there is none of that name here.
    """
    known = kinds()
    if name not in known:
        raise WeightsError(
            f"nothing here makes movers of the kind {name!r}; there are {', '.join(known)}. "
            "Install the package that brings it, or put its file into models/movers"
        )
    return known[name]


def build(kind: str, material: Material) -> Kept:
    """Return a mover of a kind.

    Raises:
        WeightsError: the kind is unknown, or its tensors are not what it is made of.
    """
    module = kind_of(kind)
    try:
        mover = module.build(material)
        if isinstance(mover, nn.Module):
            mover = mover.eval().requires_grad_(requires_grad=False)
        return Kept(mover, material.window)
    except (RuntimeError, KeyError, TypeError, IndexError) as e:
        raise WeightsError(f"no mover of the kind {kind!r} can be made of it: {e}") from e


def _try(mover: Kept, rows: int, width: int) -> None:
    w = torch.linspace(-1, 1, 2 * rows * width).view(2, rows, width)
    with torch.inference_mode():
        try:
            moved = mover(w, torch.tensor([1.0, 0.0]))
        except (RuntimeError, TypeError, IndexError) as e:
            raise WeightsError(f"it does not move codes of {rows} rows of {width}: {e}") from e
    if not moved.isfinite().all():
        raise WeightsError("it makes codes that are no finite numbers")
