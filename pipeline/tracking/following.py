"""Following one face from frame to frame, forwards or backwards, with a landmark network.

The network reads a face well if it looks nearly where the face is. Half an eye distance off, its
scores are low, yet it points the right way: repeated looks, each where the last one pointed, settle
on a face half an eye distance away, and often on one farther away (measured, four looks).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..imaging.geometry import box_iou, fit_similarity, similarity, transform
from ..types import Face, Frame
from .detector import Boxes

Points = NDArray[np.float32]

SURE = 0.5
"""Score from which a face is seen well."""
NEAR_ENOUGH = 0.05
"""A face whose points lie on average less than this from where they are expected, in sizes of the
face, is read just as well: the network saw such crops in training."""
_OFF = 0.15
"""A face read further off than this [sizes of the face] is looked at again from where it was read,
even if its score is good: its points are off by some hundredths."""
_LOOKS = 4
_HOPELESS = 0.02
"""If two looks score lower than this, there is no face to settle on."""
_STEADY = np.arange(36)
"""Jaw, brows and nose."""


class LandmarkEstimate(Protocol):
    """What a landmark network says of N faces."""

    @property
    def points(self) -> Points:
        """(N, 68, 2) float32 (x, y) [image px]."""

    @property
    def score(self) -> NDArray[np.float32]:
        """(N,) float32 0-1; from 0.5 the face is seen well."""

    @property
    def mouth_score(self) -> NDArray[np.float32]:
        """(N,) float32 0-1, of the mouth alone."""

    @property
    def eyes_score(self) -> NDArray[np.float32]:
        """(N,) float32 0-1, of the eyes alone."""


class Landmarker(Protocol):
    """A landmark network: frames in, one per face; landmarks out."""

    def from_boxes(self, frames: Sequence[Frame], boxes: Boxes) -> LandmarkEstimate:
        """Landmarks of faces first seen, from a detector's boxes (N, 4) x0 y0 x1 y1 [px]."""

    def from_points(self, frames: Sequence[Frame], points: Points) -> LandmarkEstimate:
        """Landmarks of faces near their landmarks (N, 68, 2) [px] in a frame shortly before."""

    def glance(self, frames: Sequence[Frame], points: Points) -> tuple[Points, NDArray[np.float32]]:
        """What `from_points` says, roughly and quickly: landmarks (N, 68, 2), scores (N,)."""


@dataclass(frozen=True, slots=True)
class Follower:
    """A landmark network that goes after single faces."""

    landmarker: Landmarker
    min_score: float
    """A face with a lower score is not there, or cannot be followed."""

    def run(self, frames: Sequence[Frame], face: Face) -> list[Face]:
        """Return a face in the first of some frames, for as long as it can be followed.

        `frames` follow the frame of `face` in time, or go back from it. The networks see many of
        them at once: a frame's share of their time is then a third. Frames that show the face
        elsewhere than expected are looked at again, there.
        """
        run: list[Face] = []
        places, is_there = self._expected(frames, face)
        # a face that jumps about, or is soon hidden, is not looked for far ahead
        width = len(frames) if is_there else 2
        while len(run) < len(frames):
            rest, last = frames[len(run) :][:width], run[-1] if run else face
            faces, read = self.read(rest, places[: len(rest)])
            faces[0] = self._first(rest[0], faces[0], read[0], places[0], last)
            taken = _first_ones_in_place(faces, places, last)
            if not taken:
                break
            run += taken
            width = max(width, 2 * len(taken))
            places = _places(faces[len(taken) :], taken[-1])
            unread = max(0, len(frames) - len(run) - len(places))
            end = places[-1:] if len(places) else taken[-1].landmarks[None]
            places = np.concatenate([places, np.repeat(end, unread, axis=0)])
        return run

    def read(self, frames: Sequence[Frame], places: Points) -> tuple[list[Face | None], Points]:
        """Return the face read near each place (N, 68, 2), None where there is none, and the
        landmarks (N, 68, 2) it was read by, believed or not."""
        e = self.landmarker.from_points(frames, places)
        return faces_of(e, frames, self.min_score), e.points

    def settle(self, frame: Frame, place: Points, reach: float = 1.5) -> Face | None:
        """Return the face near a place (68, 2), looking again from where each look led.

        None where looks lead further than `reach` sizes of the face, or nowhere.
        """
        start, at = make_face(frame.index, place, 1.0), place
        for look in range(_LOOKS):
            points, scores = self.landmarker.glance([frame], at[None])
            moved, at = at, points[0]
            if not is_near(make_face(frame.index, at, 1.0), start, reach):
                return None
            if look and scores[0] < _HOPELESS:
                return None
            if scores[0] >= self.min_score and _is_at(make_face(frame.index, at, 1.0), moved):
                break
        return self.read([frame], at[None])[0][0]

    def _first(
        self, frame: Frame, face: Face | None, read: Points, place: Points, last: Face
    ) -> Face | None:
        """Return the face of the frame after `last`, looked at again if it was read from the wrong
        place."""
        off = _off(face, place) if face is not None else np.inf
        if face is not None and (off < NEAR_ENOUGH or (off < _OFF and face.score >= SURE)):
            return face
        if not is_near(make_face(frame.index, read, 1.0), last):
            return None
        settled = self.settle(frame, read, reach=0.8)
        return face if settled is None and off < _OFF else settled

    def _expected(self, frames: Sequence[Frame], start: Face) -> tuple[Points, bool]:
        """Return about where a face is in some frames (N, 68, 2): on its way to the last of them,
        and whether it seems to be seen there.

        Crops placed like this move evenly, and points read from them shake less than points read
        from where the frame before had them.
        """
        place = start.landmarks
        end, is_there = place, True
        if len(frames) > 1:
            points, score = self.landmarker.glance(frames[-1:], place[None])
            is_there = bool(score[0] >= self.min_score)
            if is_there and is_near(make_face(0, points[0], 1.0), start):
                # Moved as a whole, because a glance reads eyes and mouth differently from a closer
                # look.
                moved = fit_similarity(place[_STEADY], points[0, _STEADY])
                end = transform(moved, place).astype(np.float32)
        share = np.arange(1, len(frames) + 1, dtype=np.float32)[:, None, None] / len(frames)
        return np.asarray(place + share * (end - place), np.float32), is_there


