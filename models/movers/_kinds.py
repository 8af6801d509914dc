"""What a kind of mover is, and which kinds there are."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Final, Protocol

import torch
from torch import Tensor

from ..base import ModelError
from ..ops.codes import LayerRange

NEEDED: Final = "it needs `SPEC` (a MoverSpec) and `build(material)`"
"""What a module of a kind has to have."""


class Mover(Protocol):
    """What a kind builds: a `torch.nn.Module`, or anything with these two."""

    def __call__(self, w: Tensor, strength: Tensor) -> Tensor:
        """Return (N, L, D) codes from w (N, L, D) and strength (N,), of each code by itself."""
        ...

    def to(self, device: torch.device) -> Mover:
        """Return the same mover on a device."""
        ...


@dataclass(frozen=True, slots=True)
class MoverSpec:
    """The declaration of one kind."""

    name: str
    """As in `--editor mlp` and `--attr mlp:smile=1`, and in `pack.toml`."""
    summary: str
    numbered: bool = False
    """Whether its attributes are numbers, `NAME:3`: any that `build` makes, though packs list
    none."""
    of_generator: bool = False
    """Whether it is made of the generator's own weights, so that no file of it is needed."""


@dataclass(frozen=True, slots=True, repr=False)
class Material:
    """What a mover is made of."""

    tensors: Mapping[str, Tensor]
    """Those of its file, float32, on the CPU; of a kind made of the generator, the generator's."""
    attribute: str
    rows: int
    """L of the codes it is to move."""
    width: int
    """D of the codes it is to move."""
    window: LayerRange | None = None
    """Rows that move, the first and one past the last, if the file or the user says so."""
    unit: float = 1.0
    """What the strength is multiplied with."""
    component: int = 0
    """Its number, of a kind whose attributes are numbered."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: its declaration, and what builds a mover of it."""

    spec: MoverSpec
    build: Callable[[Material], Mover]


_ADDED: Final[dict[str, Kind]] = {}
"""Kinds of other packages."""


def kinds() -> dict[str, Kind]:
    """Return every kind by name: those of this folder in the order of their files, then those that
    were added."""
    package = importlib.import_module(__package__)
    names = sorted(m.name for m in pkgutil.iter_modules(package.__path__))
    own = [
        importlib.import_module(f"{__package__}.{name}")
        for name in names
        if not name.startswith("_") and name != "files"
    ]
    found = {kind.spec.name: kind for kind in map(_checked, own)}
    return found | {name: kind for name, kind in _ADDED.items() if name not in found}


def add(module: ModuleType) -> None:
    """Add the kind of another package's module; adding it again changes nothing.

    Raises:
        ModelError: it declares none, or there is another of that name.
    """
    kind = _checked(module)
    known = kinds().get(kind.spec.name)
    if known is not None and known.build is not kind.build:
        raise ModelError(f"there is another kind of mover called {kind.spec.name!r}")
    _ADDED[kind.spec.name] = kind


def _checked(module: ModuleType) -> Kind:
    spec, build = getattr(module, "SPEC", None), getattr(module, "build", None)
    if not isinstance(spec, MoverSpec) or not callable(build):
        raise ModelError(f"{module.__name__} is no kind of mover: {NEEDED}")
    return Kind(spec, build)
