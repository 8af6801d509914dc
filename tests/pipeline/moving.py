"""Clips of a real face whose place is known in every frame: a portrait moved over a background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.config import AnalyzeOptions
from pipeline.imaging.color import frame_of_rgb
from pipeline.imaging.geometry import eye_distance, similarity, transform
from pipeline.loading import load_finder

SAMPLE = Path(__file__).resolve().parents[2] / "samples/astronaut.mp4"
Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Place:
    """Where the face is in a frame; none shows it if `eyes` is 0."""

    x: float
    """Middle of the outer eye corners [px]."""
    y: float
    eyes: float
    """Distance of the outer eye corners [px]."""
    turn_deg: float = 0.0


NOWHERE = Place(0, 0, 0)


@dataclass(frozen=True)
class Portrait:
    """A picture of one face, and its 68 landmarks."""

    picture: Picture
    points: NDArray[np.float64]

    @classmethod
    def of_the_sample(cls) -> Portrait:
        """NASA's portrait of Eileen Collins; its landmarks as the program finds them in it."""
        found, frame = cv2.VideoCapture(str(SAMPLE)).read()
        assert found
        picture = np.ascontiguousarray(frame[..., ::-1])
        finder = load_finder(AnalyzeOptions(), torch.device("cpu"), rate=25.0)
        ((face,),) = finder.find([frame_of_rgb(picture)], [])
        return cls(picture, face.landmarks.astype(np.float64))

    def other(self) -> Portrait:
        """The same head mirrored and in another colour: somebody else, for all it matters."""
        mirrored = np.ascontiguousarray(self.picture[:, ::-1, [2, 0, 1]])
        width = self.picture.shape[1]
        order = np.concatenate(
            [
                np.arange(16, -1, -1), np.arange(26, 16, -1), np.arange(27, 31),
                np.arange(35, 30, -1), [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40],
                np.arange(54, 47, -1), np.arange(59, 54, -1), np.arange(64, 59, -1),
                np.arange(67, 64, -1),
            ]
        )  # fmt: skip
        points = self.points[order]
        return Portrait(mirrored, np.column_stack([width - 1 - points[:, 0], points[:, 1]]))

    def _to_frame(self, place: Place) -> NDArray[np.float64]:
        """(3, 3): the portrait's pixels to the frame's."""
        middle = 0.5 * (self.points[36] + self.points[45])
        matrix = similarity(place.eyes / float(eye_distance(self.points)), place.turn_deg, 0, 0)
        matrix[:2, 2] = (place.x, place.y) - matrix[:2, :2] @ middle
        return matrix

    def at(self, place: Place) -> NDArray[np.float64]:
        """(68, 2) where the landmarks are."""
        return transform(self._to_frame(place), self.points)

    def put_into(self, frame: Picture, place: Place) -> None:
        """Draw the portrait there."""
        if not place.eyes:
            return
        matrix = self._to_frame(place)
        shrink = float(np.sqrt(np.linalg.det(matrix[:2, :2])))
        source = self.picture
        if shrink < 1.0:  # no aliasing
            source = np.asarray(cv2.GaussianBlur(source, (0, 0), 0.4 / shrink), np.uint8)
        cv2.warpAffine(
            source, matrix[:2], (frame.shape[1], frame.shape[0]),
            dst=frame, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT,
        )  # fmt: skip


def background(width: int, height: int, seed: int = 0) -> Picture:
    """(height, width, 3) soft coloured shapes, nobody among them."""
    small = np.random.default_rng(seed).integers(60, 190, (6, 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def clip(
    portrait: Portrait, places: Sequence[Place], size: tuple[int, int], seed: int = 0
) -> list[Picture]:
    """A frame of `size` (width, height) for each place, over a background that stays."""
    still = background(*size, seed)
    frames = []
    for place in places:
        frame = still.copy()
        portrait.put_into(frame, place)
        frames.append(frame)
    return frames
