"""The faces the attribute curves are measured on, and the judges of their pictures.

Level pictures show 50 faces at three levels of ten attributes; nothing in this project learns its
movers from them. Every fifth face is never seen by `mini` in any form, nor is every rated picture
whose number ten divides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from ..base import ModelError
from ..portrait.data import FaceSet, read_faces, read_level_pairs
from ..recognition import Recogniser, open_recogniser
from ..training.steps import random_of
from .curve_subjects import Face
from .image_judge import FEATURE_SIDE, ImageClassifier, fit_classifier

_NEUTRAL: Final = ("familiar", "memorable")
"""Level pictures of these attributes serve as faces to edit: they change the shown ones least."""
_UNSEEN_OF: Final = 5
"""One face of so many is seen by no pack that learns from rated faces."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything a measurement needs."""

    sets: tuple[tuple[FaceSet, tuple[int, ...]], ...]
    """The faces to edit: face sets, and which of their faces."""
    classifier: ImageClassifier
    identity: Recogniser
    """Says whether faces are still themselves."""
    identity_facts: dict[str, object]
    """Which recogniser, and how far different people lie apart for it."""
    ratings: Tensor
    """(N, A) of the rated faces that methods are fitted on."""
    names: tuple[str, ...]
    _rated: FaceSet

    def __len__(self) -> int:
        return sum(len(rows) for _, rows in self.sets)

    def faces(self) -> Iterator[Face]:
        """Yield the pictures to edit with their points."""
        for faces, rows in self.sets:
            yield from faces.part(rows).pictures()

    def rated_faces(self) -> Iterator[Face]:
        """Yield the rated faces that methods are fitted on."""
        return self._rated.pictures()


def read_evaluation(
    folder: Path,
    *,
    learnt_from_rated: bool,
    limit: int | None = None,
    identity: Recogniser | None = None,
) -> Evaluation:
    """Return faces and judges.

    Args:
        folder: rated faces and level pictures.
        learnt_from_rated: whether the pack has learnt from all rated faces (the portrait): then
            all 50 faces of the level pictures are judged. Otherwise every fifth of them and every
            tenth rated face.
        limit: at most this many pictures, drawn at random (seeded).
        identity: default: dlib's network.

    Raises:
        ModelError: data cannot be read, or no recogniser is installed.
    """
    recogniser = open_recogniser() if identity is None else identity
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
    starts = [faces for attribute in _NEUTRAL for faces in read_level_pairs(folder, attribute)]
    people = sorted({_owner(path) for faces in starts for path in faces.paths}, key=int)
    judged = people if learnt_from_rated else people[::_UNSEEN_OF]
    sets = [
        (faces, tuple(row for row, path in enumerate(faces.paths) if _owner(path) in judged))
        for faces in starts
    ]
    if not learnt_from_rated:
        sets.append((rated, tuple(held_rows)))
    fitted = rated.part(kept_rows)
    return Evaluation(
        limited(tuple(sets), limit),
        classifier,
        recogniser,
        identity_facts(recogniser, starts[0]),
        fitted.ratings,
        rated.attributes,
        fitted,
    )


def _owner(path: Path) -> str:
    return path.stem.split("_")[0]


def limited(
    sets: tuple[tuple[FaceSet, tuple[int, ...]], ...], limit: int | None
) -> tuple[tuple[FaceSet, tuple[int, ...]], ...]:
    """Return at most `limit` pictures of the sets, drawn at random (seeded)."""
    every = [(number, row) for number, (_, rows) in enumerate(sets) for row in rows]
    if limit is None or limit >= len(every):
        return sets
    if limit < 1:
        raise ModelError(f"--faces {limit}: accepted are 1 and more")
    mixed = torch.randperm(len(every), generator=random_of(0))[:limit]
    chosen = {every[index] for index in mixed.tolist()}
    return tuple(
        (faces, tuple(row for row in rows if (number, row) in chosen))
        for number, (faces, rows) in enumerate(sets)
    )


def identity_facts(recogniser: Recogniser, people: FaceSet) -> dict[str, object]:
    """Return the recogniser's name, and how far apart it sees different people.

    Args:
        recogniser: to be told of.
        people: one picture of each.
    """
    images = torch.cat([picture[None] for picture, _ in people.pictures()])
    first, second = torch.triu_indices(len(images), len(images), 1)
    pairs = zip(first.split(64), second.split(64), strict=True)
    apart = torch.cat([recogniser.distances(images[a], images[b]) for a, b in pairs])
    return {
        "recogniser": recogniser.name,
        "other_person": recogniser.other_person,
        "between_people": float(apart.mean()),
        "nearest_people": float(apart.quantile(0.05)),
    }


def _small(faces: FaceSet) -> Tensor:
    """Return all pictures (N, 3, S, S) at the side they are judged at."""
    return torch.cat(
        [
            F.interpolate(picture[None], FEATURE_SIDE, mode="bilinear", antialias=True)
            for picture, _ in faces.pictures()
        ]
    )
