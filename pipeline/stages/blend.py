"""Blend: edited crops back into their frames.

What goes back is never a picture, only the difference an edit makes, and only where the mask is
above zero; every other sample of the frame stays as it was decoded. Native crops lie on the
frame's pixels, so nothing is resampled; for other crops the difference and the mask are warped
back.

Methods: `poisson` adds a membrane so that the edit meets the frame without a step along the outer
border of the mask, then mixes by the mask; `alpha` mixes by the mask; `none` replaces whatever lies
under the mask, hard edged (to look at what an editor made).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..imaging import poisson
from ..imaging.color import add_rgb_difference
from ..imaging.geometry import Affine, eye_distance, invert, transform, translation
from ..imaging.masks import inside_frame
from ..imaging.resample import warp
from ..progress import Stopwatch
from ..types import EditedBatch, EditResult, FaceOutcome, Frame, Region

BlendMethod = Literal["poisson", "alpha", "none"]
Floats = NDArray[np.float32]


_NOTHING = ((0, 0, 1, 1), np.zeros((1, 1, 3), np.float32), np.zeros((1, 1), np.float32))
"""Region, difference and mask of a face whose mask is empty."""


@dataclass(frozen=True, slots=True)
class _Patch:
    """One face's change, on the frame's own pixels."""

    region: Region
    difference: Floats
    """(h, w, 3) [0, 1] units, not yet multiplied by the mask."""
    mask: Floats
    """(h, w) 0–1."""
    track_id: int
    size: float
    """Outer eye distance [px]: the larger face is the nearer one."""


def blend(
    frames: Sequence[Frame],
    edited: Sequence[EditedBatch],
    *,
    skipped: Mapping[int, Sequence[FaceOutcome]] | None = None,
    method: BlendMethod = "poisson",
    clock: Stopwatch | None = None,
) -> list[EditResult]:
    """One result per frame, in order.

    Args:
        frames: those the crops were cut from.
        edited: crops of any tracks and frames among `frames`.
        skipped: per frame index, faces that were not edited (`align` says why).
        method: see the module's text.
        clock: takes the time of the colours' way back into the planes.
    """
    clock = clock or Stopwatch()
    by_index = {frame.index: frame for frame in frames}
    patches: dict[int, list[_Patch]] = {}
    for batch in edited:
        for index, patch in _patches(batch, by_index, method):
            patches.setdefault(index, []).append(patch)
    return [
        _compose(frame, patches.get(frame.index, []), (skipped or {}).get(frame.index, ()), clock)
        for frame in frames
    ]


def _patches(
    batch: EditedBatch, frames: Mapping[int, Frame], method: BlendMethod
) -> list[tuple[int, _Patch]]:
    """The change of every crop of a batch, with its frame's index."""
    source = batch.source
    frame_points = transform(source.crop_to_frame, source.landmarks.cpu().double().numpy())
    sizes = eye_distance(frame_points)
    boxes = _boxes(batch)
    out = []
    for n, box in enumerate(boxes):
        frame = frames[int(source.frame_index[n])]
        placed = _NOTHING if box is None else _placed(batch, n, box, frame, method)
        out.append((frame.index, _Patch(*placed, int(source.track_id[n]), float(sizes[n]))))
    return out


def _boxes(batch: EditedBatch) -> list[Region | None]:
    """x0, y0, x1, y1 [crop px] of what a crop's change needs; None where the mask is empty.

    For a crop on the frame's own pixels that is its mask with one pixel around, for another the
    whole crop, because resampling looks beyond the mask.
    """
    side = batch.masks.shape[-1]
    covered = (batch.masks > 0)[:, 0].cpu().numpy().view(np.uint8)
    boxes: list[Region | None] = []
    for mask, matrix in zip(covered, batch.source.crop_to_frame, strict=True):
        x, y, w, h = cv2.boundingRect(mask)
        if w == 0:
            boxes.append(None)
        elif not _is_shift(matrix):
            boxes.append((0, 0, side, side))
        else:
            low = max(x - 1, 0), max(y - 1, 0)
            boxes.append((*low, min(x + w + 1, side), min(y + h + 1, side)))
    return boxes


def _is_shift(matrix: Affine) -> bool:
    """Whether an affine matrix only moves, by whole pixels."""
    shift = matrix[:2, 2]
    return bool((matrix[:2, :2] == np.eye(2)).all() and (shift == np.rint(shift)).all())


