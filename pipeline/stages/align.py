"""Align: frames and tracks in, batches of face crops out.

Three kinds of crops, all with an exact way back into the frame:

* `NativeCrop` cuts an axis-parallel square out of the frame, moved by whole pixels, so its pixels
are
  the frame's own; what lies outside the frame is repeated from its edge. A model that warps the
  crop then resamples the frame's pixels exactly once.
* `FfhqSquare` cuts likewise, round the square that FFHQ would cut out: a generator made for such
  squares gets its picture through `AlignedBatch.quads`, and what it changes goes onto the frame's
  own pixels without a detour.
* `FfhqCrop` levels and scales the face to a fixed size, as the StyleGAN2 family wants it.

Frames with oblong pixels are resampled to square ones on the way (models know faces in square
pixels only; an anamorphic face would read as a fat or a thin one). The blend stage carries only
differences back, so that costs the frame nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from ..imaging import temporal
from ..imaging.color import frame_to_rgb
from ..imaging.geometry import (
    Affine,
    eye_distance,
    ffhq_quad,
    invert,
    quad_to_matrix,
    scaling,
    transform,
    translation,
)
from ..imaging.resample import warp
from ..types import AlignedBatch, FaceOutcome, FaceState, FaceTrack, Frame

Chunk = tuple[list[Frame], list[AlignedBatch], dict[int, list[FaceOutcome]]]
"""Some consecutive frames, their crops (one batch per track), and the faces that were skipped."""


class CropRule(Protocol):
    """Where the crops of a track lie."""

    def place(
        self, track: FaceTrack, pixel_aspect: float, times: NDArray[np.float64]
    ) -> tuple[int, Affine]:
        """Side [px] and crop_to_frame (T, 3, 3) for the frames of a track; times (T,) [s]."""
        ...


class _SidedModel(Protocol):
    crop_side: float | None


@dataclass(frozen=True, slots=True)
class NativeCrop:
    """Squares of the frame's own pixels, one side per track."""

    side_eyes: float = 3.4
    """Side in outer eye distances (or 1.3 eye–mouth distances where those are more, as on a turned
    head), of the largest face in the track."""
    multiple: int = 16
    """The side is rounded up to a multiple of this [px]."""
    min_side: int = 64

    def place(
        self, track: FaceTrack, pixel_aspect: float, times: NDArray[np.float64]
    ) -> tuple[int, Affine]:
        """Squares centred between eyes and mouth, to the whole pixel."""
        del times
        square = _square_pixels(pixel_aspect)
        points = transform(square, track.landmarks)
        eyes = 0.5 * (points[:, 36] + points[:, 45])
        mouth = 0.5 * (points[:, 48] + points[:, 54])
        size = np.maximum(eye_distance(points), 1.3 * np.linalg.norm(eyes - mouth, axis=-1))
        present = track.states != FaceState.ABSENT
        # Not the very largest: one frame with wrong landmarks must not blow up the whole track.
        largest = float(np.percentile(size[present], 95)) if present.any() else 1.0
        wanted = max(self.side_eyes * largest, self.min_side)
        side = int(np.ceil(wanted / self.multiple)) * self.multiple
        corner = np.rint(0.5 * (eyes + mouth) - 0.5 * (side - 1))
        crop_to_square = np.tile(np.eye(3), (len(track), 1, 1))
        crop_to_square[:, :2, 2] = corner
        return side, invert(square) @ crop_to_square


