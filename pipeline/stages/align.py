"""Align: frames and tracks in, batches of face crops out.

Two kinds of crops, both upright squares of the frame's own pixels, moved by whole pixels; what lies
outside the frame is repeated from its edge:

* `NativeCrop` lies round eyes and mouth. A model that warps the crop resamples the frame's pixels
  exactly once.
* `FfhqSquare` lies round the square that FFHQ would cut out: a generator made for such squares gets
  its picture through `AlignedBatch.quads`, and what it changes goes onto the frame's own pixels
  without a detour.

Frames with oblong pixels are resampled to square ones on the way (models know faces in square
pixels only; an anamorphic face would read as a fat or a thin one). The blend stage carries only
differences back, so that costs the frame nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..causes import Demand, why_not
from ..imaging import temporal
from ..imaging.color import frame_to_rgb, frame_to_rgb_planes
from ..imaging.geometry import (
    Affine,
    eye_distance,
    ffhq_quad,
    invert,
    is_shift,
    scaling,
    transform,
    translation,
)
from ..imaging.resample import warp
from ..mattes import Mattes
from ..types import AlignedBatch, CropRule, FaceOutcome, FaceState, FaceTrack, Frame

Chunk = tuple[list[Frame], list[AlignedBatch], dict[int, list[FaceOutcome]]]
"""Some consecutive frames, their crops (one batch per track), and the faces that were skipped."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the crops of a track of T frames lie."""

    side: int
    """[px], the same for all."""
    crop_to_frame: Affine
    """(T, 3, 3)."""
    quads: NDArray[np.float64] | None = None
    """(T, 4, 2) squares that FFHQ would cut out [frame px], if the rule asks for them."""


PlacedTrack = tuple[FaceTrack, Placement]


@dataclass(frozen=True, slots=True)
class NativeCrop:
    """Squares of the frame's own pixels, one side per track."""

    side_eyes: float = 3.4
    """Side in outer eye distances (or 1.3 eye–mouth distances where those are more, as on a turned
    head), of the largest face in the track."""

    def place(self, track: FaceTrack, pixel_aspect: float, times: NDArray[np.float64]) -> Placement:
        """Return squares centred between eyes and mouth, to the whole pixel; times (T,) [s]."""
        del times
        points = transform(_square_pixels(pixel_aspect), track.landmarks)
        eyes = 0.5 * (points[:, 36] + points[:, 45])
        mouth = 0.5 * (points[:, 48] + points[:, 54])
        size = np.maximum(eye_distance(points), 1.3 * np.linalg.norm(eyes - mouth, axis=-1))
        side = _side_for(track, self.side_eyes * size)
        return Placement(side, _upright(0.5 * (eyes + mouth), side, pixel_aspect))


@dataclass(frozen=True, slots=True)
class FfhqSquare:
    """Squares of the frame's own pixels round the square that FFHQ cuts out, one side per track."""

    smoothing_s: float = 0.12
    """Sigma of the smoothing of the FFHQ square's place, size and turn [s]."""

    def place(self, track: FaceTrack, pixel_aspect: float, times: NDArray[np.float64]) -> Placement:
        """Return upright squares about the FFHQ squares, to the whole pixel; times (T,) [s]."""
        quads = _steady_quads(track, pixel_aspect, times, self.smoothing_s)
        corners = transform(_square_pixels(pixel_aspect), quads)
        side = _side_for(track, np.ptp(corners, axis=1).max(1))
        return Placement(side, _upright(corners.mean(1), side, pixel_aspect), quads)


Placing = NativeCrop | FfhqSquare
_MULTIPLE, _LEAST_SIDE = 16, 64
"""[px] Sides of crops are multiples of the one and no less than the other."""


def placing_of(rule: CropRule) -> Placing:
    """How the crops of a rule are placed."""
    return FfhqSquare() if rule.side_eyes is None else NativeCrop(side_eyes=rule.side_eyes)


