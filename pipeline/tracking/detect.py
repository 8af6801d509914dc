"""Faces of single frames: where they are, their 68 landmarks, and how far to trust them.

Finders behind one protocol, `FaceFinder`: the embedded one (dlib's HOG detector, then a landmark
network handed in) and the `face-alignment` package here, a file of landmarks made elsewhere in
`landmark_files.py`. A finder is given some consecutive frames and the faces of the frame before
them; `linking.py` decides who is who over time.

The only file that imports `face_alignment`, whose package loads its own weights.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..errors import UsageError, WeightsError, words_of
from ..imaging.color import frame_to_rgb_small
from ..imaging.geometry import box_iou
from ..progress import Stopwatch
from ..types import Face, Frame
from .detector import Boxes, Turned, find_boxes, find_near, find_turned
from .following import (
    SURE,
    Follower,
    Landmarker,
    apart,
    distinct,
    faces_of,
    make_face,
    overlaps_any,
    points_in,
    square_of,
)
from .recent import LookedBack, RecentFrames, look_back


class FaceFinder(Protocol):
    """Anything that finds the faces of frames."""

    def prepare(self, frame: Frame, *, may_be_cut: bool = False) -> None:
        """Do in advance what needs only one frame; may run beside `find`, in frame order.

        `may_be_cut`: the frame may begin a new shot, of other faces.
        """

    def find(self, frames: Sequence[Frame], previous: Sequence[Face]) -> list[list[Face]]:
        """Return the faces of each of some consecutive frames.

        `previous`: the faces of the frame before; those found again keep their order. None at the
        start.
        """


@dataclass(frozen=True, slots=True)
class DetectOptions:
    """When the embedded finder searches, and what it keeps."""

    every: int = 12
    """[frames] A search for new faces runs at least this often."""
    search_side: int = 480
    """[px] Long side of the shrunk frame searched first."""
    min_score: float = 0.15
    """Faces with a lower score are dropped: they are not there, or cannot be followed."""
    same_face_iou: float = 0.3
    """Two boxes that overlap more are one face."""

    @property
    def pause(self) -> int:
        """[frames] Between two searches while there is no face at all."""
        return max(1, self.every // 4)

    @property
    def rarely(self) -> int:
        """[frames] Between two thorough searches; also how far back new faces are traced."""
        return max(1, min(2 * self.every, _MOST_KEPT))

    @property
    def memory(self) -> int:
        """[frames] How long a lost face is looked for near its last place."""
        return 4 * self.every


_MOST_KEPT = 60
"""Frames kept to look back at, at most: 190 MB of the largest, see `recent.MOST_BYTES`."""


@dataclass(frozen=True, slots=True)
class _Lost:
    """A face that could not be followed any more."""

    face: Face
    """Where it was last."""
    since: int
    """Index of the first frame without it."""

    def reach(self, index: int) -> float:
        """How far away it may be by then, in its own sizes: a head may jump by two eye distances at
        once."""
        return min(1.5 + 0.25 * (index - self.since), 3.0)

    def is_due(self, index: int) -> bool:
        """Tell whether to look for it: at once, then ever more rarely (a face found again is
        followed back to where it came into sight)."""
        age = index - self.since
        return age & (age - 1) == 0


@dataclass(slots=True)
class EmbeddedFinder:
    """dlib's HOG detector, then the landmark network; follows faces from frame to frame.

    A face that a search finds late is followed back to where it came into sight; see `looked_back`.
    """

    landmarker: Landmarker
    options: DetectOptions = field(default_factory=DetectOptions)
    clock: Stopwatch = field(default_factory=Stopwatch)
    pixel_aspect: float = 1.0
    """Width ÷ height of a pixel of the frames."""
    # `prepare` adds to these two while `find`, on another thread, takes out; each step is atomic
    # under Python's lock.
    _boxes: dict[int, Boxes] = field(default_factory=dict)
    """Of frames searched ahead, by their index."""
    _cuts: dict[int, bool] = field(default_factory=dict)
    """Frames that may begin a shot, by their index, and whether they are searched thoroughly."""
    _recent: RecentFrames = field(init=False)
    _lost: list[_Lost] = field(default_factory=list)
    _back: list[LookedBack] = field(default_factory=list)
    _next: int = -1
    """Index of the frame that follows the last one `find` saw."""

    def __post_init__(self) -> None:
        self._recent = RecentFrames(self.options.rarely)

    def prepare(self, frame: Frame, *, may_be_cut: bool = False) -> None:
        """Search a frame that will be searched in any case."""
        if may_be_cut:
            # Where everything moves, every frame may be a cut.
            lately = range(frame.index - self.options.pause, frame.index)
            self._cuts[frame.index] = not any(self._cuts.get(i) for i in lately)
        if self._is_due(frame.index) or may_be_cut:
            self._boxes[frame.index] = self._find_boxes(
                frame, thorough=self._is_thorough(frame.index)
            )

    def find(self, frames: Sequence[Frame], previous: Sequence[Face]) -> list[list[Face]]:
        """Return the faces of each of some consecutive frames; see `FaceFinder.find`."""
        if frames and frames[0].index != self._next:
            self._recent.clear()
            self._lost.clear()
        done: list[list[Face]] = []
        before = list(previous)
        while len(done) < len(frames):
            rest = self._until_cut(frames[len(done) :])
            for frame, (followed, gone) in zip(rest, self._follow(rest, before), strict=True):
                fresh = self._newcomers(frame, followed, gone)
                before = followed + fresh
                done.append(before)
                self._recent.add(frame, before, begins=frame.index in self._cuts)
                self._next = frame.index + 1
                if fresh:  # somebody more to follow from here on
                    break
        for index in list(self._cuts):  # copied at once: `prepare` may be adding to it
            if index < self._next - self.options.every:
                del self._cuts[index]
        return done

    def looked_back(self) -> list[LookedBack]:
        """Return the faces added, since the last call, to frames that had already gone by."""
        faces_before, self._back = self._back, []
        return faces_before

    def _until_cut(self, frames: Sequence[Frame]) -> Sequence[Frame]:
        """Return the first frames, up to one that may begin a shot; such a one alone."""
        count = next((i for i, f in enumerate(frames) if f.index in self._cuts), len(frames))
        return frames[: max(1, count)]

    def _newcomers(
        self, frame: Frame, followed: Sequence[Face], gone: Sequence[Face]
    ) -> list[Face]:
        """Return the faces other than those followed, if it is time to look for any.

        `gone`: those that could be followed up to the frame before.
        """
        index = frame.index
        late, at_once = self._look_for_lost(frame, followed, gone)
        known_faces = [*followed, *late, *at_once]
        ahead = self._boxes.pop(index, None)
        due = self._is_due(index) or index in self._cuts
        seldom = not known_faces and index % self.options.pause == 0
        if due or seldom or len(at_once) < len(gone):
            thorough = self._is_thorough(index) or (due and not known_faces)
            if ahead is None or (thorough and not self._is_thorough(index)):
                ahead = self._find_boxes(frame, thorough=thorough)
            fresh = self._read_boxes(frame, ahead, known_faces)
            if thorough and not known_faces and not fresh:
                fresh = self._search_turned(frame)
            late += fresh
        with self.clock.time("analyze / landmarks"):
            for face in late:
                self._back += look_back(
                    self._recent,
                    self._follower,
                    face,
                    self.options.same_face_iou,
                    begins=index in self._cuts,
                    pixel_aspect=self.pixel_aspect,
                )
        return [*at_once, *late]

    def _is_due(self, index: int) -> bool:
        """Tell whether a frame is one of those searched in any case."""
        return index % max(1, self.options.every) == 0

    def _is_thorough(self, index: int) -> bool:
        """Tell whether a frame is one of those searched thoroughly in any case."""
        return index % self.options.rarely == 0 or self._cuts.get(index, False)

    def _find_boxes(self, frame: Frame, *, thorough: bool) -> Boxes:
        with self.clock.time("analyze / detect"):
            return find_boxes(frame, self.options.search_side, thorough=thorough)

    def _read_boxes(self, frame: Frame, boxes: Boxes, known_faces: Sequence[Face]) -> list[Face]:
        """Return the faces in boxes where nobody is known to be."""
        limit = self.options.same_face_iou
        new_boxes = [b for b in boxes if all(box_iou(b, f.box) <= limit for f in known_faces)]
        if not new_boxes:
            return []
        here = [frame] * len(new_boxes)
        with self.clock.time("analyze / landmarks"):
            estimate = self.landmarker.from_boxes(here, np.stack(new_boxes))
        faces = [f for f in faces_of(estimate, here, self.options.min_score) if f is not None]
        fresh = distinct(sorted(faces, key=lambda f: -f.score), limit)
        return apart(fresh, known_faces, limit)

    def _search_turned(self, frame: Frame) -> list[Face]:
        """Return heads that lie on their side or stand upside down, where no other face is."""
        seldom = frame.index % (4 * self.options.rarely) == 0 or self._cuts.get(frame.index, False)
        with self.clock.time("analyze / detect"):
            heads = find_turned(frame, self.options.search_side, thorough=seldom)
        return self._read_squares(frame, heads, [])

    def _read_squares(self, frame: Frame, heads: Turned, known_faces: Sequence[Face]) -> list[Face]:
        """Return the faces seen well in a detector's squares where nobody is known to be."""
        fresh: list[Face] = []
        limit = self.options.same_face_iou
        with self.clock.time("analyze / landmarks"):
            for square in heads:
                place = points_in(square)
                others = [*known_faces, *fresh]
                if overlaps_any(make_face(frame.index, place, 1.0), others, limit):
                    continue
                face = self._follower.settle(frame, place, reach=0.5)
                if face is not None and face.score >= SURE:
                    fresh += apart([face], others, limit)
        return fresh

    def _look_for_lost(
        self, frame: Frame, followed: Sequence[Face], gone: Sequence[Face]
    ) -> tuple[list[Face], list[Face]]:
        """Return the faces found again about where they were last: those that were lost in frames
        before, and those lost in this one."""
        index = frame.index
        self._lost += [_Lost(face, index) for face in gone if self._was_seen_well(index, face)]
        late: list[Face] = []
        at_once: list[Face] = []
        still: list[_Lost] = []
        for lost in self._lost:
            known_faces = [*followed, *late, *at_once]
            back = self._look_near(frame, lost, known_faces) if lost.is_due(index) else []
            (late if lost.since < index else at_once).extend(back)
            if not back and index - lost.since < self.options.memory:
                still.append(lost)
        self._lost = still
        return late, at_once

    def _look_near(self, frame: Frame, lost: _Lost, known_faces: Sequence[Face]) -> list[Face]:
        """Return the lost face (or none): by the network alone if it is close, else by search."""
        limit = self.options.same_face_iou
        if lost.since < frame.index:  # else the network has just looked
            with self.clock.time("analyze / landmarks"):
                face = self._follower.settle(frame, lost.face.landmarks)
            if face is not None and face.score >= SURE and apart([face], known_faces, limit):
                return [face]
        with self.clock.time("analyze / detect"):
            heads = find_near(frame, square_of(lost.face), lost.reach(frame.index))
        return self._read_squares(frame, heads, known_faces)[:1]

    def _was_seen_well(self, index: int, face: Face) -> bool:
        """Tell whether a face was worth following lately."""
        lately = self._recent.before(index)[: self.options.every]
        sure = [f for past in lately for f in past.faces if f.score >= SURE]
        return face.score >= SURE or overlaps_any(face, sure, self.options.same_face_iou)

    @property
    def _follower(self) -> Follower:
        return Follower(self.landmarker, self.options.min_score)

    def _follow(
        self, frames: Sequence[Frame], before: Sequence[Face]
    ) -> Iterator[tuple[list[Face], list[Face]]]:
        """Yield the faces of each frame that were there before and in every frame since, and the
        last faces of those that were there up to the frame before."""
        with self.clock.time("analyze / landmarks"):
            runs = [self._follower.run(frames, face) for face in before]
        last = dict(enumerate(before))
        for row, frame in enumerate(frames):
            # Across a cut only a face seen well goes on: others may be the old picture's.
            least = SURE if frame.index in self._cuts else 0.0
            by_track = {i: runs[i][row] for i in last if len(runs[i]) > row}
            # two tracks must not end on one person: a face that gave way is not resumed
            well = [f for f in by_track.values() if f.score >= least]
            faces = distinct(well, self.options.same_face_iou)
            followed = {i: f for i, f in by_track.items() if any(f is face for face in faces)}
            gone = [face for i, face in last.items() if i not in followed]
            last = followed
            yield faces, gone


