"""`python -m models.attribute_network evaluate`: the paper's tables on a turntable, as one JSON and
one picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..base import ModelError
from ..training.place import Place
from ..training.steps import random_of
from .dataset import Batch, Pairs
from .drawing import draw, small_grey, squared_error
from .files import Trained, check_fair, load_trained
from .identity import Aligned, Recogniser, recognisers
from .parts import Parts
from .picture import Example
from .published import Published
from .tables import Kept, Retrieval, by_turn, summed_up
from .views import Views, open_views

PAPER: Final[Mapping[str, object]] = {
    "data": "MultiPIE session 1; this turntable renders heads, so figures compare by order only",
    "table1": {"first": 380.89, "second": 369.16},
    "table2": {
        "2-step, image": {"R@1": 11.5, "R@5": 25.9, "R@20": 43.2},
        "2-step, our 2nd network": {"R@1": 16.4, "R@5": 33.0, "R@20": 50.7},
        "2-step, VGG-16": {"R@1": 21.7, "R@5": 38.1, "R@20": 53.5},
        "2-step, Deep (VGG-Face)": {"R@1": 56.9, "R@5": 78.0, "R@20": 90.2},
        "ours, image": {"R@1": 39.0, "R@5": 61.5, "R@20": 75.4},
        "ours, 2nd network": {"R@1": 53.5, "R@5": 80.5, "R@20": 90.7},
    },
    "table3": {
        "2-step, image": {"R@1": 6.3, "R@5": 15.6, "R@20": 25.3},
        "2-step, our 2nd network": {"R@1": 9.5, "R@5": 21.5, "R@20": 32.7},
        "ours, image": {"R@1": 29.5, "R@5": 52.8, "R@20": 66.3},
        "ours, 2nd network": {"R@1": 43.2, "R@5": 74.1, "R@20": 86.0},
    },
}
"""What the paper reports, to stand beside ours."""

_PIECE: Final = 250
"""Pairs drawn between two files."""
_BATCH: Final = 25
_JUDGED: Final = 500
"""Pairs whose identity is judged."""


@dataclass(frozen=True, slots=True)
class Options:
    """What is measured."""

    turntable: Path
    weights: tuple[Path, ...]
    parts: Path
    """Where pieces are kept until all is done."""
    pairs: int = 10_000
    """Random test pairs per task; those of `rotate` are the queries too."""
    people: int | None = None
    """Test persons; None: all. Fewer make an easier, quicker retrieval, and are told."""
    arcface: Path | None = None
    seed: int = 0
    place: Place = field(default_factory=Place)
    told: Callable[[str], None] = field(default=lambda _: None)


@dataclass(frozen=True, slots=True)
class Measured:
    """What the JSON and the picture show."""

    figures: Mapping[str, object]
    examples: tuple[Example, ...]
    turns: Mapping[str, Mapping[str, float]]
    """R@5 by the size of the turn, by row of the tables."""


def evaluate(options: Options) -> Measured:
    """Return all figures; goes on with pieces that an interrupted call left.

    Raises:
        ModelError: a network cannot be measured on this turntable, two are of one kind and task,
            or something cannot be read.
    """
    trained = _loaded(options.weights)
    views = {
        colour: _fewer(open_views(options.turntable, colour=colour), options.people)
        for colour in {False, *(one.kind == "grown" for one in trained.values())}
    }
    for path, one in trained.items():
        check_fair(one, path, views[one.kind == "grown"])
    found = recognisers(options.arcface)
    figures: dict[str, object] = {
        "turntable": views[False].digest,
        "test_people": len(views[False].test),
        "train_people": len(views[False].train),
        "paper": PAPER,
    }
    errors, examples = {}, []
    for one in trained.values():
        judge = found if one.kind == "grown" else []
        error, example = _errors(options, views[one.kind == "grown"], one, judge)
        errors[f"{one.kind} {one.task}"] = error
        examples.append(example)
    figures["table1"] = errors
    turns = _tables(options, views, trained, found, figures)
    return Measured(figures, tuple(examples), turns)


def _loaded(weights: Sequence[Path]) -> dict[Path, Trained]:
    trained = {path: load_trained(path) for path in weights}
    if not trained:
        raise ModelError("nothing to measure: name networks that `train` wrote, with --weights")
    what = [(one.kind, one.task) for one in trained.values()]
    if double := [pair for pair in what if what.count(pair) > 1]:
        raise ModelError(
            f"two of --weights are {double[0][0]} networks for {double[0][1]!r}; name one of each"
        )
    return trained


def _fewer(views: Views, people: int | None) -> Views:
    """Return views with the first test persons only."""
    if people is None or people == len(views.test):
        return views
    if not 0 < people < len(views.test):
        raise ModelError(
            f"{views.folder} has {len(views.test)} test faces, {people} were asked for; ask for 1 "
            "to all of them"
        )
    return replace(views, test=views.test[:people])


def numbers_of(pairs: Pairs, options: Options) -> Tensor:
    """Return which pairs are measured: random ones, none twice, (Q,) int64."""
    order = torch.randperm(len(pairs), generator=random_of(options.seed))
    return order[: options.pairs]


def _errors(
    options: Options, views: Views, one: Trained, judges: list[Recogniser]
) -> tuple[dict[str, object], Example]:
    """Return the errors of both stages of a network, and pictures of a few pairs."""
    pairs = Pairs(views, one.task, "test")
    numbers = numbers_of(pairs, options)
    depends = {
        "network": one.digest,
        "turntable": views.digest,
        "people": len(views.test),
        "pairs": numbers.tolist(),
    }
    parts = Parts(options.parts, {"what": "errors", **depends, **options.place.recipe})
    found = []
    for start in range(0, len(numbers), _PIECE):
        some = numbers[start : start + _PIECE]

        def made(some: Tensor = some, start: int = start) -> dict[str, NDArray[Any]]:
            options.told(f"{one.kind} {one.task}: pairs from {start} of {len(numbers)}")
            return _piece(one, pairs, some, options.place)

        found.append(np.array(parts.get(f"pairs-{start:05d}", made)["errors"]))
    mean = np.concatenate(found).mean(0).round(3).tolist()
    names: tuple[str, ...] = ("grey32_unchanged", "grey32_first", "grey32_second")
    if one.kind == "grown":
        names = (*names, "colour128_unchanged", "colour128_first", "colour128_second")
    result: dict[str, object] = {"pairs": len(numbers), **dict(zip(names, mean, strict=True))}
    for judge in judges:
        kept = parts.get(
            f"identity-{judge.name.replace(' ', '-')}",
            partial(_identity, views, one, pairs, numbers[:_JUDGED], judge),
        )
        result[f"identity, {judge.name}"] = {
            name: round(float(np.mean(values)), 4) for name, values in sorted(kept.items())
        }
    return result, _example(one, pairs, numbers)


def _piece(one: Trained, pairs: Pairs, numbers: Tensor, place: Place) -> dict[str, NDArray[Any]]:
    """Return errors (n, 3 or 6) of some pairs: unchanged, first, second; at 32² grey, then at
    128² colour."""
    rows = []
    for some in torch.split(numbers, _BATCH):
        batch = pairs.batch(some)
        drawn = draw(one.network, batch, place)
        pictures = (batch.source, drawn.first, drawn.second)
        target = small_grey(batch.target)
        columns = [squared_error(small_grey(picture), target) for picture in pictures]
        if one.kind == "grown":
            columns += [squared_error(picture, batch.target) for picture in pictures]
        rows.append(torch.stack(columns, 1))
    return {"errors": torch.cat(rows).double().numpy()}


def _identity(
    views: Views, one: Trained, pairs: Pairs, numbers: Tensor, judge: Recogniser
) -> dict[str, NDArray[Any]]:
    """Return distances between descriptions of what was drawn, the true picture and the source."""
    aligned = Aligned(views)
    apart: dict[str, list[Tensor]] = {"drawn_to_true": [], "source_to_true": []}
    for some in torch.split(numbers, _BATCH):
        batch: Batch = pairs.batch(some)
        true, source, drawn = (
            judge.described(aligned(picture))
            for picture in (batch.target, batch.source, draw(one.network, batch).second)
        )
        apart["drawn_to_true"].append((drawn - true).norm(dim=1))
        apart["source_to_true"].append((source - true).norm(dim=1))
    return {name: torch.cat(values).numpy() for name, values in apart.items()}


def _example(one: Trained, pairs: Pairs, numbers: Tensor) -> Example:
    batch = pairs.batch(numbers[:4])
    drawn = draw(one.network, batch)
    pictures = (batch.source, batch.target, drawn.first, drawn.second)
    levels = [p.float().round().clamp(0, 255).to(torch.uint8) for p in pictures]
    return Example(f"{one.kind}, {one.task}", torch.stack(levels, 1).numpy())


def _tables(
    options: Options,
    views: Mapping[bool, Views],
    trained: Mapping[Path, Trained],
    found: list[Recogniser],
    figures: dict[str, object],
) -> dict[str, dict[str, float]]:
    """Add tables 2 and 3 to the figures and return Figure 6, if a published rotation is there."""
    for one in trained.values():
        if one.task == "rotate" and isinstance(one.network, Published):
            break
    else:
        figures["table2"] = figures["table3"] = None
        figures["left_out"] = "tables 2 and 3: they need a published network trained to rotate"
        return {}
    grey = views[False]
    colour = views.get(True)
    if found and colour is None:
        colour = _fewer(open_views(options.turntable, colour=True), options.people)
    numbers = numbers_of(Pairs(grey, "rotate", "test"), options)
    depends = {
        "what": "retrieval",
        "network": one.digest,
        "turntable": grey.digest,
        "people": len(grey.test),
        "queries": numbers.tolist(),
        "recognisers": [judge.name for judge in found],
        "arcface": str(options.arcface),
        **options.place.recipe,
    }
    parts = Parts(options.parts, depends)
    kept = Kept(parts, options.told, options.place)
    retrieval = Retrieval(grey, one.network, numbers, kept)
    rows = retrieval.rows(found, colour)
    figures["pool"] = len(retrieval.pool.face)
    figures["queries"] = len(numbers)
    figures["pose_classifier"] = retrieval.pose_accuracy()
    figures["table2"], figures["table3"] = summed_up(rows, 0), summed_up(rows, 1)
    ours = {name: rank for name, rank in rows.items() if name.startswith("ours")}
    turns = {name: by_turn(rank[0], retrieval.question) for name, rank in ours.items()}
    figures["figure6"] = turns
    return turns
