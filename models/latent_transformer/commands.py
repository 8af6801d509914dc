"""The options and the work of the commands `train-classifier` and `train`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from ..base import ModelError
from ..home import generator_of
from ..ops.codes import LayerRange
from ..training.calibration import unit_of_one_sd
from ..training.codes import LabelledCodes, read_labelled
from ..training.command import (
    add_checkpoint_options,
    add_generator_option,
    add_label_options,
    checkpoint_of,
    told,
)
from ..training.place import add_place_options, place_of
from ..training.steps import Progress, write_metrics
from .celeba import CELEBA_ATTRIBUTES, celeba_attribute
from .classifier import PUBLISHED_WIDTHS
from .files import MoverFacts, as_stored, load_classifier, save_classifier, save_mover
from .losses import VARIANTS, Weights, default_weights
from .measure import measure_classifier, measure_mover
from .net import WPlusMover
from .train import (
    ClassifierOptions,
    Run,
    TransformerOptions,
    train_classifier,
    train_transformer,
)

Show = Callable[[Progress], None]


def add_classifier_options(command: argparse.ArgumentParser) -> None:
    """Add the options of `train-classifier`."""
    default = ClassifierOptions()
    _add_common(command)
    command.add_argument("--epochs", type=int, default=default.epochs)
    command.add_argument("--batch", type=int, default=default.batch)
    command.add_argument("--lr", type=float, default=default.lr)
    command.add_argument("--weight-decay", type=float, default=default.weight_decay)
    command.add_argument(
        "--hidden", default=",".join(map(str, PUBLISHED_WIDTHS)), help="widths, e.g. 256,64"
    )
    command.add_argument(
        "--noise", type=float, default=default.noise, help="on the codes [SD]; for few codes"
    )


def add_transformer_options(command: argparse.ArgumentParser) -> None:
    """Add the options of `train`."""
    default = TransformerOptions()
    _add_common(command)
    command.add_argument("--classifier", type=Path, required=True, help="of `train-classifier`")
    command.add_argument("--attr", required=True, help="label to move: its name or index")
    command.add_argument("--name", help="what to call the attribute; default the label")
    command.add_argument("--variant", choices=VARIANTS, default=default.variant)
    command.add_argument("--epochs", type=int, default=default.epochs)
    command.add_argument("--batch", type=int, default=default.batch)
    command.add_argument("--lr", type=float, default=default.lr)
    command.add_argument("--weight-decay", type=float, default=default.weight_decay)
    for term in ("cls", "attr", "rec"):
        command.add_argument(f"--lambda-{term}", type=float, help="default: the variant's")
    command.add_argument(
        "--start",
        choices=("random", "direction"),
        default=default.start,
        help="T at first: random as published, or the regression direction (for few codes)",
    )
    command.add_argument("--layers", help="FIRST:STOP that move; default 0:11 or all if fewer")
    command.add_argument("--exempt", default="", help="labels that may move freely, by comma")
    command.add_argument("--invert", action="store_true", help="strength +1 lowers the label")
    add_generator_option(command, required=False)


def run_classifier(options: argparse.Namespace, show: Show) -> dict[str, object]:
    """Train, write and measure a classifier; return the metrics.

    Raises:
        ModelError: the data or an option cannot be used.
    """
    codes = read_labelled(options.codes, options.labels, same_order=options.same_order)
    left_out = told(codes.left_out)
    trained_on, held_out = codes.split()
    chosen = ClassifierOptions(
        seed=options.seed,
        epochs=options.epochs,
        batch=options.batch,
        lr=options.lr,
        weight_decay=options.weight_decay,
        hidden=_widths(options.hidden),
        noise=options.noise,
    )
    run = Run(show, checkpoint_of(options), place_of(options))
    net, history = train_classifier(trained_on, chosen, run)
    save_classifier(options.out, net, codes.names, {"licence": options.licence})
    stored, _ = load_classifier(options.out)
    figures = measure_classifier(stored, held_out)
    metrics = {**_facts(codes), **left_out, "held_out": figures, "history": history}
    return _finish(options, metrics, run)


def run_transformer(options: argparse.Namespace, show: Show) -> dict[str, object]:
    """Train, calibrate, write and measure one transformer; return the metrics.

    Raises:
        ModelError: the data or an option cannot be used.
    """
    generator = generator_of(options.generator) if options.generator else ""
    codes = read_labelled(options.codes, options.labels, same_order=options.same_order)
    left_out = told(codes.left_out)
    trained_on, held_out = codes.split()
    classifier, names = load_classifier(options.classifier)
    if names and names != codes.names:
        raise ModelError(
            f"the classifier reads {', '.join(names)}, the labels are {', '.join(codes.names)}; "
            "train it on the same labels"
        )
    target, name, sign = _target(codes, options.attr)
    chosen = _transformer_options(options, codes)
    run = Run(show, checkpoint_of(options), place_of(options))
    # As published: of all labels, also those of the codes that are only measured with.
    correlation = codes.correlation()
    net, history = train_transformer(
        trained_on, classifier, target, chosen, run, correlation=correlation
    )
    mover = WPlusMover(as_stored(net), layers=chosen.layers)
    figures = measure_mover(
        mover,
        classifier,
        held_out,
        target,
        correlation=correlation,
        variant=chosen.variant,
    )
    unit = 1.0
    if codes.rated:
        unit, figures["reader_correlation"] = unit_of_one_sd(mover, trained_on, target)
    facts = MoverFacts(
        attribute=options.name or name,
        unit=-sign * unit if options.invert else sign * unit,
        layers=mover.layers,
        generator=generator,
        notes=(
            ("licence", options.licence),
            ("variant", chosen.variant),
            ("rated", codes.names[target]),
        ),
    )
    save_mover(options.out, net, facts)
    metrics = {
        **_facts(codes),
        **left_out,
        "unit": facts.unit,
        "held_out": figures,
        "history": history,
    }
    return _finish(options, metrics, run)


def _target(codes: LabelledCodes, text: str) -> tuple[int, str, int]:
    """Return which label is meant, what to call it, and −1 if that name is the label's opposite.

    Of 40 labels without names, or with CelebA's, plain names are understood: `smile`, `age`.

    Raises:
        ModelError: there is no such label.
    """
    known = [a.label for a in CELEBA_ATTRIBUTES]
    celeba = codes.names in (tuple(known), tuple(str(index) for index in range(len(known))))
    if not celeba:
        index = codes.column(text)
        return index, codes.names[index], 1
    published = celeba_attribute(text)
    return published.index, published.attribute.name, published.sign


def _transformer_options(options: argparse.Namespace, codes: LabelledCodes) -> TransformerOptions:
    numbers = codes.w[0].numel()
    usual = default_weights(options.variant, numbers=numbers, attributes=len(codes.names))
    given = (options.lambda_cls, options.lambda_attr, options.lambda_rec)
    cls, attr, rec = (
        own if own is not None else default
        for own, default in zip(given, (usual.cls, usual.attr, usual.rec), strict=True)
    )
    return TransformerOptions(
        seed=options.seed,
        variant=options.variant,
        epochs=options.epochs,
        batch=options.batch,
        lr=options.lr,
        weight_decay=options.weight_decay,
        weights=Weights(cls=cls, attr=attr, rec=rec),
        start=options.start,
        layers=_layers(options.layers),
        exempt=tuple(name for name in options.exempt.split(",") if name),
    )


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--codes",
        type=Path,
        required=True,
        help=".npz with w and files, as `encode` writes, or .npy (N, L, D)",
    )
    add_label_options(command)
    command.add_argument(
        "--out", type=Path, required=True, help="safetensors file to write; stored as float16"
    )
    command.add_argument("--metrics", type=Path, help="JSON to write; default beside --out")
    add_checkpoint_options(command)
    add_place_options(command)
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--licence", default="", help="of the codes, kept in the file")


def _finish(options: argparse.Namespace, metrics: dict[str, object], run: Run) -> dict[str, object]:
    write_metrics(options.metrics or options.out.with_suffix(".json"), metrics)
    if run.checkpoint is not None:
        run.checkpoint.unlink(missing_ok=True)
    return metrics


def _facts(codes: LabelledCodes) -> dict[str, object]:
    count, layers, dimensions = codes.w.shape
    kind = "ratings" if codes.rated else "classes"
    return {
        "codes": count,
        "layers": layers,
        "dimensions": dimensions,
        "labels": kind,
        "stored_as": "float16",
    }


def _widths(text: str) -> tuple[int, ...]:
    if not all(part.isdigit() and int(part) > 0 for part in text.split(",") if part):
        raise ModelError(f"--hidden {text!r} must be widths separated by commas, e.g. 256,64")
    return tuple(int(part) for part in text.split(",") if part)


def _layers(text: str | None) -> LayerRange | None:
    if text is None:
        return None
    first, _, stop = text.partition(":")
    if not (first.isdigit() and stop.isdigit()):
        raise ModelError(f"--layers {text!r} must be FIRST:STOP, e.g. 0:11")
    return int(first), int(stop)