@dataclass(frozen=True, slots=True)
class FfhqSquare:
    """Squares of the frame's own pixels round the square that FFHQ cuts out, one side per track."""

    smoothing_s: float = 0.12
    """Sigma of the smoothing of the FFHQ square's place, size and turn [s]."""
    multiple: int = 16
    min_side: int = 64

    def place(
        self, track: FaceTrack, pixel_aspect: float, times: NDArray[np.float64]
    ) -> tuple[int, Affine]:
        """Upright squares centred on the FFHQ squares, to the whole pixel."""
        quads = self.quads(track, pixel_aspect, times)
        square = _square_pixels(pixel_aspect)
        corners = transform(square, quads)
        extents = np.ptp(corners, axis=1).max(1)
        present = track.states != FaceState.ABSENT
        largest = float(np.percentile(extents[present], 95)) if present.any() else 1.0
        side = int(np.ceil(max(largest, self.min_side) / self.multiple)) * self.multiple
        crop_to_square = np.tile(np.eye(3), (len(track), 1, 1))
        crop_to_square[:, :2, 2] = np.rint(corners.mean(1) - 0.5 * (side - 1))
        return side, invert(square) @ crop_to_square

    def quads(
        self, track: FaceTrack, pixel_aspect: float, times: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """(T, 4, 2) FFHQ squares [frame px], steadied within each run of frames with the face."""
        return _steady_quads(track, pixel_aspect, times, self.smoothing_s)


def rule_of(model: _SidedModel) -> CropRule:
    """The crops a model asks for."""
    return FfhqSquare() if model.crop_side is None else NativeCrop(side_eyes=model.crop_side)


@dataclass(frozen=True, slots=True)
class FfhqCrop:
    """Levelled squares of a fixed size, the face where FFHQ has it."""

    side: int = 256
    smoothing_s: float = 0.12
    """Sigma of the smoothing of the square's place, size and turn [s]."""

    def place(
        self, track: FaceTrack, pixel_aspect: float, times: NDArray[np.float64]
    ) -> tuple[int, Affine]:
        """FFHQ squares, smoothed in time within each run of frames that has the face."""
        quads = _steady_quads(track, pixel_aspect, times, self.smoothing_s)
        return self.side, quad_to_matrix(quads, self.side)


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


@dataclass(frozen=True, slots=True)
class _Placed:
    """A track with its crops' places."""

    track: FaceTrack
    side: int
    crop_to_frame: Affine
    quads: NDArray[np.float64] | None
    """(T, 4, 2) [frame px], if the rule knows them."""


def align(
    frames: Iterable[Frame],
    tracks: Sequence[FaceTrack],
    rule: CropRule,
    *,
    times: NDArray[np.float64] | None = None,
    pixel_aspect: float = 1.0,
    batch_size: int = 8,
) -> Iterator[Chunk]:
    """Every frame once, in order, in chunks of `batch_size`, with the crops of its faces.

    Args:
        frames: in presentation order; any subset of a clip's.
        tracks: refined; faces of weight 0 are skipped, with the reason.
        times: (frames of the clip,) [s]; without them 25 frames per second are taken.
        pixel_aspect: width ÷ height of a frame's pixel.
    """
    placed = [_place(track, rule, pixel_aspect, times) for track in tracks]
    chunk: list[Frame] = []
    for frame in frames:
        chunk.append(frame)
        if len(chunk) == batch_size:
            yield _align_chunk(chunk, placed)
            chunk = []
    if chunk:
        yield _align_chunk(chunk, placed)


def _place(
    track: FaceTrack, rule: CropRule, pixel_aspect: float, times: NDArray[np.float64] | None
) -> _Placed:
    own = np.arange(len(track)) / 25.0
    if times is not None:
        own = times[track.first_frame : track.end_frame]
    side, crop_to_frame = rule.place(track, pixel_aspect, own)
    quads = rule.quads(track, pixel_aspect, own) if isinstance(rule, FfhqSquare) else None
    return _Placed(track, side, crop_to_frame, quads)


def _align_chunk(frames: list[Frame], placed: Sequence[_Placed]) -> Chunk:
    batches: list[AlignedBatch] = []
    skipped: dict[int, list[FaceOutcome]] = {}
    for p in placed:
        rows: list[tuple[Frame, int]] = []
        for frame in frames:
            row = frame.index - p.track.first_frame
            if not 0 <= row < len(p.track):
                continue
            if p.track.weights[row] > 0:
                rows.append((frame, row))
            else:
                reason = _why_not(p.track, row)
                skipped.setdefault(frame.index, []).append(
                    FaceOutcome(p.track.track_id, edited=False, reason=reason)
                )
        if rows:
            batches.append(_batch(p, rows))
    return frames, batches, skipped


def _why_not(track: FaceTrack, row: int) -> str:
    """Why a frame of weight 0 takes no edit."""
    if track.states[row] == FaceState.ABSENT:
        return "face not seen well enough"
    return "face turned away, or its mouth covered"


def _batch(placed: _Placed, rows: Sequence[tuple[Frame, int]]) -> AlignedBatch:
    """The crops of one track."""
    index = np.array([row for _, row in rows])
    matrices = placed.crop_to_frame[index]
    images = torch.empty(len(rows), 3, placed.side, placed.side)
    for image, (frame, _), matrix in zip(images.numpy(), rows, matrices, strict=True):
        cv2.split(cut(frame, matrix, placed.side), list(image))
    images.mul_(2.0).sub_(1.0)
    to_crop = invert(matrices)
    landmarks = transform(to_crop, placed.track.landmarks[index])
    return AlignedBatch(
        images=images,
        crop_to_frame=matrices,
        landmarks=torch.from_numpy(landmarks.astype(np.float32)),
        frame_index=np.array([frame.index for frame, _ in rows], np.int64),
        track_id=np.full(len(rows), placed.track.track_id, np.int64),
        weights=torch.from_numpy(placed.track.weights[index].copy()),
        quads=None if placed.quads is None else transform(to_crop, placed.quads[index]),
    )


def cut(frame: Frame, crop_to_frame: Affine, side: int) -> NDArray[np.float32]:
    """(side, side, 3) float32 RGB in [0, 1]: the frame seen through `crop_to_frame`.

    A pure shift by whole pixels copies them, and repeats the frame's edge beyond it; anything
    else is resampled, anti-aliased, and mirrored at the frame's edge.
    """
    if is_shift(crop_to_frame):
        return _cut_shifted(frame, int(crop_to_frame[0, 2]), int(crop_to_frame[1, 2]), side)
    corners = np.array([[0, 0], [side - 1, 0], [0, side - 1], [side - 1, side - 1]], np.float64)
    seen = transform(crop_to_frame, corners)
    # As far as the kernel and the prefilter of `warp` reach.
    step = float(np.linalg.norm(crop_to_frame[:2, :2], axis=1).max())
    reach = 4 + int(np.ceil(3 * step))
    size = np.array([frame.width, frame.height])
    low = np.clip(np.floor(seen.min(0)).astype(int) - reach, 0, size - 1)
    high = np.clip(np.ceil(seen.max(0)).astype(int) + reach + 1, low + 1, size)
    # A mirrored part must be there to be mirrored: take as much inside as lies outside.
    outside = np.maximum(np.maximum(-seen.min(0), seen.max(0) - size + 1), 0).astype(int) + reach
    low = np.where(seen.max(0) > size - 1, np.minimum(low, size - 1 - outside), low).clip(0)
    high = np.where(seen.min(0) < 0, np.maximum(high, outside + 1), high).clip(max=size)
    part = frame_to_rgb(frame, (int(low[0]), int(low[1]), int(high[0]), int(high[1])))
    return warp(part, translation(-low[0], -low[1]) @ crop_to_frame, (side, side))


def is_shift(matrix: Affine) -> bool:
    """Whether an affine matrix only moves, by whole pixels."""
    shift = matrix[:2, 2]
    return bool((matrix[:2, :2] == np.eye(2)).all() and (shift == np.rint(shift)).all())


def _cut_shifted(frame: Frame, x: int, y: int, side: int) -> NDArray[np.float32]:
    x0, x1 = np.clip([x, x + side], 0, frame.width)
    y0, y1 = np.clip([y, y + side], 0, frame.height)
    # A crop wholly outside still repeats the nearest edge.
    x0, y0 = min(x0, frame.width - 1), min(y0, frame.height - 1)
    x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
    inside = frame_to_rgb(frame, (int(x0), int(y0), int(x1), int(y1)))
    left, top = int(np.clip(x0 - x, 0, side - (x1 - x0))), int(np.clip(y0 - y, 0, side - (y1 - y0)))
    right, bottom = side - (x1 - x0) - left, side - (y1 - y0) - top
    if not left | right | top | bottom:
        return inside
    grown = cv2.copyMakeBorder(inside, top, bottom, left, right, cv2.BORDER_REPLICATE)
    return np.asarray(grown, np.float32)
