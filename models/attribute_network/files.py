"""Save and load networks of both kinds, with what must be known to measure them fairly."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

import torch
from torch import Tensor

from ..base import ModelError, WeightsError
from ..weights import load_safetensors, save_safetensors
from .network import TASKS, AttributeNetwork, Task
from .published import Published
from .views import Views

Kind = Literal["published", "grown"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
LICENCE: Final = "CC BY-NC-SA 4.0"
_FORMAT: Final = "attribute-network-1"


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained network and where it comes from."""

    network: Published | AttributeNetwork
    kind: Kind
    task: Task
    faces: frozenset[str]
    """It was trained on."""
    layout: str
    """Of the turntable it was trained on: `layout_of`."""
    digest: str
    """Of its weights."""


def layout_of(views: Views) -> str:
    """Return a short hash of a turntable's yaws and lights: what attributes mean there."""
    numbers = [np_array.tolist() for np_array in (views.yaw_deg, views.lights)]
    return hashlib.sha256(json.dumps(numbers).encode()).hexdigest()[:16]


def save_trained(
    path: Path, network: Published | AttributeNetwork, task: Task, views: Views, recipe: str
) -> None:
    """Write a network; a grown-up one in half precision."""
    kind: Kind = "published" if isinstance(network, Published) else "grown"
    state = dict(network.state_dict())
    if kind == "grown":
        state = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    texts = {
        "format": _FORMAT,
        "kind": kind,
        "task": task,
        "faces": json.dumps(views.train),
        "layout": layout_of(views),
        "turntable": views.digest,
        "recipe": recipe,
        "licence": LICENCE,
    }
    save_safetensors(path, state, texts)


def load_trained(path: Path) -> Trained:
    """Return a network that `train` has written.

    Raises:
        WeightsError: the file cannot be read, or holds something else.
    """
    state, texts = load_safetensors(path)
    kind, task = texts.get("kind"), texts.get("task")
    if texts.get("format") != _FORMAT or kind not in KINDS or task not in TASKS:
        raise WeightsError(
            f"{path} holds no attribute network; expected what `train` wrote with --out (not the "
            "checkpoint of an unfinished run)"
        )
    network = build_published(state) if kind == "published" else build(state)
    return Trained(
        network=network.eval().requires_grad_(False),
        kind="published" if kind == "published" else "grown",
        task=TASKS[TASKS.index(task)],
        faces=frozenset(json.loads(texts["faces"])),
        layout=texts["layout"],
        digest=_digest(state),
    )


def check_fair(trained: Trained, path: Path, views: Views) -> None:
    """Make sure that a network can be measured on a turntable's test faces.

    Raises:
        ModelError: it was trained on one of them, or its attributes mean something else here.
    """
    if trained.layout != layout_of(views):
        raise ModelError(
            f"{path} was trained on a turntable with other yaws or lights than {views.folder}: "
            "its attributes mean something else there; measure it on one made with the same "
            "options"
        )
    if seen := sorted(trained.faces & {*views.test}):
        raise ModelError(
            f"{path} was trained on {len(seen)} of the faces that {views.folder} keeps for the "
            f"test ({', '.join(seen[:3])}); train it on the turntable's own split"
        )


def build_published(state: Mapping[str, Tensor]) -> Published:
    """Return the published network of a state dict.

    Raises:
        WeightsError: keys or shapes are not those of the network.
    """
    try:
        network = Published(state["first.attribute.0.weight"].shape[1])
        network.load_state_dict(state)
    except (RuntimeError, KeyError, IndexError) as e:
        raise WeightsError(f"this is no published attribute network: {e}") from e
    return network


def build(state: Mapping[str, Tensor]) -> AttributeNetwork:
    """Return the grown-up network of a state dict, in evaluation mode.

    Raises:
        WeightsError: keys or shapes are not those of the network.
    """
    try:
        network = AttributeNetwork(TASKS[int(state["task_number"])])
        network.load_state_dict(
            {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
        )
    except (RuntimeError, KeyError, IndexError) as e:
        raise WeightsError(f"this is no attribute network: {e}") from e
    return network.eval().requires_grad_(False)


def _digest(state: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for key in sorted(state):
        digest.update(key.encode())
        digest.update(state[key].contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
