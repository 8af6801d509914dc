"""Training of the parsing network: `python -m models.parsing train`.

Cross entropy over the pixels, each by how sure its label is and how rare its class; the overlap of
thin classes beside it; and agreement with itself when the square is moved by a pixel or two, for
what shakes between frames is seen sooner than what is a little beside its place.
"""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..training.place import Place
from ..training.steps import Job, Report, digest_of, random_of, update_average
from . import samples
from .net import LABELS, ParsingNet

Batch = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the network is trained."""

    steps: int
    batch: int = 16
    twins: int = 4
    """How many of a batch are seen once more, moved a little."""
    rate: float = 3e-3
    decay: float = 0.02
    average: float = 0.998
    """Share of the old weights kept per step in the averaged copy, which is what is used."""
    overlap: float = 0.3
    """Weight of the overlap of classes."""
    agreement: float = 2.0
    """Weight of the agreement of twins."""
    seed: int = 0


_RARE: Final = {"brows": 1.5, "eyes": 1.5, "glasses": 2.0, "lips": 1.5, "mouth": 1.5, "ears": 1.3}
_WEIGHTS: Final = torch.tensor([_RARE.get(name, 1.0) for name in LABELS])
_EVERY: Final = 100
"""Steps between reports."""
_AHEAD: Final = 10
"""Batches made ahead of use."""


def pixel_loss(logits: Tensor, labels: Tensor, sure: Tensor) -> Tensor:
    """Return the mean cross entropy of logits (P, 13) against labels (P,) int64 with weights (P,)
    in [0, 1]; pixels of weight 0 may have any label."""
    each = F.cross_entropy(logits, labels, weight=_WEIGHTS.to(logits.device), reduction="none")
    return (each * sure).sum() / sure.sum().clamp(min=1)


def overlap_loss(logits: Tensor, labels: Tensor, sure: Tensor) -> Tensor:
    """Return 1 - the mean soft Dice of the classes that occur (Milletari et al., "V-Net", 2016), of
    the same."""
    shares = logits.softmax(1) * sure[:, None]
    own = shares.gather(1, labels[:, None])[:, 0]
    many = len(LABELS)
    both = own.new_zeros(many).index_add(0, labels, own)
    truth = own.new_zeros(many).index_add(0, labels, sure)
    occurs = truth > 20
    dice = 2 * both / (shares.sum(0) + truth).clamp(min=1)
    return 1 - dice[occurs].mean() if bool(occurs.any()) else logits.sum() * 0


def moved(count: int, generator: torch.Generator, side: int) -> Tensor:
    """Return sampling grids (count, side, side, 2) of small moves: shifts to 2 % of the side, turns
    to 3 degrees, scales to 4 %."""
    draw = torch.rand(count, 4, generator=generator) * 2 - 1
    turn, scale = draw[:, 0] * math.radians(3), torch.exp(draw[:, 1] * 0.04)
    c, s = scale * turn.cos(), scale * turn.sin()
    shift = draw[:, 2:] * 0.04
    theta = torch.stack([c, -s, shift[:, 0], s, c, shift[:, 1]], 1).view(count, 2, 3)
    return F.affine_grid(theta, [count, 1, side, side], align_corners=False)


def with_twins(images: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return squares (N + count, 3, G, G) [-1, 1]: the given ones and, moved and a little noisier,
    the first `count` once more; and the grids (count, G, G, 2) that moved them."""
    grid = moved(count, generator, images.shape[-1])
    twins = F.grid_sample(images[:count], grid, padding_mode="border", align_corners=False)
    grain = torch.randn(twins.shape, generator=generator) * 0.03
    gain = 1 + 0.08 * (torch.rand(count, 1, 1, 1, generator=generator) * 2 - 1)
    return torch.cat([images, (twins * gain + grain).clamp(-1, 1)]), grid


def of_taken(grid: Tensor, row: int, column: int) -> Tensor:
    """Return the moves (M, G / 2, G / 2, 2) of the pixels in one row and column of every cell, from
    those (M, G, G, 2) of all; places are counted between the taken ones' own outer edges."""
    # The taken pixels lie a quarter of a cell beside the cells' middles.
    aside = grid.new_tensor([2 * column - 1, 2 * row - 1]) / grid.shape[1]
    return grid[:, row::2, column::2] - aside


