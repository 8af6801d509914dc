"""A folder of aligned face pictures, checked before training and read a batch at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from ..base import ModelError

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_CHECKED = 2000
"""More pictures than this are not all decoded before training: this many, evenly spread, are."""

_HELD_OUT = 10
"""Every tenth picture is measured, not trained on."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Picture files, read when asked for."""

    paths: tuple[Path, ...]
    side: int
    """Side the pictures are resized to, px."""

    def __len__(self) -> int:
        return len(self.paths)

    def batch(self, rows: Sequence[int]) -> Tensor:
        """Return pictures (N, 3, side, side) float32 RGB in [-1, 1].

        Raises:
            ModelError: a file cannot be read, or is not square.
        """
        return torch.stack([read_square(self.paths[row], self.side) for row in rows])


@dataclass(frozen=True, slots=True)
class PictureFolder:
    """A folder split into pictures to train on and pictures to measure."""

    kept: Pictures
    held_out: Pictures
    digest: str
    """Hash of names and sizes of all files."""

    @property
    def side(self) -> int:
        """Side the pictures are resized to, px."""
        return self.kept.side


def pictures_in(folder: Path, side: int) -> Pictures:
    """Return all pictures of a folder (and the folders in it), in order of their names.

    Raises:
        ModelError: there are none, or one cannot be read or is not square.
    """
    paths = tuple(sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES))
    if not paths:
        raise ModelError(f"{folder} holds 0 pictures ({', '.join(_SUFFIXES)})")
    for path in paths[:: max(1, len(paths) // _CHECKED)]:
        read_square(path, side)
    return Pictures(paths, side)


def open_pictures(folder: Path, side: int) -> PictureFolder:
    """Return the pictures of a folder (and the folders in it), in order of their names.

    Raises:
        ModelError: too few pictures, or one cannot be read or is not square.
    """
    paths = pictures_in(folder, side).paths
    if len(paths) < _HELD_OUT:
        raise ModelError(
            f"{folder} holds {len(paths)} pictures; at least {_HELD_OUT} aligned faces are needed "
            f"({', '.join(_SUFFIXES)})"
        )
    facts = "\n".join(f"{p.relative_to(folder)} {p.stat().st_size}" for p in paths)
    kept = tuple(p for n, p in enumerate(paths) if n % _HELD_OUT != _HELD_OUT - 1)
    held = paths[_HELD_OUT - 1 :: _HELD_OUT]
    digest = hashlib.sha256(facts.encode()).hexdigest()[:16]
    return PictureFolder(Pictures(kept, side), Pictures(held, side), digest)


def read_square(path: Path, side: int) -> Tensor:
    """Return a square picture file as (3, side, side) float32 RGB in [-1, 1].

    Raises:
        ModelError: the file cannot be read, or is not square.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ModelError(f"cannot read the picture {path}; leave it out")
    height, width = image.shape[:2]
    if height != width:
        raise ModelError(f"{path} is {width}x{height}; aligned faces are square: align it first")
    method = cv2.INTER_AREA if height > side else cv2.INTER_LINEAR
    resized = cv2.resize(image, (side, side), interpolation=method) if height != side else image
    rgb = np.ascontiguousarray(resized[:, :, ::-1])
    return torch.from_numpy(rgb).permute(2, 0, 1).float() / 127.5 - 1
