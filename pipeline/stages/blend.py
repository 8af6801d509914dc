"""Blend: edited crops back into their frames.

What goes back is never a picture, only the difference an edit makes, and only where the mask is
above zero; every other sample of the frame stays as it was decoded. Native crops lie on the frame's
pixels, so nothing is resampled; for other crops the difference and the mask are warped back.

Methods: `poisson` adds a membrane so that the edit meets the frame without a step along the outer
border of the mask, then mixes by the mask; `alpha` mixes by the mask; `none` replaces whatever lies
under the mask, hard edged (to look at what an editor made).

All of it runs on the host, whatever device the networks use: the frame's planes are there, and so
is the mask of what hides a face, on which the membrane's outline depends. A membrane takes 10 ms of
one core for a crop of 1024², and several threads blend.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..causes import HELD_OUT, NEARER, NOTHING
from ..config import BlendMethod
from ..imaging import poisson
from ..imaging.color import add_rgb_difference
from ..imaging.geometry import Affine, eye_distance, invert, is_shift, transform, translation
from ..imaging.masks import inside_frame
from ..imaging.resample import warp
from ..mattes import Mattes
from ..progress import Stopwatch
from ..types import Box, EditedBatch, EditResult, FaceOutcome, Frame

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
_NOTHING = ((0, 0, 1, 1), np.zeros((1, 1, 3), np.float32), np.zeros((1, 1), np.float32))
"""Box, difference and mask of a face whose mask is empty."""


_NO_MATTES = Mattes()


@dataclass(frozen=True, slots=True)
class _Patch:
    """One face's change, on the frame's own pixels."""

    box: Box
    difference: Floats
    """(h, w, 3) [0, 1] units, not yet multiplied by the mask."""
    mask: Floats
    """(h, w) 0–1."""
    track_id: int
    size: float
    """Outer eye distance [px]: the larger face is the nearer one."""
    left: Mapping[str, float]
    """By cause, what share of the edit it left before the face came here."""


def blend(
    frames: Sequence[Frame],
    edited: Sequence[EditedBatch],
    *,
    skipped: Mapping[int, Sequence[FaceOutcome]] | None = None,
    method: BlendMethod = "poisson",
    clock: Stopwatch | None = None,
    mattes: Mapping[int, Mattes] | None = None,
) -> list[EditResult]:
    """One result per frame, in order, with crops of any tracks that were cut from these frames.

    `skipped`: per frame index, faces that were not edited (`align` says why); `clock` takes the
    time of the colours' way back into the planes; `mattes`: per frame index, the user's.
    """
    clock = clock or Stopwatch()
    by_index = {frame.index: frame for frame in frames}
    patches: dict[int, list[_Patch]] = {}
    for batch in edited:
        for index, patch in _patches(batch, by_index, method):
            own = (mattes or {}).get(index, _NO_MATTES)
            patches.setdefault(index, []).append(_matted(patch, own))
    return [
        _compose(frame, patches.get(frame.index, []), (skipped or {}).get(frame.index, ()), clock)
        for frame in frames
    ]


def _patches(
    batch: EditedBatch, frames: Mapping[int, Frame], method: BlendMethod
) -> list[tuple[int, _Patch]]:
    """The change of every crop of a batch, with its frame's index."""
    source = batch.source
    if not all(is_shift(matrix) for matrix in source.crop_to_frame):
        batch = batch.whole()  # resampling looks beyond the mask
    frame_points = transform(source.crop_to_frame, source.landmarks.cpu().double().numpy())
    sizes = eye_distance(frame_points)
    out = []
    for n, size in enumerate(sizes):
        frame = frames[int(source.frame_index[n])]
        box = _box(batch, n)
        placed = _NOTHING if box is None else _placed(batch, n, box, frame, method)
        left = {cause: float(share[n]) for cause, share in batch.left.items()}
        out.append((frame.index, _Patch(*placed, int(source.track_id[n]), float(size), left)))
    return out


