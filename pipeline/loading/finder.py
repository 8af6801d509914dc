"""What finds faces and landmarks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..config import LANDMARKERS, AnalyzeOptions
from ..errors import UsageError
from ..imaging.color import rgb_levels_matrix, subsampling
from ..side_files import is_missing
from ..tracking.detect import DetectOptions, EmbeddedFinder, FaceAlignmentFinder, FaceFinder
from ..tracking.detector import Boxes
from ..tracking.following import LandmarkEstimate, Points
from ..tracking.landmark_files import FileFinder
from ..types import Frame
from .device import multiplies_bf16
from .seam import card, models, weights_errors


def load_finder(options: AnalyzeOptions, device: torch.device, *, rate: float) -> FaceFinder:
    """Return what finds faces and landmarks: the embedded network, face-alignment, or a file.

    `rate`: frames per second of the clip.

    Raises:
        WeightsError: the weights are missing or damaged.
        UsageError: neither a known name nor a file.
        AnalysisError: the file holds no landmarks.
    """
    if options.landmarks == "embedded":
        every = max(1, round(options.detect_every_s * rate))
        facts = card("landmarks")
        dtype = torch.bfloat16 if multiplies_bf16(device) else torch.float32
        cascade = _cascade(facts.path, facts.sha256, device, dtype)
        return EmbeddedFinder(FrameLandmarks(cascade), DetectOptions(every=every))
    if options.landmarks == "face-alignment":
        return FaceAlignmentFinder.load(str(device))
    path = Path(options.landmarks)
    if is_missing(path):
        raise UsageError(
            f"--landmarks {options.landmarks!r} is neither a known name nor a file; accepted: "
            f"{', '.join(LANDMARKERS)}, or the path of a landmark file"
        )
    return FileFinder.load(path, mesh_to_68=models.topology68.MESH_TO_68)


@lru_cache(maxsize=2)
def _cascade(
    path: Path, sha256: str, device: torch.device, dtype: torch.dtype
) -> models.landmarks.LandmarkCascade:
    """Return the embedded networks: read once for all clips of a process, never written to.

    Raises:
        WeightsError: the weights are missing or damaged.
    """
    with weights_errors():
        cascade = models.landmarks.LandmarkCascade.load(path, expected_sha256=sha256)
    return cascade.to(device).frozen(dtype)


class FrameLandmarks:
    """The landmark cascade, looking at frames: only crops of faces become RGB."""

    def __init__(self, cascade: models.landmarks.LandmarkCascade) -> None:
        self._cascade = cascade

    def from_boxes(self, frames: Sequence[Frame], boxes: Boxes) -> LandmarkEstimate:
        """Return the landmarks of faces first seen; see `Landmarker`."""
        return self._cascade.from_boxes([planes_of(frame) for frame in frames], boxes)

    def from_points(self, frames: Sequence[Frame], points: Points) -> LandmarkEstimate:
        """Return the landmarks of faces seen shortly before; see `Landmarker`."""
        return self._cascade.from_points([planes_of(frame) for frame in frames], points)

    def glance(self, frames: Sequence[Frame], points: Points) -> tuple[Points, NDArray[np.float32]]:
        """Return about where faces are that were seen shortly before; see `Landmarker`."""
        return self._cascade.glance([planes_of(frame) for frame in frames], points)


def planes_of(frame: Frame) -> models.landmarks.Planes:
    """Return a frame as the landmark cascade takes it; nothing is copied."""
    return models.landmarks.Planes(
        frame.planes[: 3 if len(frame.planes) >= 3 else 1],
        subsampling(frame),
        rgb_levels_matrix(frame.encoding),
    )


def finder_hash(options: AnalyzeOptions) -> str:
    """Return the SHA-256 of the embedded landmark weights if they are what is used, else ''."""
    return card("landmarks").sha256 if options.landmarks == "embedded" else ""
