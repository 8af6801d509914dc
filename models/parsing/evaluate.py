"""How good the parsing is: overlap with the held-out faces that were corrected by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from ..topology68 import MESH_TO_68
from .faces import SIDE, read_faces
from .labels import label_face
from .model import ParsingModel
from .net import LABELS
from .placing import in_picture

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "hair": ("hair",),
    "skin": ("skin", "nose"),
    "face": ("skin", "nose", "brows", "eyes", "lips", "mouth"),
}
"""What the headline figures join: a nose is skin, too."""


@dataclass(frozen=True)
class Judged:
    """One held-out face, parsed."""

    name: str
    picture: NDArray[np.uint8]
    """(512, 512, 3) RGB."""
    truth: NDArray[np.int64]
    """(256, 256)."""
    found: NDArray[np.int64]
    """(256, 256)."""
    counts: NDArray[np.bool_]
    """(256, 256): where somebody can tell what it shows, and the network looks."""


def judged(model: ParsingModel, data: Path) -> Iterator[Judged]:
    """Parse the held-out faces of a folder like data/omi.

    Raises:
        ModelError: the data are incomplete.
    """
    for name, face in read_faces(data, "images", held_out=True):
        draft = label_face(face)
        points = torch.from_numpy(face.layout.points[list(MESH_TO_68)] * 2 - 0.5).float()
        picture = torch.from_numpy(face.picture).permute(2, 0, 1)[None].float() / 127.5 - 1
        shares, to_grid = model.parse(picture, points[None])
        seen, covered = in_picture(shares[0], to_grid[0], SIDE, 2.0)
        yield Judged(
            name,
            face.picture,
            draft.labels.astype(np.int64),
            seen.argmax(0).numpy(),
            covered.numpy() & (draft.weights > 0),
        )


def overlaps(model: ParsingModel, data: Path) -> dict[str, object]:
    """Return the IoU of every label and group over all held-out faces together, pixel by pixel at
    256 px, and hair and skin of the worst faces."""
    many = len(LABELS)
    table = np.zeros((many, many), np.int64)
    single: dict[str, dict[str, float]] = {}
    for face in judged(model, data):
        pairs = face.truth[face.counts] * many + face.found[face.counts]
        own = np.bincount(pairs, minlength=many**2).reshape(many, many)
        table += own
        single[face.name] = {group: joint(own, names) for group, names in GROUPS.items()}
    figures: dict[str, object] = {"faces": len(single)}
    figures |= {group: joint(table, names) for group, names in GROUPS.items()}
    figures["median_face"] = {
        group: round(float(np.nanmedian([row[group] for row in single.values()])), 4)
        for group in GROUPS
    }
    figures["labels"] = {name: joint(table, (name,)) for name in LABELS}
    figures["worst"] = {
        group: sorted(((row[group], name) for name, row in single.items()))[:8]
        for group in ("hair", "skin")
    }
    figures["confused"] = {
        f"{LABELS[a]} taken for {LABELS[b]}": round(float(table[a, b] / max(table[a].sum(), 1)), 3)
        for a in range(many)
        for b in range(many)
        if a != b and table[a, b] > 0.03 * table[a].sum()
    }
    return figures


def joint(table: NDArray[np.int64], names: tuple[str, ...]) -> float:
    """Return the IoU of labels taken together from counts (truth, found)."""
    ids = [LABELS.index(name) for name in names]
    both = table[np.ix_(ids, ids)].sum()
    either = table[ids].sum() + table[:, ids].sum() - both
    return round(float(both / either), 4) if either else float("nan")
