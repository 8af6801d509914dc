"""What weight files hold: a file's content on its way to being recognised, and the networks found
in it, with their licences.

Each family of networks says itself what its files look like, in `<family>/files.py`; `Contents` is
what it looks at, `Part` what it finds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from torch import Tensor

from .attributes import Attribute
from .base import WeightsError

ValueT = TypeVar("ValueT")

MOVERS: Final = frozenset(("latent-transformer", "direction", "pca", "portrait-movers", "mover"))
"""Roles that belong to the codes of one generator."""

IN_PACKS: Final = MOVERS | {"generator", "encoder", "classifier", "parsing"}
"""Roles that a pack has a place for; the others are used by training and evaluation."""

KEYS_SHOWN: Final = 3
_TRAINING: Final = ("optim", "scheduler", "args", "ada_aug_p", "n_epoch", "opt_state", "step")


@dataclass(frozen=True, slots=True)
class Hints:
    """What the user says where a file says nothing."""

    attribute: str = ""
    """Of a latent transformer or direction."""
    kind: str = ""
    """Of an encoder."""
    network: str = ""
    """Which of several, as a checkpoint of a training names them."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds, read but not yet understood."""

    content: Any
    """Usually a dict of tensors, of dicts and of facts; or one array."""
    name: str
    """Of the file."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Text metadata of a safetensors file."""
    hints: Hints = field(default_factory=Hints)

    @property
    def entries(self) -> Mapping[str, Any]:
        """The entries of a dict; none if the file holds something else."""
        return self.content if isinstance(self.content, Mapping) else {}

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The tensors of a flat dict."""
        return tensors_of(self.entries)

    @property
    def licence(self) -> Licence:
        """The licence that a file of ours states."""
        stated = self.texts.get("licence")
        return Licence(stated) if stated else UNKNOWN


def tensors_of(content: object) -> dict[str, Tensor]:
    """Return the tensors of a dict; none of anything else."""
    entries = content.items() if isinstance(content, Mapping) else ()
    return {str(key): value for key, value in entries if isinstance(value, Tensor)}


def below(state: Mapping[str, ValueT], prefix: str) -> dict[str, ValueT]:
    """Return what a state dict holds behind a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def is_training(key: str) -> bool:
    """Return whether a key names what only the continuation of a training needs."""
    return any(word in key for word in _TRAINING)


def row_range(text: str) -> tuple[int, int] | None:
    """Return the W+ rows that metadata state as `first:stop`; None where it states none."""
    first, _, stop = text.partition(":")
    return (int(first), int(stop)) if first and stop else None


def row_text(rows: tuple[int, int] | None) -> str:
    """Return W+ rows as metadata state them, for `row_range`."""
    return ":" if rows is None else f"{rows[0]}:{rows[1]}"


def plain_name(text: str) -> str:
    """Return a name as typed on the command line: `eye_distance` becomes `eye-distance`.

    Raises:
        WeightsError: nothing is left of it.
    """
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if not name:
        raise WeightsError(f"no attribute can be called {text!r}; give --attribute NAME")
    return name


@dataclass(frozen=True, slots=True)
class Licence:
    """Under which terms weights may be used."""

    name: str
    commercial: bool = False
    """Whether it allows commercial use; what is unknown counts as not allowed."""


UNKNOWN: Final = Licence("unknown, treat as non-commercial")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a network beside its tensors; only what applies is set."""

    size: int = 0
    """Side of the pictures it makes or takes, px."""
    layers: int = 0
    """Rows L of the W+ codes it makes, takes or moves; 0 if it takes any."""
    code: int = 0
    """Dimensions D of a row."""
    kind: str = ""
    """Which encoder, which trunk, which kind of mover."""
    channels: int = 3
    """Of the pictures an encoder takes."""
    widths: tuple[int, ...] = ()
    """Of an encoder's trunk, if not the published ones."""
    units: tuple[int, ...] = ()
    """Of an encoder's trunk, if not the published ones."""
    start_from_latent_avg: bool = True
    """Whether the mean code is added to an encoder's output."""
    attribute: Attribute | None = None
    """What it moves."""
    unit: float = 1.0
    """What the strength is multiplied with."""
    rows: tuple[int, int] | None = None
    """W+ rows that move."""
    inputs: int = 0
    """Numbers L·D of the codes a classifier reads."""
    components: int = 0
    """How many principal components it holds."""
    labels: tuple[str, ...] = ()
    """What a classifier's logits stand for, or the portrait's attributes that are moved."""
    generator: str = ""
    """Id of the latent space it belongs to."""


@dataclass(frozen=True, slots=True)
class Part:
    """One network found in a file: verified, in the keys this program uses."""

    role: str
    """What it is for; the families say which there are."""
    title: str
    """In words: "pSp encoder, 256 px to 18 rows"."""
    slug: str
    """Beginning of its name in the store."""
    tensors: Mapping[str, Tensor]
    licence: Licence = UNKNOWN
    facts: Facts = field(default_factory=Facts)
    left_aside: tuple[str, ...] = ()
    """What else the file holds that is of no use here (an optimizer's state)."""
