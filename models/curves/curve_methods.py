"""The ways to move codes that the attribute curves compare."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from ..directions import Components, DirectionMover, component_of, fit_components
from ..directions.boundary import conditioned, fit_boundary
from ..ops import Move
from ..training.calibration import unit_of_one_sd
from ..training.codes import LabelledCodes
from .curve_subjects import RATED, Subject

METHODS: Final = ("latent transformer", "InterFaceGAN", "GANSpace", "InterFaceGAN, conditional")

_ENDS = 0.25
"""Share of the codes at each end of a boundary: a thousand codes, not the half million of the
paper, so 2 % would be twenty."""
_COMPONENTS = 80


def methods_for(
    subject: Subject, attribute: str, codes: LabelledCodes
) -> tuple[dict[str, Move], dict[str, dict[str, float]]]:
    """Return what moves codes along an attribute, by method, and facts of each fit.

    InterFaceGAN and GANSpace are fitted to the codes and ratings given. Strength 1 is one standard
    deviation of the rating, as it is for the pack's own transformer; for GANSpace, which knows no
    rating, of its component. The conditional boundary moves along none of the others of the
    attributes that have a rating.

    Raises:
        ModelError: a fit is not possible.
    """
    target = codes.column(RATED[attribute])
    layers = codes.w.shape[1]
    boundary = fit_boundary(codes.w, codes.labels[:, target], share=_ENDS)
    along = DirectionMover(boundary.normal, layers)
    unit, read = unit_of_one_sd(along, codes, target)
    component, correlation = _component(subject, codes, target)
    alone = conditioned(boundary.normal, _others(RATED[attribute], codes))
    alone_unit, alone_read = unit_of_one_sd(DirectionMover(alone, layers), codes, target)
    return (
        {
            METHODS[0]: subject.mover("latent-transformer", attribute),
            METHODS[1]: DirectionMover(boundary.normal, layers, unit=unit),
            METHODS[2]: component,
            METHODS[3]: DirectionMover(alone, layers, unit=alone_unit),
        },
        {
            METHODS[1]: {**boundary.accuracy, "reader_correlation": read},
            METHODS[2]: {"correlation": correlation},
            METHODS[3]: {"reader_correlation": alone_read},
        },
    )


def _others(rated: str, codes: LabelledCodes) -> list[Tensor]:
    """Return the normals of the boundaries of all attributes that have a rating but one."""
    names = sorted({*RATED.values()} - {rated})
    return [
        fit_boundary(codes.w, codes.labels[:, codes.column(name)], share=_ENDS).normal
        for name in names
        if name in codes.names
    ]


def _component(subject: Subject, codes: LabelledCodes, target: int) -> tuple[DirectionMover, float]:
    """Return the component that correlates most with a rating, and its correlation.

    Whitened codes are coordinates along the pack's own principal components: these are the
    components then, since the spread along any other direction is the same.
    """
    _, layers, dimensions = codes.w.shape
    if subject.whitened:
        axes = torch.eye(layers * dimensions).view(-1, layers, dimensions)
        components = Components(codes.w.mean(0), axes, codes.w.flatten(1).std(0))
    else:
        most = min(len(codes.w) - 1, layers * dimensions)
        components = fit_components(codes.w, min(_COMPONENTS, most))
    index, correlation = component_of(components, codes.w, codes.labels[:, target])
    sign = 1.0 if correlation >= 0 else -1.0
    return DirectionMover(components.vector(index), layers, unit=sign), correlation
