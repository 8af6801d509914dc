"""The numbers of a target beside its clip, frame by frame: what changed, what should not have."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..imaging.geometry import eye_distance
from ..imaging.likeness import Cells, Likeness, likeness
from ..pictures import rgb_of
from ..types import FaceState, FaceTrack, Frame, Plane

Floats = NDArray[np.float32]

_FACE_PX: Final = 48
_SIDE_EYES: Final = 3.0
"""Side of the square about a face in which its change is followed [outer eye distances]."""
_SSIM_EVERY: Final = 4
"""Frames of which one is asked for its SSIM, which costs more than all else here."""


@dataclass(frozen=True, slots=True)
class Change:
    """What an edit changes in a face of one frame."""

    face: int
    size: float
    """Mean difference [grey levels] in the square about the face."""
    jitter: float | None
    """Mean distance of the change from the mean of those before and after [grey levels]; None
    where a neighbour is missing."""


class _Face:
    """The last three changes of one face, in its own frame."""

    def __init__(self, factor: int) -> None:
        self.factor = factor
        self.last: list[tuple[int, Floats]] = []

    def add(self, frame: int, change: Floats) -> float | None:
        """Take the change of a frame; return the jitter of the one before."""
        if self.last and self.last[-1][0] != frame - 1:
            self.last.clear()
        self.last = [*self.last[-2:], (frame, change)]
        if len(self.last) < 3:
            return None
        before, middle, after = (picture for _, picture in self.last)
        return float(np.abs(middle - (before + after) / 2).mean())


@dataclass(slots=True)
class Figures:
    """The figures of a shot; `add` counts a frame."""

    outside: Likeness = field(default_factory=Likeness)
    inside: Likeness = field(default_factory=Likeness)
    frames: int = 0
    worst: tuple[float, int] = (math.inf, -1)
    """Least PSNR outside [dB], and its frame."""
    sizes: dict[int, tuple[float, int]] = field(default_factory=dict)
    """By frame, the largest change of a face [grey levels], and the face."""
    jitters: dict[int, tuple[float, float]] = field(default_factory=dict)
    """By frame, the largest jitter of a face [grey levels], and the change it is of."""
    strongest: tuple[float, int] = (0.0, -1)
    """The largest of these, and its frame; -1: no face was changed."""
    _faces: dict[int, _Face] = field(default_factory=dict)

    def add(self, before: Frame, after: Frame, cells: Cells, faces: Iterable[FaceTrack]) -> None:
        """Count a frame of the clip and of the target; `cells`: what its edit changed."""
        one, other, bits = lumas(before, after)
        with_ssim = self.frames % _SSIM_EVERY == 0
        outside = likeness(one, other, ~cells, bits=bits, with_ssim=with_ssim)
        self.outside += outside
        self.inside += likeness(one, other, cells, bits=bits, with_ssim=False)
        self.frames += 1
        if outside.pixels:
            self.worst = min(self.worst, (outside.psnr, before.index))
        if cells.any():
            self._follow(before.index, one, other, 255 / ((1 << bits) - 1), faces)

    def _follow(
        self, frame: int, one: Plane, other: Plane, levels: float, faces: Iterable[FaceTrack]
    ) -> None:
        for track in faces:
            row = frame - track.first_frame
            if not 0 <= row < len(track) or not track.weights[row]:
                continue
            face = self._faces.setdefault(track.track_id, _Face(_factor(track)))
            change = _change(one, other, track.landmarks[row], face.factor) * np.float32(levels)
            size = float(np.abs(change).mean())
            self.sizes[frame] = max(self.sizes.get(frame, (0.0, 0)), (size, track.track_id))
            if size > self.strongest[0]:
                self.strongest = (size, frame)
            jitter = face.add(frame, change)
            if jitter is not None:
                known = self.jitters.get(frame - 1, (0.0, 0.0))
                self.jitters[frame - 1] = max(known, (jitter, self.sizes[frame - 1][0]))

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain data.

        `outside`: of pixels that no edit changed before they were encoded: PSNR [dB] over all of
        them and of the worst frame (null: nothing differs), mean SSIM, differences [grey levels];
        null if there is no such pixel. `inside`: differences of those that were. `jitter`: [grey
        levels], with the frame of the largest, and its share of the change there.
        """
        found: dict[str, Any] = {"frames": self.frames, "outside": None, "inside": None}
        outside, inside = self.outside, self.inside
        if outside.pixels:
            found["outside"] = {
                "psnr_db": _finite(outside.psnr),
                "worst_psnr_db": _finite(self.worst[0]),
                "worst_frame": self.worst[1] if math.isfinite(self.worst[0]) else None,
                "ssim": round(outside.ssim, 4),
                "largest": round(outside.largest, 1),
                "mean": round(outside.mean, 3),
            }
        if inside.pixels:
            largest, mean = round(inside.largest, 1), round(inside.mean, 3)
            found["inside"] = {"largest": largest, "mean": mean}
        found["jitter"] = None
        if self.jitters:
            frame, (largest, size) = max(self.jitters.items(), key=lambda item: item[1])
            mean = sum(jitter for jitter, _ in self.jitters.values()) / len(self.jitters)
            found["jitter"] = {
                "mean": round(mean, 3),
                "largest": round(largest, 3),
                "frame": frame,
                "share": round(largest / max(size, 1e-6), 3),
            }
        return found


def lumas(one: Frame, other: Frame) -> tuple[Plane, Plane, int]:
    """Return planes of two frames that can be compared, and their bits: those stored first, where
    both are stored alike, else what both look like in grey."""
    a, b = one.encoding, other.encoding
    alike = (a.bits, a.matrix, a.full_range) == (b.bits, b.matrix, b.full_range)
    if alike and one.planes[0].shape == other.planes[0].shape:
        return one.planes[0], other.planes[0], a.bits
    first, second = (cv2.cvtColor(rgb_of(frame), cv2.COLOR_RGB2GRAY) for frame in (one, other))
    return np.asarray(first, np.uint8), np.asarray(second, np.uint8), 8


def _finite(number: float) -> float | None:
    return round(number, 2) if math.isfinite(number) else None


def _factor(track: FaceTrack) -> int:
    """Return by how much a face is made smaller to be followed: the same all over its track."""
    there = track.landmarks[track.states != FaceState.ABSENT].astype(np.float64)
    side = _SIDE_EYES * float(np.median(eye_distance(there)))
    return max(1, round(side / _FACE_PX))


def _change(one: Plane, other: Plane, landmarks: NDArray[np.float32], factor: int) -> Floats:
    """Return what differs about a face, made small: (48, 48) [levels of the planes]."""
    side = factor * _FACE_PX
    x, y = (float(value) for value in landmarks.astype(np.float64).mean(0))
    height, width = one.shape
    x0, x1 = (min(max(0, int(x) + way * (side // 2 + 2)), width) for way in (-1, 1))
    y0, y1 = (min(max(0, int(y) + way * (side // 2 + 2)), height) for way in (-1, 1))
    if x0 >= x1 or y0 >= y1:
        return np.zeros((_FACE_PX, _FACE_PX), np.float32)
    part = np.subtract(other[y0:y1, x0:x1], one[y0:y1, x0:x1], dtype=np.float32)
    exact = cv2.getRectSubPix(part, (side, side), (x - x0, y - y0))
    cells = exact.reshape(_FACE_PX, factor, _FACE_PX, factor)
    return np.asarray(cells.mean((1, 3)), np.float32)
