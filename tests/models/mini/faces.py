"""Drawn faces for the tests of `mini`: ovals with eyes and a mouth, and a data folder of them."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.mini.data import MiniData, Pictures

SIDE = 48


def points() -> Tensor:
    """68 points of a facing face (68, 2) in picture widths."""
    jaw = np.linspace(np.pi, 0, 17)
    rows = [
        np.stack([0.5 + 0.25 * np.cos(jaw), 0.5 + 0.35 * np.sin(jaw)], 1),
        np.stack([np.linspace(0.3, 0.7, 10), np.full(10, 0.38)], 1),
        np.stack([np.full(4, 0.5), np.linspace(0.45, 0.57, 4)], 1),
        np.stack([np.linspace(0.46, 0.54, 5), np.full(5, 0.6)], 1),
        *(_ring(x, 0.45, 0.05, 0.02, 6) for x in (0.39, 0.61)),
        _ring(0.5, 0.7, 0.1, 0.04, 12),
        _ring(0.5, 0.7, 0.07, 0.02, 8),
    ]
    return torch.from_numpy(np.concatenate(rows).astype(np.float32))


def _ring(x: float, y: float, wide: float, high: float, count: int) -> NDArray[np.float64]:
    angle = np.pi + np.arange(count) * (2 * np.pi / count)
    return np.stack([x + wide * np.cos(angle), y - high * np.sin(angle)], 1)


def picture(seed: int, *, side: int = SIDE, smile: float = 0.0) -> NDArray[np.uint8]:
    """A drawn face (side, side, 3) RGB; `smile` -1 … 1 bends its mouth."""
    random = np.random.default_rng(seed)
    image = np.full((side, side, 3), random.integers(40, 200, 3), np.uint8)
    skin = tuple(int(v) for v in random.integers(120, 230, 3))
    cv2.ellipse(image, _at(0.5, 0.5, side), _at(0.27, 0.37, side), 0, 0, 360, skin, -1)
    for x in (0.39, 0.61):
        cv2.ellipse(image, _at(x, 0.45, side), _at(0.05, 0.03, side), 0, 0, 360, (20, 20, 20), -1)
    bend = _at(0.1, 0.02 + 0.05 * abs(smile), side)
    first, last = (0, 180) if smile >= 0 else (180, 360)
    cv2.ellipse(image, _at(0.5, 0.7, side), bend, 0, first, last, (150, 30, 40), 2)
    return image


def _at(x: float, y: float, side: int) -> tuple[int, int]:
    return round(x * side), round(y * side)


def drawn_data(faces: int = 24, triples: int = 4) -> MiniData:
    """Drawn faces in memory: rated by how much they smile, level triples of growing smiles."""
    smiles = np.linspace(-1, 1, faces)
    rated = _pictures([picture(i, smile=float(s)) for i, s in enumerate(smiles)], "{}.jpg")
    rows = [picture(100 + t, smile=level - 1.0) for t in range(triples) for level in range(3)]
    levels = _pictures(rows, "{}")
    names = tuple(f"{t}_outgoing_{level}.jpg" for t in range(triples) for level in range(3))
    levels = Pictures(names, levels.images, levels.points)
    ratings = torch.from_numpy(smiles.astype(np.float32))[:, None]
    cut = faces * 3 // 4
    return MiniData(
        rated.subset(range(cut)),
        rated.subset(range(cut, faces)),
        levels,
        levels,
        ("happy",),
        ratings[:cut],
        ratings[cut:],
    )


def _pictures(images: list[NDArray[np.uint8]], pattern: str) -> Pictures:
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
    names = tuple(pattern.format(i) for i in range(len(images)))
    return Pictures(names, stacked, points().repeat(len(images), 1, 1))


def write_data(folder: Path, *, faces: int = 12, level_faces: int = 5) -> Path:
    """A data folder of drawn faces, as `read_mini_data` wants it."""
    (folder / "images").mkdir(parents=True)
    (folder / "pairs").mkdir()
    names = [f"{n}.jpg" for n in range(1, faces + 1)]
    for n, name in enumerate(names):
        cv2.imwrite(str(folder / "images" / name), picture(n, side=64))
    with (folder / "attribute_means.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["stimulus", "happy", "age"])
        writer.writerows([name[:-4], 10 * n % 70, 3 * n] for n, name in enumerate(names))
    pairs = [f"{f}_age_{level}.jpg" for f in range(1, level_faces + 1) for level in range(3)]
    for n, name in enumerate(pairs):
        cv2.imwrite(str(folder / "pairs" / name), picture(n, side=64))
    for kind, own in (("images", names), ("pairs", pairs)):
        mesh = np.random.default_rng(0).uniform(0.2, 0.8, (len(own), 478, 3)).astype(np.float32)
        np.savez(folder / f"{kind}_landmarks478.npz", names=np.array(own), points=mesh)
    return folder
