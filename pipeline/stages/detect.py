"""Faces of single frames: where they are, their 68 landmarks, and how far to trust them.

Finders behind one protocol, `FaceFinder`: the embedded one (dlib's HOG detector, then a landmark
network handed in) and the `face-alignment` package here, a file of landmarks made elsewhere in
`landmark_files.py`. A finder looks at some consecutive frames and at the faces of the frame before
them; who is who over time is decided in `track.py`.

The only file that imports `face_alignment`, whose package loads its own weights.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError, WeightsError
from ..imaging.color import frame_to_rgb_small
from ..imaging.geometry import box_iou, fit_similarity, transform
from ..imaging.hog import Box, find_boxes
from ..progress import Stopwatch
from ..types import Face, Frame

Points = NDArray[np.float32]

NEAR_ENOUGH = 0.05
"""A face whose points lie on average less than this from where they are expected, in sizes of the
face, is read as well from there: the network saw such crops in training."""


_STEADY = np.arange(36)
"""Jaw, brows and nose."""


class LandmarkEstimate(Protocol):
    """What a landmark network says of N faces."""

    @property
    def points(self) -> Points:
        """(N, 68, 2) float32 (x, y) [image px]."""

    @property
    def score(self) -> NDArray[np.float32]:
        """(N,) float32 0-1; from 0.5 good enough to edit."""

    @property
    def mouth_score(self) -> NDArray[np.float32]:
        """(N,) float32 0-1, of the mouth alone."""

    @property
    def eyes_score(self) -> NDArray[np.float32]:
        """(N,) float32 0-1, of the eyes alone."""


class Landmarker(Protocol):
    """A landmark network: frames in, one per face; landmarks out."""

    def from_boxes(self, frames: Sequence[Frame], boxes: Box) -> LandmarkEstimate:
        """Landmarks of faces first seen, from a detector's boxes (N, 4) x0 y0 x1 y1 [px]."""

    def from_points(self, frames: Sequence[Frame], points: Points) -> LandmarkEstimate:
        """Landmarks of faces near their landmarks (N, 68, 2) [px] in a frame shortly before."""

    def glance(self, frames: Sequence[Frame], points: Points) -> tuple[Points, NDArray[np.float32]]:
        """What `from_points` says, roughly and quickly: landmarks (N, 68, 2), scores (N,)."""


class FaceFinder(Protocol):
    """Anything that finds the faces of frames."""

    def prepare(self, frame: Frame) -> None:
        """Do ahead what can be done of a frame by itself; may run beside `find`, in frame order."""

    def find(self, frames: Sequence[Frame], previous: Sequence[Face]) -> list[list[Face]]:
        """Return the faces of each of some consecutive frames.

        `previous`: those of the frame before, whose order is kept as far as they are found again;
        none at the start.
        """


@dataclass(frozen=True, slots=True)
class DetectOptions:
    """When the embedded finder searches, and what it keeps."""

    every: int = 12
    """[frames] A search for new faces runs at least this often; always when no face is followed."""
    search_side: int = 480
    """[px] Long side of the shrunk frame searched first."""
    min_score: float = 0.15
    """A face with a lower score is not returned: it is not there, or cannot be followed."""
    same_face_iou: float = 0.3
    """Two boxes that overlap more are one face."""


