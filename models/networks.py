"""Network families by the names of their folders, and opening one network by its role.

A family is a folder of `models` with a `files.py`, which says itself what its files look like; so
adding one is adding one folder:

    models/<family>/__init__.py
    models/<family>/files.py            `build(state)`, to be opened by name; to be imported by
                                        `visagist models import` too, all of `Family`
    models/<family>/weights.toml        cards of weights that ship with it, if any do
    models/<family>/<name>.safetensors  those weights

Folders that were added to the package's path count as those of the program do.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Protocol

from torch import Tensor, nn

from . import weights
from .base import WeightsError
from .home import default_home
from .packs.store import Store
from .parts import Contents, Part
from .weights import WeightCard, load_safetensors


class Family(Protocol):
    """What the `files.py` of a family holds."""

    KNOWN: str
    """What is recognised, in words, for messages."""
    ROLES: tuple[str, ...]
    """What its networks are for, as their cards in the user's store say it."""

    def detect(self, contents: Contents) -> bool:
        """Return whether a file holds something of this family, by keys alone."""
        ...

    def parts(self, contents: Contents) -> tuple[Part, ...]:
        """Return what `detect` has seen, each with its licence and facts, checked by filling it.

        Raises:
            WeightsError: it is incomplete, or does not say something that is needed.
        """
        ...

    def build(self, state: Mapping[str, Tensor]) -> nn.Module:
        """Return the network of a state dict, in evaluation mode.

        Raises:
            WeightsError: keys or shapes are not those of the network.
        """
        ...


def families() -> dict[str, Any]:
    """Return the `files` module of every family by the folder's name, in the order of the names.

    `Any`, because not every one of them has all that `Family` lists.
    """
    package = importlib.import_module(__package__)
    folders = sorted(info.name for info in pkgutil.iter_modules(package.__path__) if info.ispkg)
    modules = {name: f"{__package__}.{name}.files" for name in folders}
    return {n: importlib.import_module(m) for n, m in modules.items() if find_spec(m)}


def find_weights(role: str, *, name: str = "") -> WeightCard:
    """Return where the weights of a network are and what is known of them.

    Args:
        role: the folder of its family, e.g. "arcface".
        name: which weights, where there are several: as `visagist models` lists them.

    Raises:
        WeightsError: there is no such family, or not exactly one such weight file, neither among
            those that ship with it nor in the user's store.
    """
    module = _family(role)
    shipped = [c for c in weights.embedded().values() if c.family == role]
    cards = [c for c in shipped if name in ("", c.name)] or _stored(role, module, name)
    if len(cards) == 1:
        return cards[0]
    if not cards:
        what = f"weights {name!r} of {role!r}" if name else f"weights of {role!r}"
        raise WeightsError(
            f"there are no {what}: none ship with the program, and none were imported; bring them: "
            "visagist models import FILE"
        )
    names = ", ".join(card.name for card in cards)
    raise WeightsError(f"there are several weights of {role!r} ({names}); say which by its name")


def open_network(role: str, *, name: str = "") -> nn.Module:
    """Return a network by its role, on the CPU, in evaluation mode, frozen.

    Weights that ship with the family come first, then those in the user's store. They are read as
    tensors only, after their SHA-256 was compared with the card's.

    Args:
        role: the folder of its family, e.g. "arcface".
        name: which weights, where there are several.

    Raises:
        WeightsError: as `find_weights`; or the file is missing, damaged, not the one expected, or
            holds no network that runs on its own.
    """
    module, card = _family(role), find_weights(role, name=name)
    tensors, _ = load_safetensors(card.path, expected_sha256=card.sha256)
    if not hasattr(module, "build"):
        raise WeightsError(f"{role!r} is no network that runs on its own")
    network: nn.Module = module.build(tensors)
    return network.eval().requires_grad_(False)


def _family(role: str) -> Any:
    """Return the `files` module of one family, without importing the others."""
    module = f"{__package__}.{role}.files"
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as e:
        if e.name is None or not f"{module}.".startswith(f"{e.name}."):
            raise  # the family is there, and lacks a library
        raise WeightsError(
            f"there is no network family {role!r}; there are {', '.join(families())}"
        ) from e


def _stored(role: str, module: Any, name: str) -> list[WeightCard]:
    store = Store(default_home())
    roles = getattr(module, "ROLES", (role,))
    return [
        WeightCard(
            name=card.name,
            family=role,
            path=store.path_of(card.name),
            sha256=card.sha256,
            use=card.title,
            source=card.source,
            licence=card.licence.name,
            commercial=card.licence.commercial,
        )
        for card in store.cards(damaged_too=False).values()
        if card.role in roles and name in ("", card.name)
    ]
