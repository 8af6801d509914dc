"""How far an attribute can be changed before others, and the person, change too: curves of several
methods in one picture and one JSON.

Protocol of Yao et al. (ICCV 2021) as far as it is known: every face is moved towards the other
class of an attribute, in steps of strength. Per strength: the share of faces that cross (target
change), the share of other attributes whose class stays, weighted by 1 − |ρ| (attributes kept), and
how far a recogniser sees the person moved (mean distance to the unedited face). All is read from
the pictures, by judges that know no code. This module stands beside the families because it needs
several of them.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from ..arcface import Identity, load
from ..base import ModelError
from ..ops import Move
from ..packs.naming import HELP
from ..parts import tensors_of
from ..reading.checkpoint import read_checkpoint
from ..reading.unwrapping import unwrapped
from ..recognition import Recogniser, open_recogniser
from ..training.codes import LabelledCodes
from ..training.command import run_command
from ..training.steps import write_metrics
from .curve_faces import Evaluation, read_evaluation
from .curve_methods import methods_for
from .curve_plot import Point, draw_curves
from .curve_subjects import RATED, Encoded, Subject, open_subject
from .image_judge import ImageClassifier

STRENGTHS: Final = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
"""In standard deviations of the rating; of the component for GANSpace."""

_READABLE = 0.6
"""An attribute is judged if the image classifier's correlation with its rating is at least this."""


Curves = dict[str, dict[str, list[Point]]]
"""By attribute, then by method."""


@torch.inference_mode()
def curves_of(
    subject: Subject,
    evaluation: Evaluation,
    attributes: Sequence[str],
    *,
    strengths: Sequence[float] = STRENGTHS,
) -> tuple[Curves, dict[str, object]]:
    """Return the curves of a pack and what else is worth knowing of them.

    Raises:
        ModelError: a method cannot be fitted.
    """
    codes = LabelledCodes(
        subject.encode(evaluation.rated_faces(), keep=False).w, evaluation.ratings, evaluation.names
    )
    encoded = subject.encode(evaluation.faces())
    curves: Curves = {}
    facts: dict[str, object] = {"half_way": _half_way(subject, encoded, evaluation.identity)}
    for attribute in attributes:
        moves, facts[attribute] = methods_for(subject, attribute, codes)
        judged = _Judged.of(evaluation.classifier, codes, RATED[attribute])
        curves[attribute] = {
            method: _points(subject, encoded, move, judged, evaluation.identity, strengths)
            for method, move in moves.items()
        }
    return curves, facts


def _half_way(subject: Subject, encoded: Encoded, identity: Recogniser) -> float:
    """Return how far faces have moved, on average, half-way to the next one's code: a yardstick."""
    w = encoded.w
    moved = [
        identity.distances(
            subject.shown(encoded, row, w[row : row + 1]),
            subject.shown(encoded, row, (w[row : row + 1] + w[row - 1 : row or None]) / 2),
        )
        for row in range(len(w))
    ]
    return float(torch.cat(moved).mean())


@dataclass(frozen=True, slots=True)
class _Judged:
    """How pictures are read for one attribute."""

    classifier: ImageClassifier
    target: int
    keep: Tensor
    """(A,): 1 − |ρ| with the target for what can be read, 0 for the target and the rest."""

    @classmethod
    def of(cls, classifier: ImageClassifier, codes: LabelledCodes, rated: str) -> _Judged:
        keep = 1 - codes.correlation()[codes.names.index(rated)]
        for index, name in enumerate(classifier.names):
            if name == rated or classifier.correlation[name] < _READABLE:
                keep[index] = 0
        return cls(classifier, classifier.names.index(rated), keep)


def _points(
    subject: Subject,
    encoded: Encoded,
    move: Move,
    judged: _Judged,
    identity: Recogniser,
    strengths: Sequence[float],
) -> list[Point]:
    """Return the curve of one method."""
    target, keep = judged.target, judged.keep
    sums = torch.zeros(len(strengths), 3)
    for row in range(len(encoded.w)):
        w = encoded.w[row : row + 1]
        before = subject.shown(encoded, row, w)
        read = judged.classifier.readings(before)[0]
        away = -1.0 if read[target] > 0 else 1.0
        steps = away * torch.tensor(list(strengths))
        after = subject.shown(encoded, row, move(w.expand(len(steps), -1, -1), steps))
        said = judged.classifier.readings(after) > 0
        same = said == (read > 0)
        sums[:, 0] += (~same[:, target]).float()
        sums[:, 1] += (same.float() @ keep) / keep.sum()
        sums[:, 2] += identity.distances(before, after)
    means = sums / len(encoded.w)
    start = Point(0.0, 0.0, 1.0, 0.0)
    moved = [
        Point(strength, *(float(value) for value in row))
        for strength, row in zip(strengths, means, strict=True)
    ]
    return [start, *moved]


