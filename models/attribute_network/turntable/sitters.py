"""Who sits for the turntable: photographs of data/omi, each with its points, its hair and a head
fitted to it.

Left out are faces that the parsing recipe marked as wearing glasses or hats or as spoilt, faces
turned too far to show both cheeks, and those that the head fits badly.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ...base import ModelError
from ...head.basis import Head
from ...head.fit import HeadFit, fit_head
from ...head.raster import Floats
from ...head.shading import to_linear
from ...parsing.faces import marks_of_pictures
from ...topology68 import MESH_TO_68
from ...training.face_folder import read_picture, read_points

SIDE: Final = 512
"""Of a photograph [px]."""
PARTS_SIDE: Final = 256
POINTS, PARTS = "images_landmarks478.npz", "images_parts256.npz"
"""Files of data/omi beside the pictures."""
BACKGROUND, HAIR, SKIN, CLOTHES = range(4)
"""What `Sitter.parts` holds."""

_UNFIT: Final = frozenset({"glasses", "sunglasses", "hats", "dropped"})
_HARD_LIGHT: Final = frozenset({91, 183, 205, 379})
"""Pictures of hard sunlight, whose shadows stay in the skin: found by how unlike both sides of the
finished heads were, and looked at."""
_MOST_YAW, _MOST_PITCH, _MOST_ROLL = 16.0, 18.0, 14.0
"""Beyond, a cheek or the forehead is hardly seen [degrees]."""
_WORST_FIT: Final = 0.045
"""Mean distance of the points from the head's [head units]."""


@dataclass(frozen=True, slots=True, eq=False)
class Sitter:
    """A photographed face."""

    number: int
    """Of the picture in data/omi."""
    photograph: Floats
    """(512, 512, 3) linear light in [0, 1]."""
    points: NDArray[np.float64]
    """(68, 2) [px of the photograph, pixel centres at integers]."""
    parts: NDArray[np.uint8]
    """(256, 256): background, hair, skin, clothes."""
    fit: HeadFit
    """Of the head, in one frame."""


class Sitters:
    """Faces of a data folder by number; pictures are read when they are asked for."""

    def __init__(self, data: Path, head: Head) -> None:
        """Read what is known of all faces.

        Args:
            data: the folder that holds `omi`.
            head: what is fitted to them.

        Raises:
            ModelError: a file is missing or laid out otherwise.
        """
        self.folder = data / "omi"
        names, mesh = read_points(self.folder / POINTS)
        self._head = head
        self._points = {
            _number(name): points[list(MESH_TO_68), :2].double().numpy() * SIDE - 0.5
            for name, points in zip(names, mesh, strict=True)
        }
        self._parts = _parts(self.folder / PARTS)
        if missing := sorted(self._points.keys() - self._parts.keys()):
            raise ModelError(
                f"{self.folder} has points of {len(missing)} faces without parts "
                f"(first {missing[0]}); take both files from the same release"
            )

    def choose(self, count: int | None) -> list[int]:
        """Return numbers of faces that can sit, in order; the first `count` of them or all.

        Raises:
            ModelError: there are fewer.
        """
        marks = marks_of_pictures()
        chosen = []
        for number in sorted(self._points):
            spoilt = number in _HARD_LIGHT or marks.get(str(number), frozenset()) & _UNFIT
            if spoilt or not self._sits_well(number):
                continue
            chosen.append(number)
            if len(chosen) == count:
                break
        if count is not None and len(chosen) < count:
            raise ModelError(
                f"{self.folder} has {len(chosen)} faces that can sit for the turntable and {count} "
                "were asked for; ask for fewer with --faces, or for --faces all"
            )
        return chosen

    def fit(self, number: int) -> HeadFit:
        """Return the head fitted to a face."""
        modes = len(self._head.identity)
        return fit_head(self._points[number][None], None, self._head.points, modes=modes)

    def sit(self, number: int) -> Sitter:
        """Return a face.

        Raises:
            ModelError: its picture cannot be read, or is not square.
        """
        path = self.picture(number)
        picture = read_picture(path)
        if picture.shape[0] != picture.shape[1]:
            raise ModelError(
                f"{path} is {picture.shape[1]}×{picture.shape[0]} px; expected a square picture"
            )
        if len(picture) != SIDE:
            how = cv2.INTER_AREA if len(picture) > SIDE else cv2.INTER_CUBIC
            picture = np.asarray(cv2.resize(picture, (SIDE, SIDE), interpolation=how), np.uint8)
        return Sitter(
            number=number,
            photograph=to_linear(picture / np.float32(255)),
            points=self._points[number],
            parts=self._parts[number],
            fit=self.fit(number),
        )

    def picture(self, number: int) -> Path:
        """Return where the photograph of a face lies."""
        return self.folder / "images" / f"{number}.jpg"

    def _sits_well(self, number: int) -> bool:
        fit = self.fit(number)
        yaw, pitch, roll = angles(fit.rotation[0])
        straight = abs(yaw) < _MOST_YAW and abs(pitch) < _MOST_PITCH and abs(roll) < _MOST_ROLL
        return straight and float(fit.error[0]) < _WORST_FIT


def angles(rotation: NDArray[np.floating]) -> tuple[float, float, float]:
    """Return yaw (to the picture's right), pitch (down) and roll (clockwise) of a head's rotation
    (3, 3) [degrees]."""
    forward, right = rotation[:, 2], rotation[:, 0]
    yaw = np.arctan2(forward[0], forward[2])
    pitch = np.arcsin(np.clip(forward[1], -1, 1))
    roll = np.arctan2(right[1], right[0])
    return float(np.degrees(yaw)), float(np.degrees(pitch)), float(np.degrees(roll))


def _number(name: str) -> int:
    stem = name.rsplit(".", 1)[0]
    if not stem.isdigit():
        raise ModelError(
            f"{name!r} is no picture of data/omi/images; they are called 1.jpg, 2.jpg …"
        )
    return int(stem)


def _parts(path: Path) -> dict[int, NDArray[np.uint8]]:
    try:
        with np.load(path) as archive:
            names, parts = archive["names"].tolist(), archive["parts"]
    except (OSError, KeyError, ValueError) as e:
        raise ModelError(f"cannot read {path}: {e}; expected an .npz with names and parts") from e
    if parts.shape != (len(names), PARTS_SIDE, PARTS_SIDE) or parts.dtype != np.uint8:
        raise ModelError(
            f"{path} holds parts {parts.shape} {parts.dtype}; expected (N, 256, 256) uint8"
        )
    return {_number(str(name)): part for name, part in zip(names, parts, strict=True)}
