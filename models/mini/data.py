"""Read and check the face set `mini` learns from: rated pictures, level triples, their mesh points.

Everything is checked before the first step: a missing picture, a mesh that does not fit or a
rating without a picture is an error that names the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import torch
from torch import Tensor

from ..base import ModelError
from ..topology68 import MESH_TO_68
from ..training.face_folder import read_picture, read_points, read_ratings

STORED_SIDE: Final = 192
"""Pictures are kept at this side [px], so that a jittered crop of 128 px is still sharp."""

HELD_OUT_EVERY: Final = 10
"""Picture n of the rated faces is held out if 10 divides n."""

HELD_OUT_FACES_EVERY: Final = 5
"""Of the faces with level pictures, in the order of their numbers, every fifth is held out."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Aligned faces with their 68 points."""

    names: tuple[str, ...]
    """File names."""
    images: Tensor
    """(N, 3, STORED_SIDE, STORED_SIDE) uint8 RGB."""
    points: Tensor
    """(N, 68, 2) float32, x and y in picture widths."""

    def __len__(self) -> int:
        return len(self.names)

    def subset(self, rows: Sequence[int]) -> Pictures:
        """Return some of them, in the order given."""
        index = torch.tensor(list(rows), dtype=torch.long)
        return Pictures(tuple(self.names[i] for i in rows), self.images[index], self.points[index])


@dataclass(frozen=True, slots=True)
class MiniData:
    """What `mini` is trained and measured on."""

    train: Pictures
    """Rated pictures to learn from."""
    held: Pictures
    """Rated pictures held out, see HELD_OUT_EVERY."""
    levels: Pictures
    """Level pictures to learn from, ordered by (attribute, face, level): triples."""
    levels_held: Pictures
    """Level pictures of the faces held out."""
    attributes: tuple[str, ...]
    """Names of the rating columns."""
    ratings: Tensor
    """(train, A): standardised over the training pictures."""
    ratings_held: Tensor
    """(held, A): in the same units."""


def read_mini_data(folder: Path) -> MiniData:
    """Return the face set of a folder, split.

    The folder holds `images/<n>.jpg`, `images_landmarks478.npz`, `attribute_means.csv`,
    `pairs/<face>_<attribute>_<level>.jpg` and `pairs_landmarks478.npz`; see CARD.md.

    Raises:
        ModelError: something is missing, damaged, or does not fit together.
    """
    rated_names, rated_points = _read_68(folder / "images_landmarks478.npz")
    attributes, table = read_ratings(folder / "attribute_means.csv", rated_names)
    level_names, level_points = _read_68(folder / "pairs_landmarks478.npz")
    _check_triples(level_names, folder)
    rated = Pictures(tuple(rated_names), _read_images(folder / "images", rated_names), rated_points)
    order = sorted(range(len(level_names)), key=lambda i: _level_key(level_names[i]))
    levels = Pictures(
        tuple(level_names), _read_images(folder / "pairs", level_names), level_points
    ).subset(order)
    kept, held = split_rated(rated.names)
    faces = sorted({_level_key(name)[1] for name in level_names}, key=int)
    away = set(faces[::HELD_OUT_FACES_EVERY])
    in_levels = [i for i, name in enumerate(levels.names) if _level_key(name)[1] not in away]
    out_levels = [i for i, name in enumerate(levels.names) if _level_key(name)[1] in away]
    mean, deviation = table[kept].mean(0), table[kept].std(0, correction=0)
    ratings = (table - mean) / deviation
    return MiniData(
        rated.subset(kept),
        rated.subset(held),
        levels.subset(in_levels),
        levels.subset(out_levels),
        attributes,
        ratings[kept],
        ratings[held],
    )


def split_rated(names: Sequence[str]) -> tuple[list[int], list[int]]:
    """Return the rows to learn from and the rows held out, by the number in the file name."""
    held = [i for i, name in enumerate(names) if int(Path(name).stem) % HELD_OUT_EVERY == 0]
    away = set(held)
    return [i for i in range(len(names)) if i not in away], held


def _level_key(name: str) -> tuple[str, str, str]:
    face, attribute, level = Path(name).stem.split("_")
    return attribute, face, level


def _check_triples(names: Sequence[str], folder: Path) -> None:
    found: dict[tuple[str, str], list[str]] = {}
    for name in names:
        parts = Path(name).stem.split("_")
        if len(parts) != 3 or not parts[0].isdigit():
            raise ModelError(
                f"level picture {name!r} in {folder}: expected <face>_<attribute>_<level>.jpg"
            )
        found.setdefault((parts[1], parts[0]), []).append(parts[2])
    for (attribute, face), levels in found.items():
        if sorted(levels) != ["0", "1", "2"]:
            raise ModelError(
                f"face {face} of {attribute} in {folder} has levels {sorted(levels)}, "
                "expected 0, 1 and 2"
            )


def _read_68(path: Path) -> tuple[list[str], Tensor]:
    names, mesh = read_points(path)
    return names, mesh[:, list(MESH_TO_68), :2].contiguous()


def _read_images(folder: Path, names: Sequence[str]) -> Tensor:
    """Return square pictures (N, 3, STORED_SIDE, STORED_SIDE) uint8 RGB, reduced by area."""
    out = torch.empty(len(names), 3, STORED_SIDE, STORED_SIDE, dtype=torch.uint8)
    for row, name in enumerate(names):
        image = read_picture(folder / name)
        height, width = image.shape[:2]
        if height != width:
            raise ModelError(f"{folder / name} is {width}x{height}; expected a square crop")
        small = cv2.resize(image, (STORED_SIDE, STORED_SIDE), interpolation=cv2.INTER_AREA)
        out[row] = torch.from_numpy(small).permute(2, 0, 1)
    return out