def _matted(patch: _Patch, mattes: Mattes) -> _Patch:
    """Return a change with what the user's mattes leave of it."""
    mask = mattes.applied(patch.mask, patch.box)
    before, after = float(patch.mask.sum()), float(mask.sum())
    if after == before:
        return patch
    left = {**patch.left, HELD_OUT: patch.left.get(HELD_OUT, 1.0) * after / before}
    return dataclasses.replace(patch, mask=mask, left=left)


def _box(batch: EditedBatch, n: int) -> Box | None:
    """x0, y0, x1, y1 [crop px] of what a crop's change needs; None where the mask is empty.

    For a crop on the frame's own pixels that is its mask with one pixel around, for another the
    whole crop, because resampling looks beyond the mask.
    """
    rows, columns = batch.part
    covered = batch.masks[n, 0].cpu().numpy() > 0
    x, y, w, h = cv2.boundingRect(covered.view(np.uint8))
    if w == 0:
        return None
    if not is_shift(batch.source.crop_to_frame[n]):
        return columns.start, rows.start, columns.stop, rows.stop
    left, top = columns.start + x, rows.start + y
    return (
        max(left - 1, columns.start),
        max(top - 1, rows.start),
        min(left + w + 1, columns.stop),
        min(top + h + 1, rows.stop),
    )


