"""The last frames that went by, kept small: a new face is traced backwards through them."""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..types import Face, Frame
from .appearance import Descriptor, describe_in
from .following import SURE, Follower, Points, make_face, overlaps_any

MOST_BYTES = 3_200_000
"""Most bytes of a kept frame: about 1920×1080 with 8 bits and quarter chroma; larger frames are
shrunk."""

_TOGETHER = 8
"""Most frames looked at in one go; fewer at first, since the face may have only just appeared."""


@dataclass(frozen=True, slots=True)
class KeptFrame:
    """A frame, shrunk if it was large, and who is known to be in it."""

    frame: Frame
    shrink: NDArray[np.float64]
    """(2,) pixels of the frame as it was for each that is kept, across and down."""
    faces: list[Face]
    """[px of the frame as it was]"""
    begins: bool
    """It may begin a new shot."""

    def to_kept(self, points: Points) -> Points:
        """Return points (..., 2) of the frame as it was in pixels of the kept one."""
        return np.asarray((points + 0.5) / self.shrink - 0.5, np.float32)

    def to_frame(self, points: Points) -> Points:
        """Return points (..., 2) of the kept frame in pixels of the frame as it was."""
        return np.asarray((points + 0.5) * self.shrink - 0.5, np.float32)


class RecentFrames:
    """The last `most` consecutive frames, in memory that this object allocates and frees."""

    def __init__(self, most: int) -> None:
        self._kept: deque[KeptFrame] = deque(maxlen=most)
        self._slots: list[NDArray[np.uint8]] = []

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()

    def add(self, frame: Frame, faces: Sequence[Face], *, begins: bool) -> None:
        """Keep the next frame; a frame of another size, or one out of sequence, starts afresh."""
        small = _shrunk(frame)
        if self._kept:
            last = self._kept[-1].frame
            follows = frame.index == last.index + 1
            if not follows or [p.shape for p in small.planes] != [p.shape for p in last.planes]:
                self.clear()
        shrink = np.array([frame.width / small.width, frame.height / small.height])
        self._kept.append(KeptFrame(self._copied(small), shrink, list(faces), begins))

    def _copied(self, frame: Frame) -> Frame:
        """Return a copy of the frame in the memory of the oldest one, which is dropped.

        Keeping the decoder's own frames for a second would fragment its memory until the program
        ends.
        """
        size = sum(plane.nbytes for plane in frame.planes)
        most = self._kept.maxlen or 1
        if not self._slots or len(self._slots[0]) != size:
            self._slots = list(np.empty((most, size), np.uint8))
        rest = self._slots[frame.index % most]
        planes = []
        for plane in frame.planes:
            slot, rest = rest[: plane.nbytes], rest[plane.nbytes :]
            planes.append(slot.view(plane.dtype).reshape(plane.shape))
            planes[-1][:] = plane
        return dataclasses.replace(frame, planes=tuple(planes))

    def before(self, index: int) -> list[KeptFrame]:
        """Return the frames before frame `index`, the last of them first."""
        earlier = [k for k in self._kept if k.frame.index < index]
        return earlier[::-1] if earlier and earlier[-1].frame.index == index - 1 else []


@dataclass(frozen=True, slots=True)
class LookedBack:
    """A face found in a frame that has gone by."""

    face: Face
    look: Descriptor
    """What it looks like there."""


def look_back(
    recent: RecentFrames,
    follower: Follower,
    face: Face,
    limit: float,
    *,
    begins: bool,
    pixel_aspect: float = 1.0,
) -> list[LookedBack]:
    """Return a face in the frames before its own, back to where it came into sight.

    Args:
        recent: what went by; gets to know the face in its frames.
        follower: what follows it.
        face: one seen well; any other is not followed.
        limit: two boxes that overlap more (intersection over union) are one face; where somebody
            is known already the way back ends.
        begins: the frame of `face` may begin a new shot. Across such a place a face must be seen
            well to be believed.
        pixel_aspect: width ÷ height of a pixel, to describe the face.
    """
    faces_before: list[LookedBack] = []
    frames = recent.before(face.frame_index) if face.score >= SURE else []
    width = 1
    while frames:
        batch, frames = frames[:width], frames[width:]
        width = min(2 * width, _TOGETHER)
        start = make_face(face.frame_index, batch[0].to_kept(face.landmarks), face.score)
        run = follower.run([past.frame for past in batch], start)
        for past, face_there in zip(batch, run, strict=False):
            points = past.to_frame(face_there.landmarks)
            face = make_face(past.frame.index, points, face_there.score, face_there.region_scores)
            if (begins and face.score < SURE) or overlaps_any(face, past.faces, limit):
                return faces_before
            past.faces.append(face)
            look = describe_in(past.frame, face_there.landmarks, pixel_aspect=pixel_aspect)
            faces_before.append(LookedBack(face, look))
            begins = past.begins
        if len(run) < len(batch):
            break
    return faces_before


def _shrunk(frame: Frame) -> Frame:
    """Return a frame of at most about `MOST_BYTES`; of 8 bits, without alpha, if it was larger."""
    planes = frame.planes[:3]
    samples = sum(plane.size for plane in planes)
    if samples * planes[0].itemsize <= MOST_BYTES:
        return frame
    shrink = math.ceil(math.sqrt(samples / MOST_BYTES))  # whole numbers shrink fast
    # Multiples of four: what is subsampled by two or four has whole pixels.
    size = (4 * math.ceil(frame.width / shrink / 4), 4 * math.ceil(frame.height / shrink / 4))
    shift = frame.encoding.bits - 8
    small = []
    for plane in planes:
        per_sample = (round(frame.width / plane.shape[1]), round(frame.height / plane.shape[0]))
        shape = (size[0] // per_sample[0], size[1] // per_sample[1])
        levels = plane if shift == 0 else (plane >> shift).astype(np.uint8)
        small.append(np.asarray(cv2.resize(levels, shape, interpolation=cv2.INTER_AREA), np.uint8))
    encoding = dataclasses.replace(frame.encoding, bits=8)
    return dataclasses.replace(frame, planes=tuple(small), encoding=encoding)
