"""Train the classifier and the transformers over W+ codes of any generator.

Published settings are the defaults. Few codes (hundreds, not tens of thousands) need a narrower
classifier, noise on the codes and a transformer that starts from the regression direction: see
`ClassifierOptions` and `TransformerOptions`.
"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..ops.codes import LayerRange
from ..training.calibration import regression_direction
from ..training.codes import LabelledCodes
from ..training.place import Place
from ..training.steps import Job, Report, batch_of, digest_of, random_of, steps_of
from .classifier import PUBLISHED_WIDTHS, WPlusClassifier
from .losses import (
    Variant,
    Weights,
    default_weights,
    keep_weights,
    losses_of,
    steps_and_targets,
)
from .net import WPlusTransformer, default_range


@dataclass(frozen=True, slots=True)
class ClassifierOptions:
    """How a latent classifier is trained; the defaults are the published ones."""

    seed: int = 0
    epochs: int = 20
    batch: int = 256
    lr: float = 1e-4
    decay_every: int = 10
    """Epochs after which the learning rate falls to a tenth."""
    weight_decay: float = 5e-4
    hidden: tuple[int, ...] = PUBLISHED_WIDTHS
    noise: float = 0.0
    """Gaussian noise on the codes [standard deviations of each number]; helps when codes are
    few."""


@dataclass(frozen=True, slots=True)
class TransformerOptions:
    """How a transformer is trained; the defaults are the published ones."""

    seed: int = 0
    variant: Variant = "published"
    epochs: int = 10
    batch: int = 32
    lr: float = 1e-3
    weight_decay: float = 5e-4
    weights: Weights | None = None
    """Of the loss terms; None for those of the variant."""
    start: Literal["random", "direction"] = "random"
    """T at first: Xavier-uniform as published, or the regression direction for every code."""
    layers: LayerRange | None = None
    """Layers that move once trained; training itself moves all of them, as published."""
    exempt: tuple[str, ...] = ()
    """Labels that may move freely."""


@dataclass(frozen=True, slots=True)
class Run:
    """Where a training run keeps itself and whom it tells."""

    report: Report
    checkpoint: Path | None = None
    """Where to save after every epoch; an existing one of the same recipe is gone on with."""
    place: Place = field(default_factory=Place)
    """Device and precision."""


def train_classifier(
    codes: LabelledCodes, options: ClassifierOptions, run: Run
) -> tuple[WPlusClassifier, list[dict[str, float]]]:
    """Return a classifier of all labels and its loss after every epoch.

    Raises:
        ModelError: the checkpoint is of another run, or the loss is not finite.
    """
    torch.manual_seed(options.seed)
    count, layers, dimensions = codes.w.shape
    device = run.place.device
    net = WPlusClassifier(layers * dimensions, len(codes.names), options.hidden).to(device)
    optimiser = torch.optim.Adam(net.parameters(), options.lr, weight_decay=options.weight_decay)
    spread, targets = codes.w.std(0), codes.targets
    per_epoch = steps_of(1, count, options.batch)

    def step(number: int) -> dict[str, float]:
        for group in optimiser.param_groups:
            group["lr"] = options.lr * 0.1 ** (number // per_epoch // options.decay_every)
        batch = batch_of(options.seed, number, count, options.batch)
        w = _noisy(codes.w[batch], spread, options.noise, options.seed, number).to(device)
        with run.place.autocast():
            logits = net(w)
        loss = F.binary_cross_entropy_with_logits(logits.float(), targets[batch].to(device))
        _descend(optimiser, loss)
        return {"bce": float(loss.detach())}

    job = Job(
        recipe={
            "what": "classifier",
            **asdict(options),
            **run.place.recipe,
            "data": digest_of(codes.w, codes.labels),
        },
        modules={"net": net},
        optimisers={"adam": optimiser},
        steps=options.epochs * per_epoch,
        every=per_epoch,
        checkpoint=run.checkpoint,
    )
    job.run(step, run.report)
    return net.cpu().eval().requires_grad_(False), job.history


def train_transformer(
    codes: LabelledCodes,
    classifier: WPlusClassifier,
    target: int,
    options: TransformerOptions,
    run: Run,
    *,
    correlation: Tensor | None = None,
) -> tuple[WPlusTransformer, list[dict[str, float]]]:
    """Return T of one label and its losses after every epoch.

    Args:
        codes: what it is trained on; the labels serve only for correlations and the start.
        classifier: reads the labels of `codes`, in their order; stays as it is.
        target: index of the label.
        options: how.
        run: where to.
        correlation: |ρ| (A, A) of all labels there are, those of codes that are only measured with
            them; None: of the labels of `codes`.

    Raises:
        ModelError: the checkpoint is of another run, or a loss is not finite.
    """
    torch.manual_seed(options.seed)
    count, device = len(codes.w), run.place.device
    net = _new_transformer(codes, target, options).to(device)
    keep = _kept(codes, target, options, correlation).to(device)
    reader = copy.deepcopy(classifier).to(device)
    weights = options.weights or default_weights(
        options.variant, numbers=codes.w[0].numel(), attributes=len(codes.names)
    )
    optimiser = torch.optim.Adam(net.parameters(), options.lr, weight_decay=options.weight_decay)

    def step(number: int) -> dict[str, float]:
        w = codes.w[batch_of(options.seed, number, count, options.batch)].to(device)
        with run.place.autocast():
            with torch.no_grad():
                alpha, _ = steps_and_targets(reader.probability(w, target), options.variant)
            moved = net(w, alpha)
            terms = losses_of(reader, w, moved, target=target, keep=keep, variant=options.variant)
        _descend(optimiser, loss := terms.total(weights))
        named = {"loss": loss, "cls": terms.cls, "attr": terms.attr, "rec": terms.rec}
        return {name: float(value.detach()) for name, value in named.items()}

    per_epoch = steps_of(1, count, options.batch)
    job = Job(
        recipe={
            "what": f"transformer {codes.names[target]}",
            **asdict(options),
            **run.place.recipe,
            "data": digest_of(codes.w, codes.labels, keep, *classifier.state_dict().values()),
        },
        modules={"net": net},
        optimisers={"adam": optimiser},
        steps=options.epochs * per_epoch,
        every=per_epoch,
        checkpoint=run.checkpoint,
    )
    job.run(step, run.report)
    return net.cpu().eval().requires_grad_(False), job.history


def _new_transformer(
    codes: LabelledCodes, target: int, options: TransformerOptions
) -> WPlusTransformer:
    net = WPlusTransformer(*codes.w.shape[1:])
    if options.start == "direction":
        _start_from(net, regression_direction(codes, target))
    return net


def _kept(
    codes: LabelledCodes, target: int, options: TransformerOptions, correlation: Tensor | None
) -> Tensor:
    """Return 1 − |ρ| (A,), 0 for the target and for what may move freely."""
    keep = keep_weights(codes.correlation() if correlation is None else correlation, target)
    for name in options.exempt:
        keep[codes.column(name)] = 0
    return keep


def _descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    torch.autograd.backward(loss)
    optimiser.step()


def _start_from(net: WPlusTransformer, direction: Tensor) -> None:
    """Make T a constant, `direction` (L, D) for every code; 0 in layers that never move."""
    first, stop = default_range(net.layers)
    for layer, linear in enumerate(net.dense):
        assert isinstance(linear, torch.nn.Linear)
        torch.nn.init.zeros_(linear.weight)
        with torch.no_grad():
            linear.bias.copy_(direction[layer] if first <= layer < stop else 0 * direction[layer])


def _noisy(w: Tensor, spread: Tensor, amount: float, seed: int, number: int) -> Tensor:
    if amount == 0:
        return w
    # A second stream of the same seed: the first one shuffles.
    generator = random_of(seed, 1, number)
    return w + amount * spread * torch.randn(w.shape, generator=generator)