def _placed(
    batch: EditedBatch, n: int, box: Box, frame: Frame, method: BlendMethod
) -> tuple[Box, Floats, Floats]:
    """Box, difference and mask of one crop of a batch on its frame's pixels."""
    x0, y0, x1, y1 = box
    left, top = batch.corner
    window = (slice(None), slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
    matrix = batch.source.crop_to_frame[n]
    mask = batch.masks[n][window][0].cpu().numpy()
    # Crops are in [-1, 1], frames in [0, 1].
    before = batch.source.images[n, :, y0:y1, x0:x1]
    change = (batch.images[n][window] - before).mul_(0.5).cpu().numpy()
    exists = _existing(matrix, box, batch.source.images.shape[-1], frame)
    if method == "poisson" and _reaches_beyond(change, mask):
        inside = without_holes(torch.from_numpy(mask > 0)[None, None])
        there = None if exists is None else torch.from_numpy(exists)[None, None]
        change -= poisson.membrane(torch.from_numpy(change)[None], inside, exists=there)[0].numpy()
    visible = mask if exists is None else mask * exists
    if method == "none":
        visible = (visible > 0).astype(np.float32)
    return _to_frame(change.transpose(1, 2, 0), visible, matrix @ translation(x0, y0), frame)


def _existing(matrix: Affine, box: Box, side: int, frame: Frame) -> Flags | None:
    """(h, w) bool: pixels of the box of a crop that lie inside the frame; None if all do."""
    x0, y0, x1, y1 = box
    corners = np.array([[x, y] for x in (x0, x1 - 1) for y in (y0, y1 - 1)], np.float64)
    placed_corners = transform(matrix, corners)
    if (placed_corners >= 0).all() and (
        placed_corners <= (frame.width - 1, frame.height - 1)
    ).all():
        return None
    whole = inside_frame(matrix[None], side, frame.width, frame.height)
    return np.asarray(whole[0, 0, y0:y1, x0:x1].numpy())


def _reaches_beyond(change: Floats, mask: Floats) -> bool:
    """Whether a change (3, h, w) is anywhere but under its mask (h, w)."""
    beyond = (mask <= 0).view(np.uint8)
    return any(cv2.norm(plane, cv2.NORM_INF, beyond) > 0 for plane in change)


def without_holes(inside: Tensor) -> Tensor:
    """(N, 1, S, S) bool masks with what they enclose filled in.

    A hand in front of the face cuts a hole into the mask. The membrane must pull the edit to zero
    only along the outer border of the mask, not around the hand, where the mask alone decides.
    """
    out = inside.cpu().numpy().astype(np.uint8)
    for picture in out[:, 0]:
        contours, _ = cv2.findContours(picture, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, contours, -1, 1, cv2.FILLED)
    return torch.from_numpy(out > 0).to(inside.device)


def _to_frame(
    difference: Floats, mask: Floats, crop_to_frame: Affine, frame: Frame
) -> tuple[Box, Floats, Floats]:
    """Box of the frame under a crop's mask, with difference and mask on its pixels."""
    left, top, width, height = cv2.boundingRect((mask > 0).view(np.uint8))
    if not width:
        return _NOTHING
    covered = np.array([[left, top], [left + width - 1, top + height - 1]], np.float64)
    crop_corners = np.array([[x, y] for x in covered[:, 0] for y in covered[:, 1]])
    corners = transform(crop_to_frame, crop_corners)
    size = np.array([frame.width, frame.height])
    exact = is_shift(crop_to_frame)
    grow = 0 if exact else 2
    low = np.clip(np.floor(corners.min(0)).astype(int) - grow, 0, size)
    high = np.clip(np.ceil(corners.max(0)).astype(int) + grow + 1, 0, size)
    if (high <= low).any():
        return _NOTHING
    box = (int(low[0]), int(low[1]), int(high[0]), int(high[1]))
    width, height = box[2] - box[0], box[3] - box[1]
    if exact:
        x, y = (low - crop_to_frame[:2, 2]).astype(int)
        window = (slice(y, y + height), slice(x, x + width))
        return box, difference[window], mask[window]
    to_crop = invert(crop_to_frame) @ translation(*low)
    back = warp(difference, to_crop, (width, height), border="replicate")
    # No prefilter: it would spread the mask over pixels that it does not cover.
    cover = warp(
        mask[..., None], to_crop, (width, height), kernel="linear", border="zero", antialias=False
    )[..., 0]
    return box, back, np.where(cover > 1e-4, np.clip(cover, 0.0, 1.0), 0.0).astype(np.float32)


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
            _make_room(free, patch.box, other)
        changed = frame
        if free.any():
            # The difference is stored plane by plane here, so planes are multiplied, not pixels.
            weighted = np.moveaxis(patch.difference, 2, 0) * free
            with clock.time("blend / colour"):
                changed = add_rgb_difference(frame, patch.box, np.moveaxis(weighted, 0, 2), free)
        frame = changed
        done.append(patch)
        outcomes.append(_outcome(patch, free))
    return EditResult(frame, tuple(sorted(outcomes, key=lambda outcome: outcome.track_id)))


def _outcome(patch: _Patch, free: Floats) -> FaceOutcome:
    """What happened to a face; `free`: what of its mask no nearer face has taken."""
    whole, rest = float(patch.mask.sum()), float(free.sum())
    left = {cause: share for cause, share in patch.left.items() if share < 1}
    if rest < 0.999 * whole:
        left[NEARER] = rest / whole
    reason = ""
    if not rest:
        gone = (cause for cause, share in left.items() if not share)
        reason = NEARER if whole else next(gone, NOTHING)
    return FaceOutcome(patch.track_id, edited=not reason, reason=reason, left=left)


def _make_room(mask: Floats, box: Box, other: _Patch) -> None:
    """Take from a mask, in place, what another face's mask has already used."""
    x0, y0 = max(box[0], other.box[0]), max(box[1], other.box[1])
    x1, y1 = min(box[2], other.box[2]), min(box[3], other.box[3])
    if x0 >= x1 or y0 >= y1:
        return
    mine = (slice(y0 - box[1], y1 - box[1]), slice(x0 - box[0], x1 - box[0]))
    theirs = (
        slice(y0 - other.box[1], y1 - other.box[1]),
        slice(x0 - other.box[0], x1 - other.box[0]),
    )
    mask[mine] *= 1.0 - other.mask[theirs]
