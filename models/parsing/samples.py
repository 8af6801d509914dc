"""Training squares: a picture of the data set, cut out anew, before another place, with glasses,
with things before it, as a camera might see it. The same number always gives the same square.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..base import ModelError
from ..topology68 import FLIP_68, MESH_TO_68
from ..training.face_folder import read_picture, read_points
from . import augment, borrowed, occluders, worn
from .layers import IGNORED, Bytes, Floats, Layer, Rng, put_before
from .net import LABELS, SIDE
from .square import crop_to_grid

PICTURE: int = 256
"""Side of the kept pictures and labels [px]."""
Points = NDArray[np.float64]
_GLASSES, _BACKGROUND = LABELS.index("glasses"), LABELS.index("background")


@dataclass(frozen=True, slots=True)
class Pictures:
    """Labelled faces to make squares of."""

    images: NDArray[np.uint8]
    """(N, 256, 256, 3) RGB."""
    labels: NDArray[np.uint8]
    """(N, 256, 256)."""
    weights: NDArray[np.uint8]
    """(N, 256, 256) how sure a label is, 0-255."""
    points: NDArray[np.float32]
    """(N, 68, 2) landmarks [px]."""
    odds: NDArray[np.float64]
    """(N,) how often each is drawn, sum 1."""
    square: NDArray[np.float64]
    """(N, 2, 3) maps from coordinates of the face's square to those of the picture, both from -1 to
    1."""
    bearded: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    """Which of them lend their beards."""
    hatted: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    """Which of them lend their hats."""

    def giver(self, which: NDArray[np.intp], rng: Rng) -> borrowed.Giver:
        """Return one of some pictures, to borrow from."""
        k = int(rng.choice(which))
        return borrowed.Giver(self.images[k], self.labels[k], self.points[k])


def load(data: Path, labels: Path, *, held_out: bool) -> Pictures:
    """Return the pictures of `data/omi` that `labels` (an .npz with names, labels, weights,
    held_out, faces, odds) has labels for, either share.

    Raises:
        ModelError: a file is missing or laid out otherwise.
    """
    try:
        with np.load(labels) as found:
            keep = np.flatnonzero(found["held_out"] == held_out)
            names = [str(n) for n in found["names"][keep]]
            maps, weights, faces, odds = (
                found[k][keep] for k in ("labels", "weights", "faces", "odds")
            )
    except (OSError, KeyError, ValueError) as e:
        raise ModelError(f"cannot read the labels {labels}: {e}; make them first") from e
    points: dict[str, NDArray[np.float32]] = {}
    for group in ("images", "pairs"):
        own, mesh = read_points(data / f"{group}_landmarks478.npz")
        spots = mesh[:, list(MESH_TO_68), :2].numpy() * PICTURE - 0.5
        points |= {f"{group}/{n}": spot for n, spot in zip(own, spots, strict=True)}
    images = np.stack([_shrunk(read_picture(data / name)) for name in names])
    marks = np.stack([points[name] for name in names])
    # the root: hats seen four times as often made hats of smooth hair
    beard, hat, bald = _rarities(maps, marks)
    rare = 1.0 * (maps == _GLASSES).any((1, 2)) + 2.0 * (beard > 0.15) + 2.0 * bald
    odds = np.sqrt(odds) * _per_face(faces) * (1 + rare)
    return Pictures(
        images,
        maps,
        weights,
        marks,
        odds / odds.sum(),
        _squares(marks),
        np.flatnonzero((beard > 0.15) & (_under_lips(maps, marks) > 0.4)),
        np.flatnonzero(hat > 0.04),
    )


def _shrunk(image: Bytes) -> Bytes:
    if len(image) == PICTURE:
        return image
    return np.asarray(cv2.resize(image, (PICTURE, PICTURE), interpolation=cv2.INTER_AREA), np.uint8)


def _per_face(faces: NDArray[np.str_]) -> NDArray[np.float64]:
    """Return odds (N,) with which every face is seen as often as another, however many pictures
    (two pictures' worth at most) it has."""
    _, which, count = np.unique(faces, return_inverse=True, return_counts=True)
    return np.asarray(np.minimum(count, 2.0)[which] / count[which])


def _rarities(
    maps: Bytes, points: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return of each picture (N,) which share of the chin a beard covers, which share of the
    picture is a hat, and whether the head is bald."""
    rows = np.arange(PICTURE)[None, :, None]
    brows, nose = points[:, 17:27, 1].min(1), points[:, 33, 1]
    left, right = points[:, 4, 0], points[:, 12, 0]
    columns = np.arange(PICTURE)[None, None]
    chin = (rows > nose[:, None, None]) & (rows < points[:, 8, 1, None, None])
    chin = chin & (columns > left[:, None, None]) & (columns < right[:, None, None])
    above = rows < brows[:, None, None]
    hair = maps == LABELS.index("hair")
    beard = (hair & chin).sum((1, 2)) / chin.sum((1, 2)).clip(1)
    hat = (above & (maps == LABELS.index("clothes"))).mean((1, 2))
    bald = (hair & above).mean((1, 2)) < 0.05
    return beard, hat, bald & (hat < 0.04)


def _under_lips(maps: Bytes, points: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how much of what is between lips and chin of each picture (N,) is hair, 0-1: a beard,
    not hair that falls over the cheeks."""
    found = []
    for labels, marks in zip(maps, points, strict=True):
        left, right = sorted(marks[[48, 54], 0].astype(int))
        top, bottom = sorted(marks[[57, 8], 1].astype(int))
        under = labels[top : bottom + 1, left : right + 1]
        found.append(float((under == LABELS.index("hair")).mean()))
    return np.array(found)


def _squares(points: NDArray[np.float32]) -> NDArray[np.float64]:
    to_square = crop_to_grid(torch.from_numpy(points).double()).numpy()
    linear = np.linalg.inv(to_square[:, :, :2])
    offset = -np.einsum("nij,nj->ni", linear, to_square[:, :, 2])
    # from px to coordinates of the picture
    return np.concatenate([linear * 2 / PICTURE, ((offset + 0.5) * 2 / PICTURE - 1)[..., None]], -1)


def make(pictures: Pictures, rng: Rng) -> tuple[Bytes, Bytes, Bytes]:
    """Return a square (G, G, 3) uint8 RGB, its labels and how sure they are (G, G) uint8."""
    k = int(rng.choice(len(pictures.odds), p=pictures.odds))
    unit = _joined(pictures.square[k], augment.view(augment.Jitter(), rng))
    matrix = augment.to_pixels(unit, SIDE, PICTURE)
    picture = augment.warped(pictures.images[k], matrix, SIDE).astype(np.float32)
    labels = augment.warped(pictures.labels[k], matrix, SIDE, outside=IGNORED)
    sure = augment.warped(pictures.weights[k], matrix, SIDE, outside=0)
    points = moved(pictures.points[k], matrix)
    texture = texture_of(pictures, rng)
    picture, labels, sure = _with_borrowed(pictures, (picture, labels, sure), points, rng)
    if rng.random() < 0.35:
        picture = _elsewhere(pictures, picture, labels, points, texture, rng)
    for layer in _layers(picture, labels, points, texture, rng):
        if rng.random() < 0.3:
            picture = _shadowed(picture, layer.share, rng)
        picture, labels = put_before(picture, labels, layer)
        sure = np.where(layer.share >= layer.least, 255, sure).astype(np.uint8)
    return augment.degraded(picture, rng), labels, np.where(labels == IGNORED, 0, sure)


def _with_borrowed(
    pictures: Pictures, square: tuple[Floats, Bytes, Bytes], points: Points, rng: Rng
) -> tuple[Floats, Bytes, Bytes]:
    """Return a square, its labels and how sure they are, now and then with another's beard, hat or
    colour of hair."""
    picture, labels, sure = square
    if len(pictures.bearded) and rng.random() < 0.1:
        layer = borrowed.beard(pictures.giver(pictures.bearded, rng), picture, labels, points)
        picture, labels = put_before(picture, labels, layer)
        sure = np.where(layer.share >= layer.least, 255, sure).astype(np.uint8)
    if rng.random() < 0.25:
        picture = borrowed.recoloured(picture, labels, points, rng)
    if len(pictures.hatted) and rng.random() < 0.06:
        giver = pictures.giver(pictures.hatted, rng)
        picture, labels, share = borrowed.with_hat(giver, picture, labels, points)
        sure = np.where(share >= 0.5, 255, sure).astype(np.uint8)
    return picture, labels, sure


def _elsewhere(
    pictures: Pictures,
    picture: Floats,
    labels: Bytes,
    points: Points,
    texture: Bytes,
    rng: Rng,
) -> Floats:
    """Return a square whose person is before another place."""
    share = cv2.GaussianBlur((labels != _BACKGROUND).astype(np.float32), (0, 0), 0.7)
    behind = augment.backdrop(SIDE, texture, rng)
    if rng.random() < 0.25:
        # as dark or fair as the hair before it: then its outline alone tells it
        tone = occluders.Scene(picture, labels, points, texture).colour_of("hair")
        behind = 0.3 * (behind - behind.mean((0, 1))) + tone * np.float32(rng.uniform(0.3, 1.4))
    if rng.random() < 0.2:
        behind = _with_another(behind, pictures, rng)
    return np.asarray(behind + share[..., None] * (picture - behind), np.float32)


def _layers(
    picture: Floats, labels: Bytes, points: Points, texture: Bytes, rng: Rng
) -> list[Layer]:
    """Return what is worn on a face and what is before it, back to front."""
    layers: list[Layer] = []
    if rng.random() < 0.02:
        layers.append(worn.headwear(points, labels, rng))
    if not (labels == _GLASSES).any() and rng.random() < 0.22:
        layers += worn.glasses(points, SIDE, rng)
    while rng.random() < (0.42 if len(layers) < 6 else 0):
        layers.append(occluders.draw(occluders.Scene(picture, labels, points, texture), rng))
    return layers


def _shadowed(picture: Floats, share: Floats, rng: Rng) -> Floats:
    """Return a picture with the shadow that something before it throws."""
    aside = np.column_stack([np.eye(2), rng.normal(0, 4, 2)])
    fallen = cv2.warpAffine(share, aside, (SIDE, SIDE))
    fallen = cv2.GaussianBlur(fallen, (0, 0), rng.uniform(1, 6))
    return np.asarray(picture * (1 - rng.uniform(0.1, 0.6) * fallen[..., None]), np.float32)


def _joined(first: augment.Matrix, second: augment.Matrix) -> augment.Matrix:
    """Return the map that takes `second`, then `first`."""
    linear = first[:, :2] @ second[:, :2]
    return np.column_stack([linear, first[:, :2] @ second[:, 2] + first[:, 2]])


def moved(points: NDArray[np.float32], matrix: augment.Matrix) -> NDArray[np.float64]:
    """Return points (68, 2) [px] in cells, by the map cells → px; renamed where it mirrors."""
    moved = (points.astype(np.float64) - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    return moved[list(FLIP_68)] if np.linalg.det(matrix[:, :2]) < 0 else moved


def texture_of(pictures: Pictures, rng: Rng) -> Bytes:
    """Return a piece (G, G, 3) of any picture, turned anyhow: faces are rarely known in it."""
    image = pictures.images[int(rng.integers(len(pictures.images)))]
    turn, scale = rng.uniform(0, 2 * np.pi), np.exp(rng.uniform(-1.2, 0.3))
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    unit = np.column_stack([[[c, -s], [s, c]], rng.uniform(-0.6, 0.6, 2)])
    matrix = augment.to_pixels(np.asarray(unit), SIDE, PICTURE)
    return np.asarray(
        cv2.warpAffine(
            image,
            matrix,
            (SIDE, SIDE),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT_101,
        ),
        np.uint8,
    )


def _with_another(behind: Floats, pictures: Pictures, rng: Rng) -> Floats:
    """Return a background with somebody in it, beside where the face will be."""
    k = int(rng.integers(len(pictures.images)))
    scale = rng.uniform(0.9, 2.2)
    aside = rng.uniform(0.5, 1.1) * (1 if rng.random() < 0.5 else -1)
    unit = np.array([[scale, 0, -aside * scale], [0, scale, rng.uniform(-0.3, 0.3)]])
    matrix = augment.to_pixels(unit, SIDE, PICTURE)
    person = (pictures.labels[k] != _BACKGROUND).astype(np.float32)
    share = cv2.warpAffine(
        person, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    other = augment.warped(pictures.images[k], matrix, SIDE)
    return np.asarray(behind + share[..., None] * (other - behind), np.float32)


def batch(pictures: Pictures, seed: int, step: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return squares (count, 3, G, G) uint8, labels and weights (count, G, G) uint8, of a step."""
    made = [make(pictures, np.random.default_rng([seed, step, n])) for n in range(count)]
    images, labels, sure = (np.stack(parts) for parts in zip(*made, strict=True))
    return (
        torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(),
        torch.from_numpy(labels),
        torch.from_numpy(sure),
    )