def agreement_loss(logits: Tensor, twins: Tensor, grid: Tensor) -> Tensor:
    """Return how far twins' shares (logits (M, h, w, 13)) are from those of the squares that they
    were moved from (logits of the same shape), moved alike by a grid (M, h, w, 2): mean squares
    over the pixels inside."""
    shares = logits.softmax(-1).permute(0, 3, 1, 2)
    there = F.grid_sample(shares, grid, align_corners=False).permute(0, 2, 3, 1)
    inside = grid.abs().amax(-1) < 0.97
    apart = (twins.softmax(-1) - there).square().sum(-1)
    return (apart * inside).sum() / inside.sum().clamp(min=1)


def train(
    pictures: samples.Pictures,
    recipe: Recipe,
    report: Report,
    *,
    checkpoint: Path | None = None,
    start: ParsingNet | None = None,
    place: Place | None = None,
) -> ParsingNet:
    """Return the trained network: averaged weights, float32, CPU.

    Raises:
        ModelError: the checkpoint is of another recipe, or the loss is not finite.
    """
    place = place or Place(precision="bf16")
    torch.manual_seed(recipe.seed)
    net = copy.deepcopy(start) if start is not None else ParsingNet()
    # the stubs of torch know `memory_format` for tensors only
    net.to(place.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    average = copy.deepcopy(net).eval()
    optimiser = torch.optim.AdamW(net.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    data = digest_of(torch.from_numpy(pictures.labels), torch.from_numpy(pictures.weights))
    begun = "" if start is None else digest_of(*start.state_dict().values())
    job = Job(
        recipe={**asdict(recipe), **place.recipe, "data": data, "start": begun},
        modules={"net": net, "average": average},
        optimisers={"net": optimiser},
        steps=recipe.steps,
        every=min(_EVERY, recipe.steps),
        checkpoint=checkpoint,
    )
    with _made_ahead(pictures, recipe) as batch_of:

        def step(number: int) -> dict[str, float]:
            losses = _step(net, optimiser, batch_of(number), recipe, number, place)
            update_average(average, net, min(recipe.average, (number + 1) / (number + 10)))
            return losses

        job.run(step, report)
    return average.cpu()


def _step(
    net: ParsingNet,
    optimiser: torch.optim.Optimizer,
    batch: Batch,
    recipe: Recipe,
    number: int,
    place: Place,
) -> dict[str, float]:
    for group in optimiser.param_groups:
        group["lr"] = _rate(recipe, number)
    # One pixel of every cell a step: what the others would say is nearly the same, at four times
    # the cost.
    row, column = number % 2, number // 2 % 2
    labels, sure = (part[:, row::2, column::2].flatten() for part in batch[1:])
    sure, count = sure.float() / 255, len(batch[0])
    seen, grid = batch[0].float() / 127.5 - 1, None
    if recipe.twins:
        seen, grid = with_twins(seen, recipe.twins, random_of(recipe.seed, number, 1))
    labels, sure = labels.to(place.device), sure.to(place.device)
    with place.autocast():
        cells = net.cells(seen.to(place.device))
    logits = cells[..., row, column].float()
    own = logits[:count].flatten(0, 2)
    known = torch.where(sure > 0, labels, 0).long()
    losses = {
        "pixels": pixel_loss(own, known, sure),
        "overlap": overlap_loss(own, known, sure) * recipe.overlap,
    }
    if grid is not None:
        moves = of_taken(grid, row, column).to(place.device)
        apart = agreement_loss(logits[: recipe.twins], logits[count:], moves)
        losses["agreement"] = apart * recipe.agreement
    optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(torch.stack(list(losses.values())).sum())
    nn.utils.clip_grad_norm_(net.parameters(), 5.0)
    optimiser.step()
    return {name: float(value.detach()) for name, value in losses.items()}


def _rate(recipe: Recipe, number: int) -> float:
    """Warm up, then a cosine to 0."""
    warm = min(100, max(1, recipe.steps // 10))
    cosine = 0.5 + 0.5 * math.cos(math.pi * number / recipe.steps)
    return recipe.rate * min(1.0, (number + 1) / warm) * cosine


@contextmanager
def _made_ahead(pictures: samples.Pictures, recipe: Recipe) -> Iterator[Callable[[int], Batch]]:
    """Hold a thread that makes the batches of steps, which are taken in order, some steps ahead."""
    worker = ThreadPoolExecutor(1)
    waiting: deque[Future[Batch]] = deque()
    upcoming = -1

    def batch(step: int) -> Batch:
        nonlocal upcoming
        upcoming = max(upcoming, step)
        while upcoming < min(step + _AHEAD, recipe.steps):
            task = worker.submit(samples.batch, pictures, recipe.seed, upcoming, recipe.batch)
            waiting.append(task)
            upcoming += 1
        return waiting.popleft().result()

    try:
        yield batch
    finally:
        worker.shutdown(cancel_futures=True)