def _side_for(track: FaceTrack, extents: NDArray[np.float64]) -> int:
    """Side [px] that holds what extends over (T,) square px."""
    present = track.states != FaceState.ABSENT
    # Not the very largest: one frame with wrong landmarks must not enlarge the whole track's crops.
    largest = float(np.percentile(extents[present], 95)) if present.any() else 1.0
    return int(np.ceil(max(largest, _LEAST_SIDE) / _MULTIPLE)) * _MULTIPLE


def _upright(centres: NDArray[np.float64], side: int, pixel_aspect: float) -> Affine:
    """(T, 3, 3) crop_to_frame of upright squares about centres (T, 2) [square px]."""
    crop_to_square = np.tile(np.eye(3), (len(centres), 1, 1))
    crop_to_square[:, :2, 2] = np.rint(centres - 0.5 * (side - 1))
    return invert(_square_pixels(pixel_aspect)) @ crop_to_square


def _steady_quads(
    track: FaceTrack, pixel_aspect: float, times: NDArray[np.float64], smoothing_s: float
) -> NDArray[np.float64]:
    """(T, 4, 2) FFHQ squares [frame px], smoothed in time within each run that has the face."""
    square = _square_pixels(pixel_aspect)
    quads = ffhq_quad(transform(square, track.landmarks))
    for rows in temporal.runs(track.states != FaceState.ABSENT):
        quads[rows] = temporal.smooth_quads(quads[rows], times[rows], strength_s=smoothing_s)
    return transform(invert(square), quads)


def _square_pixels(pixel_aspect: float) -> Affine:
    """(3, 3) frame px → square px: the coarser axis is stretched, so nothing is lost."""
    if pixel_aspect == 1.0:
        return np.eye(3)
    return scaling(pixel_aspect, 1.0) if pixel_aspect > 1.0 else scaling(1.0, 1.0 / pixel_aspect)


def place(
    tracks: Iterable[FaceTrack],
    rule: Placing,
    *,
    times: NDArray[np.float64],
    pixel_aspect: float = 1.0,
) -> tuple[PlacedTrack, ...]:
    """Return where the crops of every refined track lie; times (frames of the clip,) [s]."""
    return tuple(
        (track, rule.place(track, pixel_aspect, times[track.first_frame : track.end_frame]))
        for track in tracks
    )


def align(
    frames: list[Frame], tracks: Sequence[PlacedTrack], demands: Sequence[Demand] = ()
) -> Chunk:
    """Return some frames, in order, with the crops of their faces.

    `demands`: of each edit. A face that takes nothing of any edit is skipped, with the reason;
    without edits, a face of weight 0.
    """
    demands = demands or [Demand()]
    batches: list[AlignedBatch] = []
    skipped: dict[int, list[FaceOutcome]] = {}
    for track, placement in tracks:
        shares = np.max([track.share(d.needs) * d.wanted(track) for d in demands], axis=0)
        rows: list[tuple[Frame, int]] = []
        for frame in frames:
            row = frame.index - track.first_frame
            if not 0 <= row < len(track):
                continue
            if shares[row] > 0:
                rows.append((frame, row))
            else:
                reason = why_not(track, row, demands)
                skipped.setdefault(frame.index, []).append(
                    FaceOutcome(track.track_id, edited=False, reason=reason)
                )
        if rows:
            batches.append(_batch(track, placement, rows))
    return frames, batches, skipped


def _batch(
    track: FaceTrack, placement: Placement, rows: Sequence[tuple[Frame, int]]
) -> AlignedBatch:
    """The crops of one track."""
    index = np.array([row for _, row in rows])
    matrices = placement.crop_to_frame[index]
    crops = [
        cut(frame, matrix, placement.side)
        for (frame, _), matrix in zip(rows, matrices, strict=True)
    ]
    to_crop = invert(matrices)
    landmarks = transform(to_crop, track.landmarks[index])
    return AlignedBatch(
        images=torch.from_numpy(np.stack(crops) if len(crops) > 1 else crops[0][None]),
        crop_to_frame=matrices,
        landmarks=torch.from_numpy(landmarks.astype(np.float32)),
        frame_index=np.array([frame.index for frame, _ in rows], np.int64),
        track_id=np.full(len(rows), track.track_id, np.int64),
        weights=torch.from_numpy(track.weights[index].copy()),
        parts=torch.from_numpy(track.parts[index].copy()),
        quads=None if placement.quads is None else transform(to_crop, placement.quads[index]),
    )