def _placed(
    batch: EditedBatch, n: int, box: Region, frame: Frame, method: BlendMethod
) -> tuple[Region, Floats, Floats]:
    """Region, difference and mask of one crop of a batch on its frame's pixels."""
    x0, y0, x1, y1 = box
    at = (slice(n, n + 1), slice(None), slice(y0, y1), slice(x0, x1))
    matrix = batch.source.crop_to_frame[n]
    exists = inside_frame(matrix[None], batch.masks.shape[-1], frame.width, frame.height)[
        :, :, y0:y1, x0:x1
    ].to(batch.masks.device)
    mask = batch.masks[at]
    change = batch.images[at] - batch.source.images[at]
    if method == "poisson" and bool((change * (mask <= 0)).any()):
        change -= poisson.membrane(change, without_holes(mask > 0), exists=exists)
    # Crops are in [-1, 1], frames in [0, 1].
    difference = change[0].mul_(0.5).cpu().numpy().transpose(1, 2, 0)
    seen = (mask * exists)[0, 0].cpu().numpy()
    if method == "none":
        seen = (seen > 0).astype(np.float32)
    return _to_frame(difference, seen, matrix @ translation(x0, y0), frame)


def without_holes(inside: Tensor) -> Tensor:
    """(N, 1, S, S) bool masks with what they enclose filled in.

    A hand before the face cuts a hole into the mask. The edit must not be pulled to zero all
    round the hand, only along the outer border: there the membrane sits; at the hand the mask
    alone decides.
    """
    out = inside.cpu().numpy().astype(np.uint8)
    for picture in out[:, 0]:
        contours, _ = cv2.findContours(picture, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, contours, -1, 1, cv2.FILLED)
    return torch.from_numpy(out > 0).to(inside.device)


def _to_frame(
    difference: Floats, mask: Floats, crop_to_frame: Affine, frame: Frame
) -> tuple[Region, Floats, Floats]:
    """Region of the frame under a crop's mask, with difference and mask on its pixels."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return _NOTHING
    box = np.array([[columns[0], rows[0]], [columns[-1], rows[-1]]], np.float64)
    corners = np.array([[x, y] for x in box[:, 0] for y in box[:, 1]])
    seen = transform(crop_to_frame, corners)
    size = np.array([frame.width, frame.height])
    exact = _is_shift(crop_to_frame)
    grow = 0 if exact else 2
    low = np.clip(np.floor(seen.min(0)).astype(int) - grow, 0, size)
    high = np.clip(np.ceil(seen.max(0)).astype(int) + grow + 1, 0, size)
    if (high <= low).any():
        return _NOTHING
    region = (int(low[0]), int(low[1]), int(high[0]), int(high[1]))
    width, height = region[2] - region[0], region[3] - region[1]
    if exact:
        x, y = (low - crop_to_frame[:2, 2]).astype(int)
        part = (slice(y, y + height), slice(x, x + width))
        return region, difference[part], mask[part]
    to_crop = invert(crop_to_frame) @ translation(*low)
    back = warp(difference, to_crop, (width, height), border="replicate")
    # No prefilter: it would spread the mask over pixels that it does not cover.
    cover = warp(
        mask[..., None], to_crop, (width, height), kernel="linear", border="zero", antialias=False
    )[..., 0]
    return region, back, np.where(cover > 1e-4, np.clip(cover, 0.0, 1.0), 0.0).astype(np.float32)


def _compose(
    frame: Frame,
    patches: Sequence[_Patch],
    skipped: Sequence[FaceOutcome],
    clock: Stopwatch,
) -> EditResult:
    """The frame with all its patches; where two faces overlap the larger, nearer one wins."""
    outcomes = list(skipped)
    done: list[_Patch] = []
    for patch in sorted(patches, key=lambda patch: -patch.size):
        free = patch.mask.copy()
        for other in done:
            _make_room(free, patch.region, other)
        changed = frame
        if free.any():
            # Planes are multiplied, not pixels: the difference lies in planes when it comes here.
            weighted = np.moveaxis(patch.difference, 2, 0) * free
            with clock.time("blend / colour"):
                changed = add_rgb_difference(frame, patch.region, np.moveaxis(weighted, 0, 2), free)
        frame = changed
        done.append(patch)
        reason = ""
        if not free.any():
            reason = "a nearer face covers it" if patch.mask.any() else "the edit changes nothing"
        outcomes.append(FaceOutcome(patch.track_id, edited=not reason, reason=reason))
    return EditResult(frame, tuple(sorted(outcomes, key=lambda outcome: outcome.track_id)))


def _make_room(mask: Floats, region: Region, other: _Patch) -> None:
    """Take from a mask, in place, what another face's mask has already used."""
    x0, y0 = max(region[0], other.region[0]), max(region[1], other.region[1])
    x1, y1 = min(region[2], other.region[2]), min(region[3], other.region[3])
    if x0 >= x1 or y0 >= y1:
        return
    mine = (slice(y0 - region[1], y1 - region[1]), slice(x0 - region[0], x1 - region[0]))
    theirs = (
        slice(y0 - other.region[1], y1 - other.region[1]),
        slice(x0 - other.region[0], x1 - other.region[0]),
    )
    mask[mine] *= 1.0 - other.mask[theirs]