@dataclass(slots=True)
class EmbeddedFinder:
    """dlib's HOG detector, then the landmark network; follows faces from frame to frame."""

    landmarker: Landmarker
    options: DetectOptions = field(default_factory=DetectOptions)
    clock: Stopwatch = field(default_factory=Stopwatch)
    _boxes: dict[int, Box] = field(default_factory=dict)
    """Of frames searched ahead, by their index."""

    def prepare(self, frame: Frame) -> None:
        """Search a frame that will be searched in any case."""
        if self._is_due(frame.index):
            self._boxes[frame.index] = self._find_boxes(
                frame, thorough=self._is_due(frame.index, of=4)
            )

    def find(self, frames: Sequence[Frame], previous: Sequence[Face]) -> list[list[Face]]:
        """Return the faces of each of some consecutive frames; see `FaceFinder.find`."""
        done: list[list[Face]] = []
        before = list(previous)
        while len(done) < len(frames):
            rest = frames[len(done) :]
            for frame, followed in zip(rest, self._follow(rest, before), strict=True):
                fresh = self._search(frame, followed, len(before))
                before = followed + fresh
                done.append(before)
                if fresh:  # somebody more to follow from here on
                    break
        return done

    def _search(self, frame: Frame, followed: Sequence[Face], expected: int) -> list[Face]:
        """Return the faces beside those followed, if it is time to look for them."""
        ahead = self._boxes.pop(frame.index, None)
        due = self._is_due(frame.index)
        if followed and len(followed) == expected and not due:
            return []
        # thoroughly at the start, now and then, and while there is no face at all
        rarely = self._is_due(frame.index, of=4)
        if ahead is not None and (rarely or followed):
            boxes = ahead
        else:
            boxes = self._find_boxes(frame, thorough=rarely or (due and not followed))
        limit = self.options.same_face_iou
        unknown = [b for b in boxes if all(box_iou(b, f.box) <= limit for f in followed)]
        if not unknown:
            return []
        here = [frame] * len(unknown)
        with self.clock.time("analyze / landmarks"):
            estimate = self.landmarker.from_boxes(here, np.stack(unknown))
        found = [f for f in self._faces(estimate, here) if f is not None]
        fresh = self._distinct(sorted(found, key=lambda f: -f.score))
        return [f for f in fresh if not _overlaps_any(f, followed, limit)]

    def _is_due(self, index: int, *, of: int = 1) -> bool:
        """Tell whether a frame is one of those searched in any case, or every `of`th of them."""
        return index % (of * max(1, self.options.every)) == 0

    def _find_boxes(self, frame: Frame, *, thorough: bool) -> Box:
        with self.clock.time("analyze / detect"):
            return find_boxes(frame, self.options.search_side, thorough=thorough)

    def _follow(self, frames: Sequence[Frame], before: Sequence[Face]) -> Iterator[list[Face]]:
        """Yield the faces of each frame that were there before and in every frame since."""
        with self.clock.time("analyze / landmarks"):
            runs = [self._run(frames, face) for face in before]
        for row in range(len(frames)):
            faces = self._distinct([run[row] for run in runs if len(run) > row])
            # two tracks must not end on one person: who gave way is not taken up again
            runs = [run for run in runs if len(run) > row and any(run[row] is f for f in faces)]
            yield faces

    def _run(self, frames: Sequence[Frame], face: Face) -> list[Face]:
        """Return a face in the first of some frames, as many as it can be followed through.

        The networks see all frames at once: a frame's share of their time is then a third. Frames
        that show the face elsewhere than expected are looked at again, there.
        """
        run: list[Face] = []
        places = self._expected(frames, face)
        while len(run) < len(frames):
            rest, last = frames[len(run) :], run[-1] if run else face
            found = self._faces(self.landmarker.from_points(rest, places), rest)
            seen = _first_ones_in_place(found, places, last)
            if not seen:
                break
            run += seen
            places = _places(found[len(seen) :], seen[-1])
        return run

    def _expected(self, frames: Sequence[Frame], start: Face) -> Points:
        """Return about where a face is in some frames (N, 68, 2): on its way to the last of them.

        Crops placed so move evenly, and points read from such crops shake less than points read
        where the frame before had them.
        """
        place = start.landmarks
        end = place
        if len(frames) > 1:
            points, score = self.landmarker.glance(frames[-1:], place[None])
            if score[0] >= self.options.min_score and _near(make_face(0, points[0], 1.0), start):
                # Moved as a whole: a glance reads eyes and mouth otherwise than a closer look.
                moved = fit_similarity(place[_STEADY], points[0, _STEADY])
                end = transform(moved, place).astype(np.float32)
        share = np.arange(1, len(frames) + 1, dtype=np.float32)[:, None, None] / len(frames)
        return np.asarray(place + share * (end - place), np.float32)

    def _faces(self, estimate: LandmarkEstimate, frames: Sequence[Frame]) -> list[Face | None]:
        e = estimate
        scores = zip(frames, e.points, e.score, e.mouth_score, e.eyes_score, strict=True)
        return [
            make_face(frame.index, p, float(s), (float(m), float(y)))
            if s >= self.options.min_score
            else None
            for frame, p, s, m, y in scores
        ]

    def _distinct(self, faces: Sequence[Face]) -> list[Face]:
        """Drop every face that overlaps an earlier one: two tracks must not end on one person."""
        kept: list[Face] = []
        for face in faces:
            if not _overlaps_any(face, kept, self.options.same_face_iou):
                kept.append(face)
        return kept


def make_face(
    frame_index: int, points: Points, score: float, region_scores: tuple[float, float] = (1.0, 1.0)
) -> Face:
    """Return a Face whose box is the box of its landmarks (68, 2) [px]."""
    points = points.astype(np.float32)
    box = np.concatenate([points.min(axis=0), points.max(axis=0)])
    return Face(frame_index, box, points, min(1.0, max(0.0, score)), region_scores)


