"""The work of the commands `fit-boundary`, `fit-yaw`, `fit-pca` and `bind`."""

from __future__ import annotations

import argparse

from torch import Tensor

from ..base import ModelError
from ..ops.codes import LayerRange
from ..training.calibration import unit_of_one_sd
from ..training.codes import joined_codes, read_codes, read_labelled
from ..training.command import told
from ..training.steps import write_metrics
from ..weights import save_safetensors
from .boundary import Boundary, conditioned, fit_boundary
from .files import LAYER_WINDOWS, BoundDirection, load_direction, read_ready, save_direction
from .mover import DirectionMover
from .pca import component_of, fit_components
from .yaw import read_landmarks, yaw_scores

Figures = dict[str, object]
"""What a command tells, as JSON."""


def run_boundary(options: argparse.Namespace) -> Figures:
    """Fit the boundary of one label, hold the conditions, calibrate and write it.

    Raises:
        ModelError: the data or an option cannot be used.
    """
    codes = read_labelled(options.codes, options.labels, same_order=options.same_order)
    left_out = told(codes.left_out)
    target = codes.column(options.attr)
    boundary = _fitted(codes.w, codes.labels[:, target], options)
    conditions = [
        _fitted(codes.w, codes.labels[:, codes.column(name)], options).normal
        for name in options.hold
    ]
    normal = conditioned(boundary.normal, [*conditions, *_normals(options, codes.w)])
    unit = _unit(normal, codes.w, options.rows)
    figures = {**_figures(boundary, normal), **left_out}
    if codes.rated:
        move = DirectionMover(normal, codes.w.shape[1], rows=options.rows)
        unit, figures["reader_correlation"] = unit_of_one_sd(move, codes, target)
    return _write(normal, unit, options.attr, figures, options)


def run_yaw(options: argparse.Namespace) -> Figures:
    """Fit the boundary between faces turned left and right, from landmarks, and write it.

    Raises:
        ModelError: the data or an option cannot be used.
    """
    landmarks, rows = read_landmarks(options.landmarks)
    w, pairs = joined_codes(options.codes, rows, same_order=options.same_order)
    left_out = told(pairs.alone)
    boundary = _fitted(w, yaw_scores(landmarks[list(pairs.second)]), options)
    normal = conditioned(boundary.normal, _normals(options, w))
    unit = _unit(normal, w, options.rows)
    return _write(normal, unit, "yaw", {**_figures(boundary, normal), **left_out}, options)


def run_pca(options: argparse.Namespace) -> Figures:
    """Fit principal components, write them, and one direction per label asked for.

    Strength 1 of such a direction is one standard deviation of its component: a component knows no
    rating, and where it hardly goes along with one, a rating's unit would be far too long a step.

    Raises:
        ModelError: the data or an option cannot be used.
    """
    order = options.same_order
    codes = read_labelled(options.codes, options.labels, same_order=order) if options.attr else None
    w = codes.w if codes is not None else read_codes(options.codes)
    components = fit_components(w, min(options.count, len(w) - 1, w[0].numel()))
    texts = {"format": "components-1", "generator": options.generator, "licence": options.licence}
    save_safetensors(options.out, components.to_state(), texts)
    variance = w.flatten(1).var(0).sum()
    figures: Figures = {
        "components": len(components.spread),
        "variance_explained": float(components.spread.square().sum() / variance),
        **(told(codes.left_out) if codes is not None else {}),
    }
    for name in options.attr:
        assert codes is not None
        ratings = codes.labels[:, codes.column(name)]
        index, correlation = component_of(components, w, ratings)
        path = options.out.with_name(f"{options.out.stem}.{name}.safetensors")
        unit = 1.0 if correlation >= 0 else -1.0
        vector = components.vector(index)
        save_direction(path, _bound(vector, unit, name, "pca", {}, options))
        figures[name] = {"component": index, "correlation": correlation, "unit": unit}
    write_metrics(options.out.with_suffix(".json"), figures)
    return figures


def run_bind(options: argparse.Namespace) -> Figures:
    """Bind a ready direction file to the generator it was made for.

    Raises:
        ModelError: the file is no direction, or no generator is named.
    """
    vector = read_ready(options.file)
    name = options.attr or options.file.stem
    rows = options.rows or (LAYER_WINDOWS.get(name) if len(vector) in (1, 18) else None)
    options.rows = rows
    figures: Figures = {"shape": list(vector.shape), "norm_row0": float(vector[0].norm())}
    return _write(vector, options.unit, name, figures, options)


def _fitted(w: Tensor, scores: Tensor, options: argparse.Namespace) -> Boundary:
    return fit_boundary(w, scores, share=options.share, penalty=options.penalty, seed=options.seed)


def _normals(options: argparse.Namespace, w: Tensor) -> list[Tensor]:
    """Return the directions of the files that are to be held, shaped like the codes."""
    found = []
    for path in options.condition:
        vector = load_direction(path).vector
        if vector.shape[1] != w.shape[2] or len(vector) not in (1, w.shape[1]):
            raise ModelError(
                f"{path} holds a direction {tuple(vector.shape)}, the codes are "
                f"{tuple(w.shape[1:])}"
            )
        found.append(vector.expand(w.shape[1:]))
    return found


def _unit(normal: Tensor, w: Tensor, rows: LayerRange | None) -> float:
    """Return the standard deviation of codes along the part of a direction that moves."""
    start, stop = rows or (0, w.shape[1])
    inside = normal[start:stop]
    along = (w[:, start:stop] * inside).flatten(1).sum(1) / inside.norm()
    return float(along.std() / inside.norm())


def _figures(boundary: Boundary, normal: Tensor) -> Figures:
    return {
        "accuracy": boundary.accuracy,
        "kept_of_unconditioned": float((normal * boundary.normal).sum()),
    }


def _bound(
    vector: Tensor,
    unit: float,
    attribute: str,
    editor: str,
    figures: Figures,
    options: argparse.Namespace,
) -> BoundDirection:
    notes = (("licence", options.licence), *((k, str(v)) for k, v in figures.items()))
    return BoundDirection(vector, options.generator, attribute, editor, unit, options.rows, notes)


def _write(
    vector: Tensor, unit: float, attribute: str, figures: Figures, options: argparse.Namespace
) -> Figures:
    unit = -unit if options.invert else unit
    name = options.name or attribute
    bound = _bound(vector, unit, name, "direction", figures, options)
    save_direction(options.out, bound)
    told: Figures = {"attribute": name, "unit": unit, **figures}
    write_metrics(options.out.with_suffix(".json"), told)
    return told


def layer_range(text: str) -> LayerRange:
    """Return FIRST:STOP as numbers, for argparse.

    Raises:
        ValueError: it is not of that form.
    """
    first, stop = text.split(":")
    return int(first), int(stop)