@dataclass(slots=True)
class FaceAlignmentFinder:
    """The face-alignment package (S3FD detector, FAN landmarks); every frame is searched anew."""

    network: Any
    """An instance of `face_alignment.FaceAlignment` (the package carries no types)."""

    def prepare(self, frame: Frame, *, may_be_cut: bool = False) -> None:
        """Do nothing."""

    @classmethod
    def load(cls, device: str) -> FaceAlignmentFinder:
        """Return a finder that runs on `device` (`cpu`, `cuda`, `cuda:1`, ...).

        Raises:
            UsageError: the package, or one it needs, is broken or not installed.
            WeightsError: its weights are neither present nor to be fetched, or are damaged.
        """
        try:
            import face_alignment
        except (ImportError, OSError) as e:
            raise UsageError(
                f"the package face-alignment cannot be loaded ({e}); `pip install face-alignment` "
                "may mend that; or use --landmarks embedded"
            ) from e
        try:
            # without `compile`, which would take minutes on a first run
            network = face_alignment.FaceAlignment(
                face_alignment.LandmarksType.TWO_D, device=device, flip_input=False, compile=False
            )
        except Exception as e:  # from urllib, zipfile, pickle or torch
            raise WeightsError(_missing_fan(e)) from e
        return cls(network)

    def find(self, frames: Sequence[Frame], previous: Sequence[Face]) -> list[list[Face]]:
        """Return the faces of each frame; see `FaceFinder.find`."""
        return [self._find(frame) for frame in frames]

    def _find(self, frame: Frame) -> list[Face]:
        image = frame_to_rgb_small(frame, max(frame.width, frame.height))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="No faces were detected")  # an expected miss
            read = self.network.get_landmarks_from_image(image, return_landmark_score=True)
        points, peaks, _ = read
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


def _missing_fan(error: Exception) -> str:
    import torch

    folder = Path(torch.hub.get_dir()) / "checkpoints"
    files = " and ".join(str(folder / name) for name in _FAN_FILES)
    words = words_of(error).partition("\n")[0]  # torch goes on with advice to trust the file
    return (
        f"face-alignment could not load its weights: {words:.120}; it needs {files}, whole: "
        "delete what is damaged and connect once so that it can fetch them, or put them there "
        "yourself, or use --landmarks embedded"
    )


_FAN_FILES = ("s3fd-619a316812.pth", "2DFAN4-11f355bf06.pth.tar")
"""Of S3FD and FAN, as release 1.5 names them."""