def report_of(
    subject: Subject, evaluation: Evaluation, curves: Curves, facts: Mapping[str, object]
) -> dict[str, object]:
    """Return everything about the curves as JSON can hold it."""
    readable = {k: v for k, v in evaluation.classifier.correlation.items() if v >= _READABLE}
    return {
        "pack": subject.name,
        "faces": len(evaluation),
        "fitted_on": len(evaluation.ratings),
        "classifier_correlation": readable,
        "identity": {**evaluation.identity_facts, "half_way": facts["half_way"]},
        "methods": {name: found for name, found in facts.items() if name in curves},
        "curves": {
            attribute: {
                method: [asdict(point) for point in points] for method, points in methods.items()
            }
            for attribute, methods in curves.items()
        },
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the JSON is written beside the picture."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    parser.add_argument("--pack", required=True, help=f"portrait, {HELP}")
    parser.add_argument("--data", type=Path, required=True, help="folder of rated faces and levels")
    parser.add_argument("--out", type=Path, required=True, help="PNG to write")
    parser.add_argument("--attr", action="append", help="only these; default all with a rating")
    parser.add_argument("--faces", type=int, help="judge at most this many pictures; default all")
    parser.add_argument("--arcface", type=Path, help="judge identity by this model_ir_se50.pth")
    options = parser.parse_args(arguments)
    return run_command(lambda: _drawn(options))


def _drawn(options: argparse.Namespace) -> dict[str, object]:
    subject = open_subject(options.pack)
    attributes = _chosen(subject, options.attr)
    evaluation = read_evaluation(
        options.data,
        learnt_from_rated=subject.whitened,
        limit=options.faces,
        identity=_recogniser(options.arcface),
    )
    curves, facts = curves_of(subject, evaluation, attributes)
    write_metrics(options.out.with_suffix(".json"), report_of(subject, evaluation, curves, facts))
    judge = evaluation.identity
    title = f"{subject.name}: {len(evaluation)} faces to the other class; identity: {judge.name}"
    if judge.other_person is not None:
        title += f", another person from {judge.other_person:g}"
    draw_curves(curves, options.out, title=title)
    return {  # what is kept when half of the faces have changed class
        attribute: {method: _at_half(points) for method, points in methods.items()}
        for attribute, methods in curves.items()
    }


def _recogniser(arcface: Path | None) -> Recogniser:
    """Return ArcFace where its file is given, else dlib's network."""
    if arcface is None:
        return open_recogniser()
    return Identity(load(tensors_of(unwrapped(read_checkpoint(arcface).content))))


def _chosen(subject: Subject, asked: Sequence[str] | None) -> tuple[str, ...]:
    known = subject.attributes
    unknown = [name for name in asked or () if name not in known]
    if unknown or not known:
        raise ModelError(
            f"pack {subject.name!r} has no rated attribute {unknown}; it has {', '.join(known)}"
        )
    return tuple(asked or known)


def _at_half(points: Sequence[Point]) -> str:
    """Return what a curve keeps where it crosses ½, read between its points; else at its end."""
    for before, after in itertools.pairwise(points):
        if before.target_change < 0.5 <= after.target_change:
            share = (0.5 - before.target_change) / (after.target_change - before.target_change)
            kept, identity, strength = (
                getattr(before, name) + share * (getattr(after, name) - getattr(before, name))
                for name in ("attributes_kept", "identity_distance", "strength")
            )
            return (
                f"at 50% changed (strength {strength:.2g}): attributes kept {kept:.1%}, identity "
                f"moved by {identity:.3f}"
            )
    end = max(points, key=lambda point: point.target_change)
    return (
        f"reaches {end.target_change:.0%} (strength {end.strength:g}): attributes kept "
        f"{end.attributes_kept:.1%}, identity moved by {end.identity_distance:.3f}"
    )
