"""Landmarks made elsewhere, read from a file: what finds faces if the user knows where they are."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import AnalysisError
from ..imaging.geometry import Points, may_be_face
from ..npz import read_npz
from ..side_files import DAMAGE, FACES_BYTES, in_words, is_missing, read_bytes, read_text, shown
from ..types import Face, Frame
from .following import make_face


@dataclass(slots=True)
class FileFinder:
    """Landmarks made elsewhere, read from a file."""

    faces: dict[int, list[Face]]
    """Faces by frame index."""
    path: Path = Path()
    """Where they come from, for messages."""

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
        if is_missing(path):
            raise AnalysisError(f"landmark file {path} does not exist; give an .npz or .json file")
        readers = {".npz": lambda: _read_npz(path, mesh_to_68), ".json": lambda: _read_json(path)}
        reader = readers.get(path.suffix.lower())
        if reader is None:
            raise AnalysisError(
                f"landmark file {path} has the ending {path.suffix!r}; read are .npz and .json"
            )
        try:
            faces = reader()
        except DAMAGE as e:
            raise AnalysisError(
                f"landmark file {path} cannot be read: {in_words(e)}; accepted: {_ACCEPTED}"
            ) from e
        by_frame: dict[int, list[Face]] = {}
        for face in faces:
            by_frame.setdefault(face.frame_index, []).append(face)
        return cls(by_frame, path)

    def prepare(self, frame: Frame, *, may_be_cut: bool = False) -> None:
        """Do nothing."""

    def find(self, frames: Sequence[Frame], previous: Sequence[Face]) -> list[list[Face]]:
        """Return the file's faces of each frame; what the frames show is not looked at."""
        for frame in frames:
            for face in self.faces.get(frame.index, []):
                if not may_be_face(face.landmarks, (frame.width, frame.height)):
                    raise AnalysisError(
                        f"landmark file {self.path}: the face in frame {frame.index} reaches "
                        f"{shown(face.box.tolist())}, which is no place about a frame of "
                        f"{frame.width}x{frame.height} px; are its numbers pixels?"
                    )
        return [list(self.faces.get(frame.index, [])) for frame in frames]


_ACCEPTED = "`points` (T, 68, 2) in .npz, or a list `faces` with `frame` and `landmarks` in .json"
_UNREADABLE = "cannot read the landmark file"
_MOST_PX = 1 << 20
"""No coordinate of any video lies beyond it."""


def _read_npz(path: Path, mesh_to_68: Sequence[int]) -> list[Face]:
    data = read_bytes(path, _UNREADABLE, most=FACES_BYTES, error=AnalysisError)
    arrays = read_npz(io.BytesIO(data), most=FACES_BYTES, names=("points", "found"))
    points = arrays["points"]
    if points.ndim != 3 or points.shape[1] not in (68, 468, 478) or points.shape[2] < 2:
        raise ValueError(f"points must be (T, 68, 2) or (T, 478, 2+), got {points.shape}")
    has_face = arrays.get("found", np.ones(len(points), bool)).astype(bool)
    if has_face.shape != (len(points),):
        raise ValueError(f"found must be ({len(points)},), got {has_face.shape}")
    vertices = slice(None) if points.shape[1] == 68 else list(mesh_to_68)
    with np.errstate(over="ignore"):  # infinite then, and so not found
        points = points[:, vertices, :2].astype(np.float32)
    has_face &= np.isfinite(points).all(axis=(1, 2))
    return [make_face(int(t), _checked(points[t], int(t)), 1.0) for t in np.flatnonzero(has_face)]


def _read_json(path: Path) -> list[Face]:
    content = json.loads(read_text(path, _UNREADABLE, most=FACES_BYTES, error=AnalysisError))
    faces = []
    for k, entry in enumerate(content["faces"]):
        with np.errstate(over="ignore"):
            points = np.asarray(entry["landmarks"], np.float32)
        if points.shape != (68, 2) or not np.isfinite(points).all():
            raise ValueError(
                f"faces[{k}].landmarks must be 68 pairs of numbers, got shape {points.shape}"
            )
        frame, score = int(entry["frame"]), float(entry.get("score", 1.0))
        if frame < 0 or not math.isfinite(score):
            raise ValueError(f"faces[{k}] has frame {shown(frame)} and score {score}")
        faces.append(make_face(frame, _checked(points, frame), score))
    return faces


def _checked(points: Points, frame: int) -> Points:
    """Return points (68, 2), if they are spread over something that may be a face."""
    if np.abs(points).max() > _MOST_PX:
        raise ValueError(f"the landmarks of frame {frame} reach {np.abs(points).max():.3g} px")
    if np.ptp(points, axis=0).min() < 1.0:
        raise ValueError(f"the landmarks of frame {frame} lie on one spot or line")
    return points
