"""Faces of one frame: where they are, their 68 landmarks, and how far to trust them.

Three finders behind one protocol, `FaceFinder`: the embedded one (dlib's HOG detector, then a
landmark network handed in), the `face-alignment` package, and a file of landmarks made elsewhere. A
finder looks at one frame and at the faces of the frame before; who is who over time is decided in
`track.py`.

The only file that imports `dlib` or `face_alignment`, whose package loads its own weights.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray

from ..errors import AnalysisError, UsageError, WeightsError
from ..progress import Stopwatch
from ..types import Face

Image = NDArray[np.uint8]
Box = NDArray[np.float32]
Points = NDArray[np.float32]

# dlib's own threshold is 0; below it more faces are found, and the network refuses the rest.
_HOG_THRESHOLD = -0.1
_UPRIGHT, _TILTED = (0.0,), (-35.0, 35.0)
_NO_BOXES = np.zeros((0, 4), np.float32)
_MAX_SIDE = 2048
"""[px] Larger frames are shrunk to this for the thorough search, which sees faces from 80 px."""


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
    """A landmark network: images (H, W, 3) uint8 RGB in, one per face; landmarks out."""

    def from_boxes(self, images: Sequence[Image], boxes: Box) -> LandmarkEstimate:
        """Landmarks of faces first seen, from a detector's boxes (N, 4) x0 y0 x1 y1 [px]."""

    def from_points(self, images: Sequence[Image], points: Points) -> LandmarkEstimate:
        """Landmarks of faces near their landmarks (N, 68, 2) [px] in the frame before."""


