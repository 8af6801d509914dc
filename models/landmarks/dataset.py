"""Training faces: the pictures of `data/omi` with their points, and renders of them, cached on
disk.

Faces whose number is divisible by 10 are held out: no picture, render or level of theirs is trained
on.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..files import opened_whole
from ..training.face_folder import read_picture, read_points
from . import mesh as face_mesh
from . import render
from .topology import mesh_to_68

Image = NDArray[np.uint8]
Meshes = NDArray[np.float32]
"""(N, 478, 3) [image widths]."""


@dataclass(frozen=True, slots=True)
class Faces:
    """Pictures with their 68 points."""

    images: Sequence[Image]
    """Each (H, W, 3) uint8 RGB."""
    points: NDArray[np.float32]
    """(N, 68, 2) float32 [px]."""


def read_labels(data: Path, group: str, *, held_out: bool) -> tuple[list[str], Meshes]:
    """Return names and meshes of one folder of `data/omi` (`images`, `pairs`), either share.

    Raises:
        ModelError: the folder is laid out otherwise.
    """
    names, meshes = read_points(data / f"{group}_landmarks478.npz")
    keep = [i for i, n in enumerate(names) if (face_number(n) % 10 == 0) == held_out]
    return [names[i] for i in keep], meshes[keep].numpy()


def face_number(name: str) -> int:
    """Return the face's number from a file name (`12.jpg`, `1263_age_0.jpg`)."""
    return int(name.split(".")[0].split("_")[0])


def load_faces(data: Path, *, held_out: bool, levels: bool = True) -> Faces:
    """Return the pictures of `data/omi`; `levels` adds the 256 px level pictures of `pairs`."""
    images: list[Image] = []
    points: list[NDArray[np.float32]] = []
    for group in ("images", "pairs") if levels else ("images",):
        for name, mesh in zip(*read_labels(data, group, held_out=held_out), strict=True):
            image = read_picture(data / group / name)
            images.append(image)
            points.append(mesh_to_68(mesh)[:, :2] * image.shape[1] - 0.5)
    return Faces(images, np.stack(points).astype(np.float32))


_worker: tuple[Path, list[str], Meshes, face_mesh.Mesh] | None = None


def _start_worker(data: Path) -> None:
    global _worker  # noqa: PLW0603 - how a process of a pool keeps what it starts with
    cv2.setNumThreads(1)
    names, meshes = read_labels(data, "images", held_out=False)
    _worker = (data, names, meshes, face_mesh.build_mesh(meshes))


def _render_one(task: tuple[int, int, int]) -> tuple[int, Image, NDArray[np.float32]]:
    index, seed, size = task
    assert _worker is not None
    data, names, meshes, mesh = _worker
    rng = np.random.default_rng([seed, index])
    k = index % len(names)
    other = meshes[int(rng.integers(len(names)))]
    image = read_picture(data / "images" / names[k])
    picture, points = render.render(image, meshes[k], other, mesh, size=size, rng=rng)
    return index, picture, points


def render_faces(
    data: Path,
    cache: Path,
    *,
    count: int,
    size: int,
    seed: int,
    processes: int,
) -> Faces:
    """Return `count` renders of `size` px, made once and then mapped from `cache`."""
    stem = f"renders_train_{count}_{size}_{seed}"
    pictures, labels = cache / f"{stem}.npy", cache / f"{stem}_points.npy"
    if not labels.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        shape = (count, size, size, 3)
        store = np.lib.format.open_memmap(pictures, mode="w+", dtype=np.uint8, shape=shape)
        points = np.zeros((count, 68, 2), np.float32)
        with multiprocessing.Pool(processes, _start_worker, (data,)) as pool:
            tasks = ((i, seed, size) for i in range(count))
            for i, picture, landmarks in pool.imap_unordered(_render_one, tasks, chunksize=32):
                store[i], points[i] = picture, landmarks
        store.flush()
        with opened_whole(labels) as file:  # written last: its presence says that all is made
            np.save(file, points)
    return Faces(np.load(pictures, mmap_mode="r"), np.load(labels))