def make_face(
    frame_index: int, points: Points, score: float, region_scores: tuple[float, float] = (1.0, 1.0)
) -> Face:
    """Return a Face whose box is the box of its landmarks (68, 2) [px]."""
    points = points.astype(np.float32)
    box = np.concatenate([points.min(axis=0), points.max(axis=0)])
    return Face(frame_index, box, points, min(1.0, max(0.0, score)), region_scores)


_BOX_DOWN = 0.085
"""How far below the middle of a detector's square the middle of the landmarks lies, in its sides
(measured, as `models.landmarks.crops.BOX_DOWN`)."""


def points_in(square: NDArray[np.float64]) -> Points:
    """Return points (68, 2) that place a look at a face in a square (4,) x y side turn [px, deg].

    They fill the square as a face's points would, with the eyes level; nothing else about them is
    real.
    """
    x, y, side, turn = square
    points = np.zeros((68, 2))
    points[:36] = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])[np.arange(36) % 4]
    points[36:42], points[42:48] = (-0.2, -0.2), (0.2, -0.2)
    points[48:] = (0.0, 0.25)
    points[:, 1] += _BOX_DOWN
    return transform(similarity(side, turn, x, y), points).astype(np.float32)


def square_of(face: Face) -> NDArray[np.float64]:
    """Return the square (4,) x y side turn [px, deg] that a face fills; the reverse of `points_in`
    as far as place, size and turn go."""
    points = face.landmarks.astype(np.float64)
    across = points[42:48].mean(axis=0) - points[36:42].mean(axis=0)
    turn = float(np.degrees(np.arctan2(across[1], across[0])))
    levelled = transform(similarity(1.0, -turn, 0, 0), points)
    low, high = levelled.min(axis=0), levelled.max(axis=0)
    side = float((high - low).max())
    middle = (low + high) / 2 - (0.0, _BOX_DOWN * side)
    x, y = transform(similarity(1.0, turn, 0, 0), middle[None])[0]
    return np.array([x, y, side, turn])


def faces_of(
    estimate: LandmarkEstimate, frames: Sequence[Frame], min_score: float
) -> list[Face | None]:
    """Return what a network says of a face of each frame, None where its score is too low."""
    e = estimate
    scores = zip(frames, e.points, e.score, e.mouth_score, e.eyes_score, strict=True)
    return [
        make_face(frame.index, p, float(s), (float(m), float(y))) if s >= min_score else None
        for frame, p, s, m, y in scores
    ]


def size_of(face: Face) -> float:
    """Return the larger side of a face's box [px]."""
    return float((face.box[2:] - face.box[:2]).max())


def is_near(face: Face, before: Face, reach: float = 0.5) -> bool:
    """Tell a face that moved, by up to `reach` sizes, from one that was lost."""
    size, was = face.box[2:] - face.box[:2], before.box[2:] - before.box[:2]
    ratio = float(np.sqrt(max(float(np.prod(size)), 0.0) / max(float(np.prod(was)), 1e-6)))
    shift = float(
        np.linalg.norm((face.box[:2] + face.box[2:] - before.box[:2] - before.box[2:]) / 2)
    )
    return 0.67 < ratio < 1.5 and shift < reach * float(was.max())


def overlaps_any(face: Face, others: Sequence[Face], limit: float) -> bool:
    """Tell whether a face's box shares more than `limit` (intersection over union) with another."""
    return any(box_iou(face.box, other.box) > limit for other in others)


def apart(faces: Sequence[Face], others: Sequence[Face], limit: float) -> list[Face]:
    """Return the faces that are none of the others."""
    return [face for face in faces if not overlaps_any(face, others, limit)]


def distinct(faces: Sequence[Face], limit: float) -> list[Face]:
    """Drop every face that overlaps an earlier one: two tracks must not end on one person."""
    one_each: list[Face] = []
    for face in faces:
        one_each += apart([face], one_each, limit)
    return one_each


def _first_ones_in_place(faces: Sequence[Face | None], places: Points, last: Face) -> list[Face]:
    """Return a face in the first frames in which it is the face `last` was, and near its place.

    The first frame's is taken wherever it is: it was looked for.
    """
    taken: list[Face] = []
    for face, place in zip(faces, places, strict=False):
        if face is None or not is_near(face, last, 0.8 if not taken else 0.5):
            break
        if taken and not _is_at(face, place):
            break
        taken.append(face)
        last = face
    return taken


def _places(faces: Sequence[Face | None], last: Face) -> Points:
    """Return where to look for a face again (N, 68, 2): where it was found, or was last."""
    places = []
    for face in faces:
        if face is not None and is_near(face, last):
            last = face
        places.append(last.landmarks)
    return np.stack(places) if places else np.zeros((0, 68, 2), np.float32)


def _off(face: Face, place: Points) -> float:
    """Return how far the points of a face are from a place (68, 2) on average, in its sizes."""
    return float(np.linalg.norm(face.landmarks - place, axis=1).mean()) / max(size_of(face), 1e-6)


def _is_at(face: Face, place: Points) -> bool:
    """Tell whether a face is near enough to a place (68, 2) to be read well from there."""
    return _off(face, place) < NEAR_ENOUGH
