"""Training of both kinds: `python -m models.attribute_network train`, one stage after the other.

Published: summed squared errors (absolute ones for completion), SGD with momentum 0.95 and the
printed rate of 1e-5; 4e-5 does not hold. Two departures: the rate rises over the first steps, for
without that the second stage does not hold at 1e-5 either, and falls to 0 over the last ones, for a
processor makes a few passes over the pairs where a graphics card makes many.

Grown-up: absolute and squared errors of the picture, AdamW, averaged weights, mirrored pairs; the
second stage is trained with the first one held still.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..base import ModelError
from ..training.place import Place
from ..training.steps import Job, Report, batch_of, digest_of, random_of, update_average
from .dataset import Pairs, kinds_of
from .files import Kind
from .network import AttributeNetwork, Task
from .published import Published, stage_loss
from .views import Views

_EVERY: Final = 100
"""Steps between reports and checkpoints."""
_MOMENTUM: Final = 0.95
_LONGEST: Final = 5.0
"""Longest gradient of the grown-up network; one strange batch must not spoil an hour."""
_LOOKED_AT: Final = 2000
"""Pictures that mean and deviation are taken from."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is trained."""

    task: Task
    network: Kind
    steps: tuple[int, int]
    """Of the first and the second stage."""
    rate: float
    batch: int = 32
    warm: int = 100
    """Steps over which the rate rises."""
    cooled: float = 0.4
    """Share of the steps, at the end, over which it falls to 0."""
    decay: float = 0.01
    """Of the weights; grown-up only."""
    average: float = 0.998
    """Share of the old weights kept per step in the averaged copy, likewise."""
    squared: float = 4.0
    """Weight of squared errors beside absolute ones, likewise."""
    seed: int = 0


RATES: Final[dict[Kind, float]] = {"published": 1e-5, "grown": 1.5e-3}


class _Learner(Protocol):
    """A network that is being trained, stage by stage (0 and 1)."""

    def modules(self, stage: int) -> dict[str, nn.Module]:
        """Return what a checkpoint of a stage holds."""
        ...

    def optimiser(self, stage: int) -> torch.optim.Optimizer: ...

    def loss(self, stage: int, pairs: Pairs, numbers: Tensor, random: torch.Generator) -> Tensor:
        """Return the loss of pairs, with a gradient to the stage's weights."""
        ...

    def after(self, stage: int, number: int) -> None:
        """Follow up a step."""
        ...

    def network(self) -> Published | AttributeNetwork:
        """Return what is used in the end (float32, CPU)."""
        ...


