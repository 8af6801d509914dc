"""See the faces of a rated set in the face's own frame, for `python -m models.folds` to learn from.

    python samples/see_in_frame.py DATA FRAMES.npz

DATA holds `images/`, `images_landmarks478.npz`, `images_parts256.npz` and `attribute_means.csv`.
Only frontal faces are written; under glasses nothing counts as skin.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a checkout

from models.portrait.data import FaceSet, read_faces
from models.training.face_folder import read_ratings
from pipeline.files import write_whole
from pipeline.imaging import face_regions
from pipeline.imaging.detail import bands, log_luma
from pipeline.imaging.face_frame import WINDOW_SIDE, seen_in_frame, texels

SIDE = 384
"""Texels per side."""
MOST_ASIDE = 0.10
"""Distance of the nose's tip from the middle of the eyes, in eye distances, of a frontal face."""
DARK_BRIDGE = 0.12
"""Fall of log luma across the bridge of the nose that only glasses make."""
SKIN = 2
"""Of `images_parts256.npz`."""
LEFT_OUT = {"upper-lip", "nose", "bags"}
"""Parts where shade would read as something else, and one that lies within another."""
PAIRS = {"crows-feet", "under-eye", "nasolabial", "marionette", "cheek"}


def skin_of(faces: FaceSet, folder: Path) -> list[Tensor]:
    """Return the share of skin (1, 1, 256, 256) of every picture."""
    with np.load(folder / "images_parts256.npz") as archive:
        names = {str(name): row for row, name in enumerate(archive["names"])}
        parts = archive["parts"]
    rows = [parts[names[path.name]] for path in faces.paths]
    return [torch.from_numpy(row == SKIN)[None, None].float() for row in rows]


def has_glasses(luma: Tensor) -> bool:
    """Return whether a dark bar crosses the bridge of a nose; luma (M, M)."""
    at = torch.from_numpy(texels(SIDE))
    there = (at[..., 0].abs() < 0.1) & (at[..., 1] > -0.06) & (at[..., 1] < 0.12)
    rows = there.any(1)
    profile = luma[rows][:, there.any(0)].mean(1)
    return bool(profile.median() - profile.min() > DARK_BRIDGE)


def main(folder: Path, out: Path) -> None:
    """Write the frames."""
    faces = read_faces(folder)
    _, ratings = read_ratings(folder / "attribute_means.csv", [p.name for p in faces.paths])
    ages = ratings[:, faces.attributes.index("age")]
    at = torch.from_numpy(texels(SIDE))
    y, x = at[..., 1], at[..., 0].abs()
    by_glasses = ((y > -0.2) & (y < 0.36) & (x < 0.95)).float()
    open_skin = face_regions.open_skin(SIDE)
    folds, skins, kept = [], [], []
    for row, ((picture, points), parts) in enumerate(
        zip(faces.pictures(), skin_of(faces, folder), strict=True)
    ):
        eyes = points[[36, 45]]
        aside = (points[30, 0] - eyes[:, 0].mean()) / (eyes[1] - eyes[0]).norm()
        if abs(float(aside)) > MOST_ASIDE:
            continue
        luma = log_luma(seen_in_frame(picture[None], points[None], SIDE))
        there = F.interpolate(parts, picture.shape[-2:], mode="bilinear")
        share = seen_in_frame(there, points[None], SIDE)[0, 0]
        skin = open_skin * (2 * share - 1).clamp_min(0)
        fold = bands(luma, skin[None, None], SIDE / WINDOW_SIDE).fold[0, 0]
        skin = skin * (1 - by_glasses) if has_glasses(luma[0, 0]) else skin
        folds.append(fold.half().numpy())
        skins.append((255 * skin).round().byte().numpy())
        kept.append(float(ages[row]))
    names = [name for name in get_args(face_regions.Place) if name not in LEFT_OUT]
    right = torch.from_numpy((texels(SIDE)[..., 0] > 0).astype(np.float32))
    places = [
        face_regions.place(n, SIDE) ** 1.5 * open_skin * (right if n in PAIRS else 1) for n in names
    ]
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        fold=np.stack(folds),
        skin=np.stack(skins),
        ages=np.array(kept, np.float32),
        places=torch.stack(places).numpy(),
        one_side=np.array([n in PAIRS for n in names]),
    )
    write_whole(out, buffer.getvalue())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
