"""The faces the attribute curves are measured on, and the judges fitted on other faces.

Level pictures show 50 faces at three levels of ten attributes; nothing in this project learns its
movers from them. Every fifth face is never seen by `mini` in any form, nor is every rated picture
whose number ten divides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from ..arcface import Identity, load
from ..base import ModelError
from ..parts import tensors_of
from ..portrait.data import FaceSet, read_faces, read_level_pairs
from ..reading.checkpoint import read_checkpoint
from ..reading.unwrapping import unwrapped
from ..training.steps import random_of
from .curve_subjects import Face
from .image_judge import (
    FEATURE_SIDE,
    IdentityJudge,
    ImageClassifier,
    features,
    fit_classifier,
    fit_identity,
    verification,
)

_NEUTRAL: Final = ("familiar", "memorable")
"""Level pictures of these attributes serve as faces to edit: they change the shown ones least."""
_LEARNT_FROM: Final = ("age", "familiar", "gender", "memorable", "outgoing", "weight")
"""Level pictures of these teach the identity metric."""
_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Group:
    """Faces to edit, and who says whether they are still themselves."""

    sets: tuple[tuple[FaceSet, tuple[int, ...]], ...]
    """Face sets and which of their faces."""
    identity: IdentityJudge

    def __len__(self) -> int:
        return sum(len(rows) for _, rows in self.sets)

    def faces(self) -> Iterator[Face]:
        """Yield the pictures with their points."""
        for faces, rows in self.sets:
            yield from faces.part(rows).pictures()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything a measurement needs."""

    groups: tuple[Group, ...]
    classifier: ImageClassifier
    identity_facts: dict[str, object]
    """Which metric, and how well it tells faces apart."""
    ratings: Tensor
    """(N, A) of the rated faces that methods are fitted on."""
    names: tuple[str, ...]
    _rated: FaceSet

    def rated_faces(self) -> Iterator[Face]:
        """Yield the rated faces that methods are fitted on."""
        return self._rated.pictures()


@dataclass(frozen=True, slots=True)
class _Levels:
    """What the identity metric sees of level pictures, and whose they are."""

    plain: Tensor
    """(N, F) inner features."""
    mirrored: Tensor
    """(N, F), of the mirrored pictures."""
    faces: tuple[str, ...]

    def of(self, wanted: Sequence[bool]) -> _Levels:
        rows = [index for index, yes in enumerate(wanted) if yes]
        return _Levels(self.plain[rows], self.mirrored[rows], tuple(self.faces[r] for r in rows))


def read_evaluation(
    folder: Path, *, learnt_from_rated: bool, limit: int | None = None, arcface: Path | None = None
) -> Evaluation:
    """Return faces and judges.

    Args:
        folder: rated faces and level pictures.
        learnt_from_rated: whether the pack has learnt from all rated faces (the portrait): then
            all 50 faces of the level pictures are judged, in five folds, each by an identity metric
            of the other four. Otherwise every fifth of them and every tenth rated face.
        limit: at most this many faces.
        arcface: file of the recognition network, instead of the learnt metric.

    Raises:
        ModelError: data or the file cannot be read.
    """
    rated = read_faces(folder)
    held = [int(path.stem) % 10 == 0 for path in rated.paths]
    kept_rows = [i for i, away in enumerate(held) if not away]
    held_rows = [i for i, away in enumerate(held) if away]
    small = _small(rated)
    classifier = fit_classifier(
        small[kept_rows],
        rated.ratings[kept_rows],
        rated.attributes,
        held_images=small[held_rows],
        held_ratings=rated.ratings[held_rows],
    )
    levels, background = _levels(folder), features(small[kept_rows], inner=True)
    order = sorted(set(levels.faces), key=int)
    fold_of = {face: index % _FOLDS for index, face in enumerate(order)}
    folds = range(_FOLDS) if learnt_from_rated else range(1)
    starts = [faces for attribute in _NEUTRAL for faces in read_level_pairs(folder, attribute)]
    groups, checks = [], []
    network = (
        Identity(load(tensors_of(unwrapped(read_checkpoint(arcface).content)))) if arcface else None
    )
    for fold in folds:
        own = levels.of([fold_of[face] == fold for face in levels.faces])
        others = levels.of([fold_of[face] != fold for face in levels.faces])
        both = torch.cat([others.plain, others.mirrored])
        metric = fit_identity(both, others.faces * 2, background)
        checks.append(verification(metric, own.plain, own.mirrored, own.faces))
        sets = [(faces, _rows(faces, fold_of, fold)) for faces in starts]
        if not learnt_from_rated:
            sets.append((rated, tuple(held_rows)))
        groups.append(Group(tuple(sets), network or metric))
    facts: dict[str, object] = {"metric": "ArcFace IR-SE50" if network else "learnt from levels"}
    if network is None:
        facts |= {key: sum(c[key] for c in checks) / len(checks) for key in checks[0]}
    fitted = rated.part(kept_rows)
    return Evaluation(
        limited(tuple(groups), limit), classifier, facts, fitted.ratings, rated.attributes, fitted
    )


def _rows(faces: FaceSet, fold_of: dict[str, int], fold: int) -> tuple[int, ...]:
    owners = [path.stem.split("_")[0] for path in faces.paths]
    return tuple(row for row, face in enumerate(owners) if fold_of[face] == fold)


def limited(groups: tuple[Group, ...], limit: int | None) -> tuple[Group, ...]:
    """Return the groups with at most `limit` faces, as many of each, drawn at random (seeded)."""
    total = sum(len(group) for group in groups)
    if limit is None or limit >= total:
        return groups
    if limit < len(groups):
        raise ModelError(f"--faces {limit} is fewer than the {len(groups)} groups of faces")
    kept = []
    for group in groups:
        share = limit // len(groups)
        every = [(n, row) for n, (_, rows) in enumerate(group.sets) for row in rows]
        mixed = torch.randperm(len(every), generator=random_of(0))[:share]
        chosen = {every[index] for index in mixed.tolist()}
        sets = tuple(
            (faces, tuple(row for row in rows if (n, row) in chosen))
            for n, (faces, rows) in enumerate(group.sets)
        )
        kept.append(Group(sets, group.identity))
    return tuple(kept)


def _levels(folder: Path) -> _Levels:
    sets = [faces for attribute in _LEARNT_FROM for faces in read_level_pairs(folder, attribute)]
    owners = tuple(path.stem.split("_")[0] for faces in sets for path in faces.paths)
    images = torch.cat([_small(faces) for faces in sets])
    return _Levels(features(images, inner=True), features(images.flip(-1), inner=True), owners)


def _small(faces: FaceSet) -> Tensor:
    """Return all pictures (N, 3, S, S) at the side they are judged at."""
    return torch.cat(
        [
            F.interpolate(picture[None], FEATURE_SIDE, mode="bilinear", antialias=True)
            for picture, _ in faces.pictures()
        ]
    )
