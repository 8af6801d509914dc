"""Read the face data set a portrait is trained and measured on: pictures, mesh vertices, ratings,
level pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..base import ModelError
from ..training.face_folder import read_picture, read_points, read_ratings
from .topology import MESH_VERTICES


@dataclass(frozen=True, slots=True)
class FaceSet:
    """Aligned pictures with mesh points and, for the rated ones, mean ratings."""

    paths: tuple[Path, ...]
    """One picture file per face."""
    mesh: Tensor
    """(N, V, 3) float: the shape's vertices in picture widths, z in the same unit."""
    attributes: tuple[str, ...]
    """Names of the rating columns; empty when unrated."""
    ratings: Tensor
    """(N, A) float: standardised to mean 0, standard deviation 1 over the set."""

    def __len__(self) -> int:
        return len(self.paths)

    def part(self, rows: Sequence[int]) -> FaceSet:
        """Return some of the faces."""
        index = list(rows)
        paths = tuple(self.paths[row] for row in index)
        return FaceSet(paths, self.mesh[index], self.attributes, self.ratings[index])

    def pictures(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield every picture (3, S, S) float RGB in [-1, 1] and its 68 points (68, 2) px."""
        for path, mesh in zip(self.paths, self.mesh, strict=True):
            picture = torch.from_numpy(read_picture(path)).permute(2, 0, 1).float() / 127.5 - 1
            yield picture, mesh[:68, :2] * picture.shape[-1] - 0.5


def read_faces(folder: Path) -> FaceSet:
    """Return the rated faces of a data folder.

    The folder holds `images/<id>.jpg`, `images_landmarks478.npz` (`names`, `points` (N, 478, 3) in
    picture widths) and `attribute_means.csv` (a `stimulus` column with the id, then one column per
    attribute).

    Raises:
        ModelError: one of these is missing or they do not fit together.
    """
    names, mesh = _read_mesh(folder / "images_landmarks478.npz")
    attributes, ratings = read_ratings(folder / "attribute_means.csv", names)
    ratings = (ratings - ratings.mean(0)) / ratings.std(0, correction=0)
    paths = tuple(folder / "images" / name for name in names)
    return FaceSet(paths, mesh, attributes, ratings)


def read_level_pairs(
    folder: Path, attribute: str, levels: tuple[int, int] = (0, 2)
) -> tuple[FaceSet, FaceSet]:
    """Return the same faces at two levels, of 0, 1 and 2, of one attribute, from
    `pairs/<face>_<attribute>_<level>.jpg`.

    Raises:
        ModelError: the pairs or their mesh file are missing, or hold no such attribute.
    """
    names, mesh = _read_mesh(folder / "pairs_landmarks478.npz")
    row = {name: index for index, name in enumerate(names)}
    faces = sorted({name.split("_")[0] for name in names if f"_{attribute}_" in name})
    if not faces:
        known = sorted({name.split("_")[1] for name in names})
        raise ModelError(
            f"no level pairs of {attribute!r} in {folder}; there are {', '.join(known)}"
        )
    paths = tuple(folder / "pairs" / name for name in names)
    everything = FaceSet(paths, mesh, (), torch.empty(len(names), 0))
    low, high = (
        everything.part([row[f"{face}_{attribute}_{level}.jpg"] for face in faces])
        for level in levels
    )
    return low, high


def _read_mesh(path: Path) -> tuple[list[str], Tensor]:
    names, points = read_points(path)
    return names, points[:, list(MESH_VERTICES)]
