"""What an editor of skin knows of a face over a shot: how it looks, and what lies where on it.

It is gathered in the face's own frame (`imaging/face_frame.py`) as the median over frames of the
shot, so it does not flicker and what passes before the face for a while is not in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import Tensor

from ..imaging.face_frame import seen_in_frame
from ..imaging.geometry import head_pose
from ..imaging.lids import lids_of
from ..parsing import LABELS
from ..types import AlignedBatch
from ._base import Artefact, Shot

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOOK_SIDE, SHARES_SIDE = 384, 96
"""Texels per side of the look, and of the shares of labels."""
_MOST_FRAMES: Final = 16
"""Frames that are looked at: a median needs no more."""


@dataclass(frozen=True, slots=True)
class Glance:
    """One crop in the face's own frame."""

    track: int
    look: Tensor
    """(3, LOOK_SIDE, LOOK_SIDE) float16 RGB in [-1, 1]."""
    shares: Tensor | None
    """(13, SHARES_SIDE, SHARES_SIDE) float16 0–1; None where nothing was parsed."""
    yaw: float
    """[deg]"""
    lids: Tensor
    """(2, 4, 2) float32 (see `imaging/lids.py`)."""


def frames_of(shot: Shot) -> list[int]:
    """Return the frames of a shot that are looked at: spread evenly over those to be edited."""
    rows = np.flatnonzero(shot.track.weights)
    chosen = rows[np.unique(np.linspace(0, len(rows) - 1, _MOST_FRAMES).round().astype(int))]
    return [shot.track.first_frame + int(row) for row in chosen]


def glances(batch: AlignedBatch) -> list[Glance]:
    """Return N crops as the face's own frame shows them."""
    looks = seen_in_frame(batch.images, batch.landmarks, LOOK_SIDE).half().cpu()
    shares: Sequence[Tensor | None] = [None] * len(batch)
    if batch.parsing is not None:
        whole = slice(0, batch.images.shape[-1])
        small = batch.parsing.sampled(batch.parsing.shares, whole, whole, 2)
        shares = seen_in_frame(small, batch.landmarks / 2, SHARES_SIDE).half().cpu().unbind(0)
    points = batch.landmarks.cpu().numpy()
    yaws, lids = head_pose(points)[:, 0], torch.from_numpy(lids_of(points)).float()
    seen = zip(batch.track_id.tolist(), looks, shares, yaws.tolist(), lids, strict=True)
    return [Glance(track, *rest) for track, *rest in seen]


def gathered(seen: Iterable[Glance]) -> dict[int, Artefact]:
    """Return the medians of what was seen of each face, by track."""
    by_track: dict[int, list[Glance]] = {}
    for glance in seen:
        by_track.setdefault(glance.track, []).append(glance)
    return {track: _median(some) for track, some in by_track.items()}


def _median(some: Sequence[Glance]) -> Artefact:
    tensors = {
        "look": _middle([glance.look for glance in some]),
        "lids": torch.stack([glance.lids for glance in some]).median(0).values,
    }
    parsed = [glance.shares for glance in some if glance.shares is not None]
    if parsed:
        tensors["shares"] = _middle(parsed)
    yaw: NDArray[np.float64] = np.median([abs(glance.yaw) for glance in some])
    return Artefact(tensors, {"frames": len(some), "yaw": round(float(yaw), 2)})


def _middle(parts: Sequence[Tensor]) -> Tensor:
    """Return the median over pictures; the order in which they were seen does not matter."""
    return torch.stack(list(parts)).float().median(0).values.half()


def share_of(shares: Tensor, *labels: str) -> Tensor:
    """Return the share (1, 1, G, G) of any of some labels among shares (13, G, G)."""
    chosen = [LABELS.index(label) for label in labels]
    return shares[chosen].float().sum(0, keepdim=True)[None]
