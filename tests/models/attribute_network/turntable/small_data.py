"""A data folder as `turntable` reads it, in small: the embedded head for the ICT model, and a few
faces that are drawn from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from models.head.basis import GROUPS, Head
from models.head.files import DEFAULT_FILE, build
from models.head.ict import LANDMARKS
from models.head.raster import Floats, rasterise
from models.head.shading import lambert, to_srgb, vertex_normals
from models.topology68 import MESH_TO_68
from models.weights import load_safetensors

NUMBERS = (1, 2, 4, 6)
"""Pictures that carry no mark of glasses or hats."""
GLASSES = 3
"""One that does."""
SKIN = np.array([0.42, 0.27, 0.20], np.float32)
HAIR = np.array([0.06, 0.04, 0.03], np.float32)
_CM, _EYES_Y, _NECK_Z = 8.918, 3.432, 0.5
_VERTICES, _INSIDE = 26_719, 14_100
_STARTS = {"face": 0, "ears": 6_706, "scalp": 8_000, "neck": 9_500, "eyes": 21_451}


@dataclass(frozen=True)
class Drawn:
    """A face as it is drawn."""

    picture: NDArray[np.uint8]
    points: Floats
    parts: NDArray[np.uint8]


def small_head() -> Head:
    """The embedded head."""
    state, _ = load_safetensors(DEFAULT_FILE)
    return build(state)


def write_data(folder: Path, *, lamp: tuple[float, float, float] = (0, 0, 1)) -> Path:
    """Write `ict` and `omi` with four faces, and a fifth that wears glasses."""
    head = small_head()
    (folder / "ict").mkdir(parents=True)
    (folder / "omi/images").mkdir(parents=True)
    _write_head(head, folder / "ict/ict_face_light.npz")
    drawn = {number: draw_face(head, number, lamp) for number in (*NUMBERS, GLASSES)}
    names = [f"{number}.jpg" for number in drawn]
    mesh = np.zeros((len(drawn), 478, 3), np.float32)
    for row, face in enumerate(drawn.values()):
        mesh[row, list(MESH_TO_68), :2] = (face.points + 0.5) / 512
    np.savez(folder / "omi/images_landmarks478.npz", names=names, points=mesh)
    parts = np.stack([face.parts for face in drawn.values()])
    np.savez(folder / "omi/images_parts256.npz", names=names, parts=parts)
    for name, face in zip(names, drawn.values(), strict=True):
        cv2.imwrite(str(folder / "omi/images" / name), face.picture[..., ::-1])
    return folder


def _write_head(head: Head, path: Path) -> None:
    """Write a light head as if it were the whole ICT model: its vertices among others of no use."""
    neutral = head.neutral.numpy() * _CM * (1, -1, 1) + (0, _EYES_Y, _NECK_Z)
    group = head.group.numpy()
    place = np.full(len(neutral), -1)
    place[head.landmarks68.numpy()] = LANDMARKS  # where a reader looks for the 68 points
    for number, name in enumerate(GROUPS):
        members = np.flatnonzero((group == number) & (place < 0))
        free = np.setdiff1d(_STARTS.get(name, _INSIDE) + np.arange(len(neutral)), LANDMARKS)
        place[members] = free[: len(members)]
    whole = np.zeros((_VERTICES, 3), np.float32)
    whole[place] = neutral
    modes, shapes = (
        np.zeros((len(moves), _VERTICES, 3), np.float16)
        for moves in (head.identity, head.expression)
    )
    modes[:, place] = head.identity.numpy() * _CM * (1, -1, 1)
    shapes[:, place] = head.expression.numpy() * _CM * (1, -1, 1)
    faces = np.full((len(head.faces), 4), -1, np.int32)
    faces[:, :3] = place[head.faces.numpy()][:, [0, 2, 1]]
    np.savez(
        path, neutral=whole, identity=modes, expression=shapes, faces=faces,
        expression_names=np.array(head.expression_names),
    )  # fmt: skip


def draw_face(head: Head, number: int, lamp: tuple[float, float, float]) -> Drawn:
    """Draw somebody with the head's shape, plain skin and dark hair under one lamp."""
    random = np.random.default_rng(number)
    modes = torch.from_numpy(random.normal(0, 0.5, len(head.identity)).astype(np.float32))
    shape = head.shape(modes, torch.zeros(len(head.expression))).numpy()
    placed = shape * np.float32(150) + np.array([256, 250, 0], np.float32)
    triangles = head.faces.numpy().astype(np.int32)
    towards = np.array(lamp, np.float32) / np.linalg.norm(lamp).astype(np.float32)
    shading = 0.35 + 0.65 * lambert(vertex_normals(placed, triangles), towards)
    hairy = head.in_group("scalp").numpy() & (shape[:, 1] < -0.6)
    colour = np.where(hairy[:, None], HAIR, SKIN * random.uniform(0.7, 1.2)) * shading[:, None]
    seen = rasterise(placed, triangles, (512, 512))
    there = seen.triangle >= 0
    picture = np.where(there[..., None], seen.blend(triangles, colour), 0.1)
    share = seen.blend(triangles, hairy.astype(np.float32))
    parts = np.where(there, np.where(share > 0.5, 1, 2), 0).astype(np.uint8)[::2, ::2]
    levels = np.rint(to_srgb(picture) * 255).astype(np.uint8)
    return Drawn(levels, placed[head.landmarks68.numpy(), :2], np.ascontiguousarray(parts))