def _overlaps_any(face: Face, others: Sequence[Face], limit: float) -> bool:
    return any(box_iou(face.box, other.box) > limit for other in others)


def _near(face: Face, before: Face) -> bool:
    """Tell a face that moved from one that was lost, by its size and place."""
    size, was = face.box[2:] - face.box[:2], before.box[2:] - before.box[:2]
    ratio = float(np.sqrt(np.prod(size) / max(float(np.prod(was)), 1e-6)))
    shift = float(
        np.linalg.norm((face.box[:2] + face.box[2:] - before.box[:2] - before.box[2:]) / 2)
    )
    return 0.67 < ratio < 1.5 and shift < 0.5 * float(was.max())


def _first_ones_in_place(found: Sequence[Face | None], places: Points, last: Face) -> list[Face]:
    """Return a face in the first frames in which it is the face `last` was, and near its place.

    The first frame's is taken wherever it is: there is no better place to look than `last`.
    """
    seen: list[Face] = []
    for face, place in zip(found, places, strict=True):
        if face is None or not _near(face, last) or (seen and not _is_at(face, place)):
            break
        seen.append(face)
        last = face
    return seen


def _places(found: Sequence[Face | None], last: Face) -> Points:
    """Return where to look for a face again (N, 68, 2): where it was found, or was last."""
    places = []
    for face in found:
        if face is not None and _near(face, last):
            last = face
        places.append(last.landmarks)
    return np.stack(places) if places else np.zeros((0, 68, 2), np.float32)


def _is_at(face: Face, place: Points) -> bool:
    """Tell whether a face is near enough to a place (68, 2) to be read well from there."""
    off = float(np.linalg.norm(face.landmarks - place, axis=1).mean())
    return off < NEAR_ENOUGH * float((face.box[2:] - face.box[:2]).max())


@dataclass(slots=True)
class FaceAlignmentFinder:
    """The face-alignment package (S3FD detector, FAN landmarks); every frame is searched anew."""

    network: Any
    """An instance of `face_alignment.FaceAlignment` (the package carries no types)."""

    def prepare(self, frame: Frame) -> None:
        """Do nothing."""

    @classmethod
    def load(cls, device: str) -> FaceAlignmentFinder:
        """Return a finder that runs on `device` (`cpu`, `cuda`, `cuda:1`, ...).

        Raises:
            UsageError: the package is not installed.
            WeightsError: its weights are neither present nor to be fetched, or are damaged.
        """
        try:
            import face_alignment
        except ImportError as e:
            raise UsageError(
                f"--landmarks face-alignment needs the package face-alignment ({e}); "
                "install it with `pip install visagist[face-alignment]` or use --landmarks embedded"
            ) from e
        kind = face_alignment.LandmarksType
        two_d = getattr(kind, "TWO_D", None) or kind._2D  # renamed in 1.4
        options = {"device": device, "flip_input": False, **_without_compiling(face_alignment)}
        try:
            return cls(face_alignment.FaceAlignment(two_d, **options))
        except (OSError, RuntimeError, ValueError, EOFError) as e:
            raise WeightsError(_missing_fan(e)) from e

    def find(self, frames: Sequence[Frame], previous: Sequence[Face]) -> list[list[Face]]:
        """Return the faces of each frame; see `FaceFinder.find`."""
        return [self._find(frame) for frame in frames]

    def _find(self, frame: Frame) -> list[Face]:
        image = frame_to_rgb_small(frame, max(frame.width, frame.height))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="No faces were detected")  # an expected miss
            found = self.network.get_landmarks_from_image(image, return_landmark_score=True)
        points, peaks, _ = found
        if points is None:
            return []
        # the height of a heat map's peak, 0-1, is what the network offers as its confidence
        return [
            make_face(
                frame.index,
                np.asarray(p, np.float32)[:, :2],
                float(np.mean(s)),
                (float(np.mean(s[48:68])), float(np.mean(s[36:48]))),
            )
            for p, s in zip(points, (np.clip(np.asarray(s), 0, 1) for s in peaks), strict=True)
        ]


def _without_compiling(package: Any) -> dict[str, object]:
    """Return the option that keeps releases from 1.5 on from compiling the network for minutes."""
    import inspect

    has_option = "compile" in inspect.signature(package.FaceAlignment.__init__).parameters
    return {"compile": False} if has_option else {}


def _missing_fan(error: Exception) -> str:
    import torch

    folder = Path(torch.hub.get_dir()) / "checkpoints"
    return (
        f"face-alignment could not load its weights: {error}; connect once so that it can fetch "
        f"them, or put s3fd-619a316812.pth and its 2DFAN4 file into {folder}, "
        "or use --landmarks embedded"
    )
