"""Training batches: random faces, cropped as the pipeline would, degraded."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from . import augment, crops
from .dataset import Faces
from .net import PARTS, PartName
from .topology import LEFT_EYE_AS_RIGHT, MIRROR, MOUTH, RIGHT_EYE

_MOUTH_MIRROR = MIRROR[MOUTH] - MOUTH[0]
# Share of renders among the samples. For the mouth, plain pictures alone were measured to do better
# on real video, but only renders close an eye.
RENDERED_SHARE: dict[PartName, float] = {"main": 0.5, "mouth": 0.3, "eye": 0.5}
_BACKGROUND_SHARE = 0.04
_WIDE_SHARE = 0.45


@dataclass(frozen=True, slots=True)
class Batch:
    """N training crops."""

    images: Tensor
    """(N, 3, h, w) float32 RGB in [0, 1]."""
    points: Tensor
    """(N, K, 2) float32 [crop px]."""
    is_face: Tensor
    """(N,) float32, 0 for background (its points mean nothing)."""

    def to(self, device: torch.device) -> Batch:
        """Return the same crops on a device."""
        return Batch(self.images.to(device), self.points.to(device), self.is_face.to(device))


@dataclass(frozen=True, slots=True)
class _Source:
    plain: Faces
    rendered: Faces
    part: PartName


def _one(
    source: _Source, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float64], bool]:
    part = PARTS[source.part]
    faces = source.rendered if rng.random() < RENDERED_SHARE[source.part] else source.plain
    k = int(rng.integers(len(faces.images)))
    image, points = np.asarray(faces.images[k]), faces.points[k].astype(np.float64)
    others = [np.asarray(source.plain.images[int(rng.integers(len(source.plain.images)))])]
    if source.part == "main" and rng.random() < _BACKGROUND_SHARE:
        crop = _background_crop(image, part.size, rng)
        x = augment.degrade(crops.sample_crop(image, crop, part.size), others, rng)
        return x, np.zeros((part.points, 2)), False
    mirrored = rng.random() < 0.5
    crop, order = _placed_crop(source.part, points, mirrored, rng)
    x = crops.sample_crop(image, crop, part.size)
    taken = crops.apply(crops.invert(crop), points[order])
    if mirrored and source.part != "eye":
        x = np.ascontiguousarray(x[:, ::-1])
        names = MIRROR if source.part == "main" else _MOUTH_MIRROR
        taken = augment.mirror(taken, part.size[0], names)
    return augment.degrade(x, others, rng), taken, True


def _placed_crop(
    part: PartName, points: NDArray[np.float64], left: bool, rng: np.random.Generator
) -> tuple[crops.Matrix, NDArray[np.int64]]:
    """Return a jittered crop and which of the 68 points it holds, in the network's order."""
    size = PARTS[part].size
    if part == "main":
        jitter = augment.WIDE if rng.random() < _WIDE_SHARE else augment.TIGHT
        return augment.jitter_crop(crops.face_crop(points, size[0]), size, jitter, rng), np.arange(
            68
        )
    jitter = augment.Jitter(turn_rad=0.14, log_scale=0.13, shift=0.06)
    if part == "mouth":
        return augment.jitter_crop(crops.mouth_crop(points, size), size, jitter, rng), MOUTH
    crop = crops.eye_crop(points, size, left=left)
    return augment.jitter_crop(crop, size, jitter, rng), LEFT_EYE_AS_RIGHT if left else RIGHT_EYE


def _background_crop(
    image: NDArray[np.uint8], size: tuple[int, int], rng: np.random.Generator
) -> crops.Matrix:
    """Return a crop of the picture's upper or lower corners, where no face lies in a portrait."""
    h, w = image.shape[:2]
    width = rng.uniform(0.1, 0.25) * w
    x = rng.uniform(0, 0.12) * w
    centre = np.array([x if rng.random() < 0.5 else w - x, rng.choice([0.1, 0.9]) * h])
    return crops.similarity(centre, width, rng.uniform(-0.5, 0.5), size)


def _shrunk(faces: Faces, side: int) -> Faces:
    """Return the faces at most `side` px wide: the face crop would shrink them anyway; this way it
    happens once."""
    images, points = [], []
    for image, landmarks in zip(faces.images, faces.points, strict=True):
        ratio = min(1.0, side / image.shape[1])
        size = (round(image.shape[1] * ratio), round(image.shape[0] * ratio))
        small = (
            cv2.resize(np.asarray(image), size, interpolation=cv2.INTER_AREA)
            if ratio < 1
            else image
        )
        images.append(np.asarray(small, dtype=np.uint8))
        points.append((landmarks + 0.5) * np.float32(size[0] / image.shape[1]) - 0.5)
    return Faces(images, np.stack(points))


def make_batch(source: _Source, count: int, rng: np.random.Generator) -> Batch:
    """Return `count` random training crops."""
    taken = [_one(source, rng) for _ in range(count)]
    images = torch.from_numpy(np.stack([t[0] for t in taken])).permute(0, 3, 1, 2)
    points = torch.from_numpy(np.stack([t[1] for t in taken]).astype(np.float32))
    face = torch.tensor([float(t[2]) for t in taken])
    return Batch(images.float().div_(255), points, face)


def batches(
    plain: Faces,
    rendered: Faces,
    part: PartName,
    *,
    count: int,
    steps: int,
    seed: int,
    first: int = 0,
    ahead: int = 8,
) -> Iterator[Batch]:
    """Yield the batches of the steps from `first` to `steps`, made by one thread ahead of use; what
    is in one follows from the seed and its number alone."""
    source = _Source(_shrunk(plain, 320) if part == "main" else plain, rendered, part)
    worker = ThreadPoolExecutor(1)
    try:
        waiting: deque[Future[Batch]] = deque()
        for number in range(first, steps):
            rng = np.random.default_rng([seed, number])
            waiting.append(worker.submit(make_batch, source, count, rng))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        worker.shutdown(cancel_futures=True)