class FaceFinder(Protocol):
    """Anything that finds the faces of a frame."""

    def find(self, image: Image, frame_index: int, previous: Sequence[Face]) -> list[Face]:
        """Return the faces of a frame (H, W, 3) uint8 RGB.

        `previous`: those of the frame before, whose order is kept as far as they are found again;
        none at the start and after a cut.
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

    def find(self, image: Image, frame_index: int, previous: Sequence[Face]) -> list[Face]:
        """Return the faces of a frame (H, W, 3) uint8 RGB; see `FaceFinder.find`."""
        _check_image(image)
        followed = self._follow(image, frame_index, previous)
        due = frame_index % max(1, self.options.every) == 0
        if followed and len(followed) == len(previous) and not due:
            return followed
        # thoroughly at the start, now and then, and while there is no face at all
        rarely = frame_index % (4 * max(1, self.options.every)) == 0
        thorough = rarely or (due and not followed)
        with self.clock.time("analyze / detect"):
            boxes = find_boxes(image, self.options.search_side, thorough=thorough)
        fresh = self._estimate(image, frame_index, boxes) if len(boxes) else []
        return followed + [
            f for f in fresh if not _overlaps_any(f, followed, self.options.same_face_iou)
        ]

    def _follow(self, image: Image, frame_index: int, previous: Sequence[Face]) -> list[Face]:
        if not previous:
            return []
        points = np.stack([f.landmarks for f in previous])
        with self.clock.time("analyze / landmarks"):
            estimate = self.landmarker.from_points([image] * len(previous), points)
        faces = self._faces(estimate, frame_index)
        sane = [f for f, p in zip(faces, previous, strict=True) if f is not None and _near(f, p)]
        return self._distinct(sane)

    def _estimate(self, image: Image, frame_index: int, boxes: Box) -> list[Face]:
        with self.clock.time("analyze / landmarks"):
            estimate = self.landmarker.from_boxes([image] * len(boxes), boxes)
        found = [f for f in self._faces(estimate, frame_index) if f is not None]
        return self._distinct(sorted(found, key=lambda f: -f.score))

    def _faces(self, estimate: LandmarkEstimate, frame_index: int) -> list[Face | None]:
        e = estimate
        scores = zip(e.points, e.score, e.mouth_score, e.eyes_score, strict=True)
        return [
            make_face(frame_index, p, float(s), (float(m), float(y)))
            if s >= self.options.min_score
            else None
            for p, s, m, y in scores
        ]

    def _distinct(self, faces: Sequence[Face]) -> list[Face]:
        """Drop every face that overlaps an earlier one: two tracks must not end on one person."""
        kept: list[Face] = []
        for face in faces:
            if not _overlaps_any(face, kept, self.options.same_face_iou):
                kept.append(face)
        return kept


def find_boxes(image: Image, search_side: int, *, thorough: bool) -> Box:
    """Return the boxes (N, 4) float32 x0 y0 x1 y1 [px] of frontal faces, the surest first.

    Shrunk to `search_side` px almost every face is found in a tenth of the time. `thorough` adds
    twice that side and full size, for small faces; where there is none, twice full size, and 35
    degrees either way, which the detector does not see upright (measured limit about 20 degrees).
    """
    longest = max(image.shape[:2])
    quick = min(1.0, search_side / longest)
    if not thorough:
        return _search(image, quick, _UPRIGHT)
    shrinks = sorted({quick, min(1.0, 2 * search_side / longest), min(1.0, _MAX_SIDE / longest)})
    found = np.concatenate([_search(image, shrink, _UPRIGHT) for shrink in shrinks])
    if not len(found):
        found = _search(image, quick, _TILTED)
    if not len(found) and 2 * longest <= _MAX_SIDE:
        found = _search(image, 2.0, _UPRIGHT)
    kept: list[Box] = []
    for box in found:
        if all(box_iou(box, other) < 0.5 for other in kept):
            kept.append(box)
    return np.stack(kept) if kept else _NO_BOXES


def _search(image: Image, shrink: float, angles_deg: Sequence[float]) -> Box:
    """Return the detector's boxes in frame px, for the frame shrunk and turned by each angle."""
    h, w = image.shape[:2]
    small = image
    if shrink != 1.0:
        size = (max(1, round(w * shrink)), max(1, round(h * shrink)))
        how = cv2.INTER_AREA if shrink < 1.0 else cv2.INTER_LINEAR
        small = np.asarray(cv2.resize(image, size, interpolation=how), dtype=np.uint8)
    small = np.ascontiguousarray(small)
    scale = np.array([w / small.shape[1], h / small.shape[0]])
    detector = _detector()
    found: list[tuple[float, NDArray[np.float64]]] = []
    for angle in angles_deg:
        turned, turned_to_small = _turned(small, angle)
        rectangles, scores, _ = detector.run(turned, 0, _HOG_THRESHOLD)
        for r, score in zip(rectangles, scores, strict=True):
            middle = turned_to_small @ np.array(
                [(r.left() + r.right()) / 2, (r.top() + r.bottom()) / 2, 1.0]
            )
            # a pixel of the shrunk frame covers `scale` pixels, centre on centre
            centre = (middle + 0.5) * scale - 0.5
            half = np.array([r.width(), r.height()]) / 2 * scale
            found.append((float(score), np.concatenate([centre - half, centre + half])))
    found.sort(key=lambda item: -item[0])
    return np.stack([b for _, b in found]).astype(np.float32) if found else _NO_BOXES


@cache
def _detector() -> Any:
    return dlib.get_frontal_face_detector()  # unpacks its model at every call