class _PublishedLearner:
    """The paper's network."""

    def __init__(self, views: Views, recipe: Recipe, place: Place) -> None:
        torch.manual_seed(recipe.seed)
        self._recipe, self._place = recipe, place
        net = Published(kinds_of(views, recipe.task))
        net.mean, net.deviation = _standard(views)
        # the stubs of torch know `memory_format` for tensors only
        net.to(place.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._net = net
        self._stages = (net.first, net.second)

    def modules(self, stage: int) -> dict[str, nn.Module]:
        return {"net": self._stages[stage]}

    def optimiser(self, stage: int) -> torch.optim.Optimizer:
        weights = self._stages[stage].parameters()
        return torch.optim.SGD(weights, lr=self._recipe.rate, momentum=_MOMENTUM)

    def loss(self, stage: int, pairs: Pairs, numbers: Tensor, random: torch.Generator) -> Tensor:
        del random  # the paper varies nothing
        batch, net = pairs.batch(numbers), self._net
        source, target = (
            net.standardised(part.to(self._place.device)) for part in (batch.source, batch.target)
        )
        wanted = batch.one_hot.to(self._place.device)
        with self._place.autocast():
            if stage == 0:
                drawn = net.first(source, wanted)
            else:
                with torch.no_grad():
                    first = net.first(source, wanted)
                drawn = net.second(source, first)
        return stage_loss(drawn.float(), target, absolute=self._recipe.task == "complete")

    def after(self, stage: int, number: int) -> None:
        del stage, number

    def network(self) -> Published:
        return self._net.cpu()


class _GrownLearner:
    """The grown-up network and its average."""

    def __init__(self, views: Views, recipe: Recipe, place: Place) -> None:
        del views
        torch.manual_seed(recipe.seed)
        self._recipe, self._place = recipe, place
        self._net = AttributeNetwork(recipe.task)
        # the stubs of torch know `memory_format` for tensors only
        self._net.to(place.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._average = copy.deepcopy(self._net).requires_grad_(False)

    def modules(self, stage: int) -> dict[str, nn.Module]:
        return {"net": _stage(self._net, stage), "average": _stage(self._average, stage)}

    def optimiser(self, stage: int) -> torch.optim.Optimizer:
        weights = _stage(self._net, stage).parameters()
        return torch.optim.AdamW(weights, lr=self._recipe.rate, weight_decay=self._recipe.decay)

    def loss(self, stage: int, pairs: Pairs, numbers: Tensor, random: torch.Generator) -> Tensor:
        batch = pairs.batch(numbers, random)
        source, target = (self._pictures(part) for part in (batch.source, batch.target))
        wanted, net = batch.continuous.to(self._place.device), self._net
        with self._place.autocast():
            if stage == 0:
                raw = net.first(source, wanted)
            else:
                with torch.no_grad():
                    raw = self._average.first(source, wanted).float()
                    first = net.change(source, raw)
                raw = raw + net.refinement(source, wanted, first)
        drawn = net.change(source, raw.float()).unclamped(source)
        return picture_loss(drawn, target, self._recipe.squared)

    def after(self, stage: int, number: int) -> None:
        keep = min(self._recipe.average, (number + 1) / (number + 10))
        update_average(_stage(self._average, stage), _stage(self._net, stage), keep)

    def network(self) -> AttributeNetwork:
        return self._average.cpu().eval()

    def _pictures(self, levels: Tensor) -> Tensor:
        pictures = levels.to(self._place.device).float() / 127.5 - 1
        return pictures.contiguous(memory_format=torch.channels_last)


def picture_loss(drawn: Tensor, target: Tensor, squared: float) -> Tensor:
    """Return absolute errors of pictures (N, 3, S, S), and with the weight `squared` squared ones,
    at full size and averaged over 4×4 and 16×16 pixels: coarse ones teach where things lie."""
    losses = []
    for cells in (1, 4, 16):
        a, b = (F.avg_pool2d(p, cells) if cells > 1 else p for p in (drawn, target))
        losses.append(F.l1_loss(a, b) + squared * F.mse_loss(a, b))
    return torch.stack(losses).sum()


def train(
    views: Views,
    recipe: Recipe,
    report: Report,
    *,
    checkpoint: Path | None = None,
    place: Place | None = None,
) -> Published | AttributeNetwork:
    """Return a trained network (float32, CPU).

    Args:
        views: a turntable's pictures, grey for the published network, in colour for the other.
        recipe: how.
        report: is told after every hundred steps of a stage, when its checkpoint has been written.
        checkpoint: where the run saves itself, each stage in a file of its own.
        place: where it computes.

    Raises:
        ModelError: the turntable lacks what the task needs, the checkpoint is of another recipe,
            or the loss is not finite.
    """
    if recipe.network == "published" and recipe.task == "flash":
        raise ModelError("the published network has no task 'flash': train a grown-up one")
    place = place or Place()
    pairs = Pairs(views, recipe.task, "train")
    kind = _PublishedLearner if recipe.network == "published" else _GrownLearner
    learner: _Learner = kind(views, recipe, place)
    begun = ""
    for stage, steps in enumerate(recipe.steps):
        stated = {"stage": stage + 1, **asdict(recipe), **place.recipe, "first stage": begun}
        optimiser = learner.optimiser(stage)
        job = Job(
            recipe={**stated, "steps": list(recipe.steps), "turntable": views.digest},
            modules=learner.modules(stage),
            optimisers={"stage": optimiser},
            steps=steps,
            every=min(_EVERY, steps),
            checkpoint=stage_file(checkpoint, stage) if checkpoint else None,
        )
        job.run(_Step(learner, stage, pairs, recipe, optimiser), report)
        begun = digest_of(*(t for m in learner.modules(stage).values() for t in _tensors(m)))
    return learner.network()


def stage_file(checkpoint: Path, stage: int) -> Path:
    """Return where a stage, 0 or 1, saves itself: beside the file that stands for both."""
    return checkpoint.with_name(f"stage{stage + 1}-{checkpoint.name}")


@dataclass(frozen=True, slots=True)
class _Step:
    """Takes one step of a stage; what it draws follows from the seed and its number."""

    learner: _Learner
    stage: int
    pairs: Pairs
    recipe: Recipe
    optimiser: torch.optim.Optimizer

    def __call__(self, number: int) -> dict[str, float]:
        recipe = self.recipe
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(recipe, number, recipe.steps[self.stage])
        seed = recipe.seed + self.stage
        numbers = batch_of(seed, number, len(self.pairs), recipe.batch)
        loss = self.learner.loss(self.stage, self.pairs, numbers, random_of(seed, number, 1))
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        if recipe.network == "grown":
            nn.utils.clip_grad_norm_(self.optimiser.param_groups[0]["params"], _LONGEST)
        self.optimiser.step()
        self.learner.after(self.stage, number)
        return {"loss": float(loss.detach())}


def rate_at(recipe: Recipe, number: int, steps: int) -> float:
    """Return the learning rate of a step: up, level, and a half cosine down."""
    up = min(1.0, (number + 1) / max(1, min(recipe.warm, steps // 10)))
    left = (steps - number) / max(1.0, recipe.cooled * steps)
    down = 1.0 if left >= 1 else 0.5 - 0.5 * math.cos(math.pi * left)
    return recipe.rate * up * down


def _standard(views: Views) -> tuple[Tensor, Tensor]:
    """Return mean and deviation of the levels of training pictures, evenly spread over them."""
    rows = views.views[: len(views.train)]
    flat = rows.reshape(-1, *rows.shape[3:])
    seen = torch.from_numpy(flat[:: max(1, len(flat) // _LOOKED_AT)].copy()).double()
    return seen.mean().float(), seen.std().clamp_min(1.0).float()


def _stage(net: AttributeNetwork, stage: int) -> nn.Module:
    return net.second if stage else net.first


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    yield from module.state_dict().values()
