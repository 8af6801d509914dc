"""What lies in a folder of rated faces: pictures, mesh points and mean ratings, checked."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..base import ModelError


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Return a picture file (H, W, 3) uint8 RGB.

    Raises:
        ModelError: it cannot be read.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ModelError(f"cannot read the picture {path}; expected a JPEG or PNG file")
    return np.ascontiguousarray(image[:, :, ::-1], np.uint8)


def read_points(path: Path) -> tuple[list[str], Tensor]:
    """Return the pictures' names and their mesh points (N, 478, 3) [picture widths] of an .npz.

    Raises:
        ModelError: it is missing, damaged, or holds something else.
    """
    if not path.is_file():
        raise ModelError(f"no mesh points at {path}; expected an .npz with 'names' and 'points'")
    try:
        with np.load(path) as archive:
            names = [str(name) for name in archive["names"]]
            points = archive["points"].astype(np.float32)
    except (KeyError, ValueError, OSError) as e:
        raise ModelError(f"{path} cannot be read: {e}; expected 'names' and 'points'") from e
    if points.ndim != 3 or points.shape[1:] != (478, 3) or len(points) != len(names):
        raise ModelError(
            f"{path} holds {len(names)} names and points {points.shape}; expected (N, 478, 3)"
        )
    if not np.isfinite(points).all():
        bad = names[int(np.argmax(~np.isfinite(points).all((1, 2))))]
        raise ModelError(f"{path}: the points of {bad} are not finite; find them again")
    return names, torch.from_numpy(points)


def read_ratings(path: Path, names: Sequence[str]) -> tuple[tuple[str, ...], Tensor]:
    """Return the rating columns' names, and the ratings (N, A) of pictures, of a CSV with a row
    per `stimulus`.

    Raises:
        ModelError: it is missing, lacks a picture, or holds something that is no number.
    """
    if not path.is_file():
        raise ModelError(f"no ratings at {path}; expected a CSV with a 'stimulus' column")
    with path.open(newline="", encoding="utf-8") as file:
        rows = {row.get("stimulus", ""): row for row in csv.DictReader(file)}
    missing = [name for name in names if Path(name).stem not in rows]
    if missing:
        raise ModelError(f"{path} has no ratings for {missing[:3]} ({len(missing)} in all)")
    attributes = tuple(key for key in next(iter(rows.values())) if key != "stimulus")
    try:
        table = [[float(rows[Path(name).stem][key]) for key in attributes] for name in names]
    except (TypeError, ValueError) as e:
        raise ModelError(f"{path} holds something that is not a number: {e}") from e
    return attributes, torch.tensor(table)
