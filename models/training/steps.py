"""What every training run shares: steps that can be interrupted and go on bit for bit, and metrics.

Nothing random outlives a step: what a step draws follows from the seed and its number alone, so a
checkpoint holds only weights, the optimiser's state and the history. Checkpoints are safetensors
files: tensors and text, no code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..base import ModelError
from ..files import write_whole
from ..parts import below
from ..weights import load_safetensors, save_safetensors

_FORMAT = "training-checkpoint-1"


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is."""

    step: int
    """Steps done."""
    steps: int
    """Steps in all."""
    losses: Mapping[str, float]
    """Means since the last report."""


Report = Callable[[Progress], None]
"""Told how far a run is; may raise to stop it."""


@dataclass(slots=True)
class Job:
    """A run that can be interrupted: its networks, its optimisers, its recipe."""

    recipe: Mapping[str, object]
    """Everything that decides the result: options, seed, hash of the data. Stated in the checkpoint
    and compared when going on."""
    modules: Mapping[str, nn.Module]
    optimisers: Mapping[str, Optimizer]
    steps: int
    """Steps in all."""
    every: int
    """Steps between two reports and checkpoints."""
    checkpoint: Path | None = None
    """Where to save; None saves nowhere."""
    history: list[dict[str, float]] = field(default_factory=list)
    """Mean losses, one row per report."""

    def run(self, step: Callable[[int], Mapping[str, float]], report: Report) -> None:
        """Take all steps that are left, from the checkpoint if there is one.

        Args:
            step: takes one optimisation step, given its number from 0; returns its losses.
            report: is told after every `every` steps, when the checkpoint has been written.

        Raises:
            ModelError: the checkpoint is of another recipe, or a loss is not finite.
        """
        done = self._resume()
        sums: dict[str, float] = {}
        for number in range(done, self.steps):
            losses = step(number)
            _check_finite(losses, number)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value
            ended = number + 1
            if ended % self.every == 0 or ended == self.steps:
                count = ended - (number // self.every) * self.every
                row = {name: value / count for name, value in sums.items()}
                self.history.append({"step": ended, **row})
                sums = {}
                self._save(ended)
                report(Progress(ended, self.steps, row))

    def _save(self, done: int) -> None:
        if self.checkpoint is None:
            return
        tensors: dict[str, Tensor] = {}
        numbers: dict[str, Any] = {}
        for name, module in self.modules.items():
            tensors |= {f"module.{name}.{k}": v for k, v in module.state_dict().items()}
        for name, optimiser in self.optimisers.items():
            for index, state in optimiser.state_dict()["state"].items():
                for key, value in state.items():
                    where = f"optimiser.{name}.{index}.{key}"
                    if isinstance(value, Tensor):
                        tensors[where] = value
                    else:
                        numbers[where] = value
        texts = {
            "format": _FORMAT,
            "recipe": _text(self.recipe),
            "done": str(done),
            "numbers": json.dumps(numbers),
            "history": json.dumps(self.history),
        }
        save_safetensors(self.checkpoint, {k: v.clone() for k, v in tensors.items()}, texts)

    def _resume(self) -> int:
        """Load the checkpoint if there is one; return how many steps it has done."""
        if self.checkpoint is None or not self.checkpoint.exists():
            return 0
        tensors, texts = load_safetensors(self.checkpoint)
        if texts.get("format") != _FORMAT or texts.get("recipe") != _text(self.recipe):
            raise ModelError(
                f"the checkpoint {self.checkpoint} belongs to another run "
                f"({_differences(texts.get('recipe', ''), self.recipe)}); repeat the command it "
                "was started with, name another --checkpoint, or drop it with --restart"
            )
        for name, module in self.modules.items():
            module.load_state_dict(below(tensors, f"module.{name}."))
        found: dict[str, Any] = {**tensors, **json.loads(texts["numbers"])}
        for name, optimiser in self.optimisers.items():
            state: dict[int, dict[str, Any]] = {}
            for where, value in below(found, f"optimiser.{name}.").items():
                index, _, key = where.partition(".")
                state.setdefault(int(index), {})[key] = value
            groups = optimiser.state_dict()["param_groups"]
            optimiser.load_state_dict({"state": state, "param_groups": groups})
        self.history[:] = json.loads(texts["history"])
        return int(texts["done"])


def batch_of(seed: int, step: int, count: int, size: int) -> Tensor:
    """Return which of `count` items step `step` looks at (size,) int64: epochs of all, reshuffled.

    The last items of an epoch that fill no batch are left out; fewer items than a batch are one
    batch.
    """
    size = min(size, count)
    per_epoch = max(1, count // size)
    epoch, place = divmod(step, per_epoch)
    order = torch.randperm(count, generator=random_of(seed, epoch))
    return order[place * size : (place + 1) * size]


def steps_of(epochs: int, count: int, size: int) -> int:
    """Return how many steps `epochs` epochs of `count` items are."""
    return epochs * max(1, count // min(size, count))


def random_of(seed: int, *place: int) -> torch.Generator:
    """Return a random generator that follows from a seed and a place (step, epoch) alone."""
    mixed = np.random.SeedSequence([seed, len(place), *place]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(mixed & np.uint64(2**63 - 1)))


def digest_of(*tensors: Tensor) -> str:
    """Return a short hash of data, for recipes."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(str(tuple(tensor.shape)).encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def write_metrics(path: Path, metrics: Mapping[str, object]) -> None:
    """Write metrics as JSON."""
    write_whole(path, json.dumps(metrics, indent=1) + "\n")


def _check_finite(losses: Mapping[str, float], number: int) -> None:
    bad = [name for name, value in losses.items() if not np.isfinite(value)]
    if bad:
        raise ModelError(
            f"the loss {bad[0]!r} is {losses[bad[0]]} at step {number}; lower the learning rate "
            "or look at the data"
        )


def _differences(stored: str, recipe: Mapping[str, object]) -> str:
    """Return in words what two recipes do not share, the stored one first."""
    try:
        before = json.loads(stored)
    except ValueError:
        return "it states no recipe"
    now = json.loads(_text(recipe))
    keys = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    return ", ".join(f"{key} {before.get(key)}, now {now.get(key)}" for key in keys)


def _text(recipe: Mapping[str, object]) -> str:
    return json.dumps(recipe, sort_keys=True)


def update_average(average: nn.Module, current: nn.Module, keep: float) -> None:
    """Move every weight of `average` towards `current`, keeping the share `keep` of what it was."""
    with torch.no_grad():
        for a, c in zip(average.state_dict().values(), current.state_dict().values(), strict=True):
            if a.dtype.is_floating_point:
                a.lerp_(c, 1 - keep)
            else:
                a.copy_(c)
