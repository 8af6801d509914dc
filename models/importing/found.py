"""What recognising works on: a file's content, its name, what it says of itself, what the user
said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from torch import Tensor

from ..base import WeightsError
from ..packs.parts import UNKNOWN, Licence

State = Mapping[str, Tensor]

KEYS_SHOWN: Final = 3
_TRAINING: Final = ("optim", "scheduler", "args", "ada_aug_p", "n_epoch", "opt_state", "step")


@dataclass(frozen=True, slots=True)
class Hints:
    """What the user says where a file says nothing."""

    attribute: str = ""
    """Of a latent transformer or direction."""
    kind: str = ""
    """Of an encoder."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file's content on its way to being recognised."""

    content: Mapping[str, Any]
    name: str
    """Of the file."""
    texts: Mapping[str, str]
    """Text metadata of a safetensors file."""
    hints: Hints


def tensors_of(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the tensors of a dict."""
    return {str(k): v for k, v in content.items() if isinstance(v, Tensor)}


def below(content: Mapping[str, Any], prefix: str) -> dict[str, Tensor]:
    """Return the tensors behind a prefix, without it."""
    return {
        k.removeprefix(prefix): v for k, v in tensors_of(content).items() if k.startswith(prefix)
    }


def is_training(key: str) -> bool:
    """Return whether a key names what only the continuation of a training needs."""
    return any(word in key for word in _TRAINING)


def stated(texts: Mapping[str, str]) -> Licence:
    """Return the licence that a file of ours states."""
    return Licence(texts["licence"]) if texts.get("licence") else UNKNOWN


def plain_name(text: str) -> str:
    """Return a name as typed on the command line: `eye_distance` becomes `eye-distance`."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if not name:
        raise WeightsError(f"no attribute can be called {text!r}; give --attribute NAME")
    return name
