"""A turntable folder in small: heads of a few coloured blobs that turn, are lit and wear things."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
YAWS = (-45, -30, -15, 0, 15, 30, 45)
SIDE = 128


def lights(count: int) -> Floats:
    """Ambient light, then flashes from left to right."""
    angles = np.linspace(-1.2, 1.2, count - 1)
    flashes = [[np.sin(a), -0.3, np.cos(a), 1.0] for a in angles]
    return np.array([[0, 0, 1, 0], *flashes], np.float32)


def _blob(
    picture: Floats, centre: tuple[float, float], radii: tuple[float, float], colour: Floats
) -> None:
    y, x = np.mgrid[:SIDE, :SIDE]
    far = ((x - centre[0]) / radii[0]) ** 2 + ((y - centre[1]) / radii[1]) ** 2
    cover = np.clip((1 - far) * 4, 0, 1)[..., None]
    picture[:] = picture * (1 - cover) + colour * cover


class Face:
    """What one face looks like: colours and places that follow from its number."""

    def __init__(self, number: int) -> None:
        random = np.random.default_rng(number)
        self.skin = random.uniform(0.3, 0.7, 3).astype(np.float32)
        self.eye = random.uniform(0.0, 0.3, 3).astype(np.float32)
        self.mouth = random.uniform(0.2, 0.9, 3).astype(np.float32)
        self.apart, self.high = random.uniform(13, 18), random.uniform(50, 58)

    def drawn(self, yaw: float, wears: int = 0) -> Floats:
        """The face without light, (128, 128, 3) in [0, 1]."""
        picture = np.full((SIDE, SIDE, 3), 0.5, np.float32)
        turn = np.sin(np.radians(yaw))
        _blob(picture, (64, 66), (40, 50), self.skin)
        for x, y in self.eyes(yaw):
            _blob(picture, (x, y), (6, 5), self.eye)
            if 1 <= wears <= 3:
                _blob(picture, (x, y), (9, 7), np.full(3, 0.25 * wears, np.float32))
        _blob(picture, (64 + 30 * turn, 92), (13, 5), self.mouth)
        if wears > 3:
            _blob(picture, (64, 25), (38, 5.0 * (wears - 2)), np.full(3, 0.2, np.float32))
        return picture

    def eyes(self, yaw: float) -> Floats:
        """Places of both eyes (2, 2) [px]."""
        turn, depth = np.sin(np.radians(yaw)), np.cos(np.radians(yaw))
        x = 64 + 30 * turn + np.array([-1, 1]) * self.apart * depth
        return np.stack([x, np.full(2, self.high)], 1).astype(np.float32)


def shaded(picture: Floats, light: Floats) -> NDArray[np.uint8]:
    """Levels of a picture under ambient light and a flash."""
    x = np.linspace(-1, 1, SIDE, dtype=np.float32)[None, :, None]
    side = np.clip(light[0] * x + light[2], 0, None)
    linear = picture * (0.35 + 0.45 * light[3] * side)
    levels: NDArray[np.uint8] = np.rint(np.clip(linear, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)
    return levels


def _grey(colour: NDArray[np.uint8]) -> NDArray[np.uint8]:
    grey = cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA), np.uint8)


def write(
    folder: Path, *, train: int = 6, test: int = 2, count: int = 3, captures: int = 1
) -> Path:
    """Write a turntable of a few faces under `count` lights and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = list(range(1, train + test + 1))
    ids = {"train": numbers[:train], "test": numbers[train:]}
    (folder / "ids.json").write_text(json.dumps(ids))
    flashes = lights(count)
    views = np.zeros((len(numbers), 7, count, SIDE, SIDE, 3), np.uint8)
    worn = np.zeros((len(numbers), 7, captures, SIDE, SIDE, 3), np.uint8)
    eyes = np.zeros((len(numbers), 7, 2, 2), np.float32)
    for row, number in enumerate(numbers):
        face = Face(number)
        for place, yaw in enumerate(YAWS):
            eyes[row, place] = face.eyes(yaw)
            views[row, place] = [shaded(face.drawn(yaw), light) for light in flashes]
        for state in range(7):
            for capture in range(captures):
                worn[row, state, capture] = shaded(face.drawn(3.0 * capture, state), flashes[1])
    arrays: dict[str, NDArray[Any]] = {
        "views_colour128": views,
        "views_grey32": _all_grey(views),
        "wearing_colour128": worn,
        "wearing_grey32": _all_grey(worn),
        "yaw_deg": np.array(YAWS, np.float32),
        "lights": flashes,
        "eyes": eyes,
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    facts = {"seed": 0, "faces": len(numbers), "done": numbers}
    (folder / "turntable.json").write_text(json.dumps(facts))
    return folder


def _all_grey(colour: NDArray[np.uint8]) -> NDArray[np.uint8]:
    flat = [_grey(picture) for picture in colour.reshape(-1, SIDE, SIDE, 3)]
    return np.stack(flat).reshape(*colour.shape[:3], 32, 32)