def _turned(image: Image, angle_deg: float) -> tuple[Image, NDArray[np.float64]]:
    """Return the image turned about its middle, and the (2, 3) turned_to_image."""
    if angle_deg == 0.0:
        return image, np.eye(2, 3)
    h, w = image.shape[:2]
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    linear = np.array([[c, -s], [s, c]])
    middle = np.array([(w - 1) / 2, (h - 1) / 2])
    matrix = np.column_stack([linear, middle - linear @ middle])
    turned = cv2.warpAffine(image, matrix, (w, h), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return np.asarray(turned, dtype=np.uint8), matrix


def make_face(
    frame_index: int, points: Points, score: float, region_scores: tuple[float, float] = (1.0, 1.0)
) -> Face:
    """Return a Face whose box is the box of its landmarks (68, 2) [px]."""
    points = points.astype(np.float32)
    box = np.concatenate([points.min(axis=0), points.max(axis=0)])
    return Face(frame_index, box, points, min(1.0, max(0.0, score)), region_scores)


def box_iou(a: Box, b: Box) -> float:
    """Return the intersection over union (0-1) of two boxes (4,) x0 y0 x1 y1."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    shared = float(np.prod(np.maximum(high - low, 0.0)))
    union = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - shared
    return shared / union if union > 0 else 0.0


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


def _check_image(image: Image) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"a finder takes (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}")


@dataclass(slots=True)
class FaceAlignmentFinder:
    """The face-alignment package (S3FD detector, FAN landmarks); every frame is searched anew."""

    network: Any
    """An instance of `face_alignment.FaceAlignment` (the package carries no types)."""

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

    def find(self, image: Image, frame_index: int, previous: Sequence[Face]) -> list[Face]:
        """Return the faces of a frame (H, W, 3) uint8 RGB; see `FaceFinder.find`."""
        _check_image(image)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="No faces were detected")  # an expected miss
            found = self.network.get_landmarks_from_image(image, return_landmark_score=True)
        points, peaks, _ = found
        if points is None:
            return []
        # the height of a heat map's peak, 0-1, is what the network offers as its confidence
        return [
            make_face(
                frame_index,
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


@dataclass(slots=True)
class FileFinder:
    """Landmarks made elsewhere, read from a file."""

    faces: dict[int, list[Face]]
    """Faces by frame index."""

    @classmethod
    def load(cls, path: Path, *, mesh_to_68: Sequence[int]) -> FileFinder:
        """Return a finder that answers from a file.

        Two kinds are read. `.npz`: `points` (T, 68, 2+) or (T, 468 or 478, 2+) [px], one face per
        decoded frame, and optionally `found` (T,) bool; `mesh_to_68` names the vertex of each of
        the 68 points. `.json`: `{"faces": [{"frame": 0, "landmarks": [[x, y], ... 68], "score":
        1.0}, ...]}`.

        Raises:
            AnalysisError: the file is missing, damaged, or holds something else.
        """
        if not path.is_file():
            raise AnalysisError(f"landmark file {path} does not exist; give an .npz or .json file")
        readers = {".npz": lambda: _read_npz(path, mesh_to_68), ".json": lambda: _read_json(path)}
        reader = readers.get(path.suffix.lower())
        if reader is None:
            raise AnalysisError(
                f"landmark file {path} has the ending {path.suffix!r}; read are .npz and .json"
            )
        try:
            faces = reader()
        except (KeyError, TypeError, ValueError, OSError, EOFError) as e:
            raise AnalysisError(f"landmark file {path} cannot be read: {e}") from e
        by_frame: dict[int, list[Face]] = {}
        for face in faces:
            by_frame.setdefault(face.frame_index, []).append(face)
        return cls(by_frame)

    def find(self, image: Image, frame_index: int, previous: Sequence[Face]) -> list[Face]:
        """Return the file's faces of a frame; the image is not looked at."""
        return list(self.faces.get(frame_index, []))


def _read_npz(path: Path, mesh_to_68: Sequence[int]) -> list[Face]:
    with np.load(path, allow_pickle=False) as arrays:
        points = np.asarray(arrays["points"], np.float32)
        found = (
            np.asarray(arrays["found"], bool) if "found" in arrays else np.ones(len(points), bool)
        )
    if points.ndim != 3 or points.shape[1] not in (68, 468, 478) or points.shape[2] < 2:
        raise ValueError(f"points must be (T, 68, 2) or (T, 478, 2+), got {points.shape}")
    if found.shape != (len(points),):
        raise ValueError(f"found must be ({len(points)},), got {found.shape}")
    if points.shape[1] != 68:
        points = points[:, list(mesh_to_68)]
    found &= np.isfinite(points[..., :2]).all(axis=(1, 2))
    return [make_face(int(t), points[t, :, :2], 1.0) for t in np.flatnonzero(found)]


def _read_json(path: Path) -> list[Face]:
    content = json.loads(path.read_text(encoding="utf-8"))
    faces = []
    for k, entry in enumerate(content["faces"]):
        points = np.asarray(entry["landmarks"], np.float32)
        if points.shape != (68, 2) or not np.isfinite(points).all():
            raise ValueError(
                f"faces[{k}].landmarks must be 68 pairs of numbers, got shape {points.shape}"
            )
        faces.append(make_face(int(entry["frame"]), points, float(entry.get("score", 1.0))))
    return faces