def cut(frame: Frame, crop_to_frame: Affine, side: int) -> NDArray[np.float32]:
    """(3, side, side) float32 RGB in [-1, 1]: the frame seen through `crop_to_frame`.

    A pure shift by whole pixels copies them, and repeats the frame's edge beyond it; anything
    else is resampled, anti-aliased, and mirrored at the frame's edge.
    """
    if is_shift(crop_to_frame):
        return _cut_shifted(frame, int(crop_to_frame[0, 2]), int(crop_to_frame[1, 2]), side)
    corners = np.array([[0, 0], [side - 1, 0], [0, side - 1], [side - 1, side - 1]], np.float64)
    quad = transform(crop_to_frame, corners)
    # As far as the kernel and the prefilter of `warp` reach.
    step = float(np.linalg.norm(crop_to_frame[:2, :2], axis=1).max())
    reach = 4 + int(np.ceil(3 * step))
    size = np.array([frame.width, frame.height])
    low = np.clip(np.floor(quad.min(0)).astype(int) - reach, 0, size - 1)
    high = np.clip(np.ceil(quad.max(0)).astype(int) + reach + 1, low + 1, size)
    # What is mirrored must have been read: take as much inside as lies outside.
    outside = np.maximum(np.maximum(-quad.min(0), quad.max(0) - size + 1), 0).astype(int) + reach
    low = np.where(quad.max(0) > size - 1, np.minimum(low, size - 1 - outside), low).clip(0)
    high = np.where(quad.min(0) < 0, np.maximum(high, outside + 1), high).clip(max=size)
    picture = frame_to_rgb(frame, (int(low[0]), int(low[1]), int(high[0]), int(high[1])))
    cropped = warp(picture, translation(-low[0], -low[1]) @ crop_to_frame, (side, side))
    return np.ascontiguousarray(np.moveaxis(2 * cropped - 1, 2, 0))


def held_of(batch: AlignedBatch, mattes: Mapping[int, Mattes]) -> Tensor | None:
    """Return where the user's mattes, by frame, keep the plate of crops: (N, 1, S, S) 0–1, on the
    CPU; None where they keep nothing of any."""
    side = batch.images.shape[-1]
    found = np.zeros((len(batch), 1, side, side), np.float32)
    for n, (index, matrix) in enumerate(zip(batch.frame_index, batch.crop_to_frame, strict=True)):
        held = mattes[int(index)].held
        if held is not None:
            # Linear, and not below 0: a soft edge stays one.
            seen = warp(held[..., None], matrix, (side, side), kernel="linear", border="replicate")
            found[n, 0] = seen[..., 0].clip(0, 1)
    return torch.from_numpy(found) if found.any() else None


def _cut_shifted(frame: Frame, x: int, y: int, side: int) -> NDArray[np.float32]:
    x0, x1 = np.clip([x, x + side], 0, frame.width)
    y0, y1 = np.clip([y, y + side], 0, frame.height)
    # A crop wholly outside still repeats the nearest edge.
    x0, y0 = min(x0, frame.width - 1), min(y0, frame.height - 1)
    x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
    box = (int(x0), int(y0), int(x1), int(y1))
    inside = frame_to_rgb_planes(frame, box, span=(-1.0, 1.0))
    left, top = int(np.clip(x0 - x, 0, side - (x1 - x0))), int(np.clip(y0 - y, 0, side - (y1 - y0)))
    right, bottom = side - (x1 - x0) - left, side - (y1 - y0) - top
    if not left | right | top | bottom:
        return inside
    beyond = (top, bottom, left, right, cv2.BORDER_REPLICATE)
    return np.stack([np.asarray(cv2.copyMakeBorder(p, *beyond), np.float32) for p in inside])
