"""Landmarks made elsewhere, read from a file: what finds faces if the user knows where they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import AnalysisError
from ..imaging.following import make_face
from ..types import Face, Frame


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

    def prepare(self, frame: Frame, *, may_be_cut: bool = False) -> None:
        """Do nothing."""

    def find(self, frames: Sequence[Frame], previous: Sequence[Face]) -> list[list[Face]]:
        """Return the file's faces of each frame; what the frames show is not looked at."""
        return [list(self.faces.get(frame.index, [])) for frame in frames]


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
