"""What finds faces and landmarks."""

from __future__ import annotations

from pathlib import Path

import torch

from ..config import AnalyzeOptions
from ..errors import UsageError
from ..stages.detect import (
    DetectOptions,
    EmbeddedFinder,
    FaceAlignmentFinder,
    FaceFinder,
    FileFinder,
)
from .device import multiplies_bf16
from .seam import card, models, weights_errors


def load_finder(options: AnalyzeOptions, device: torch.device, *, rate: float) -> FaceFinder:
    """Return what finds faces and landmarks: the embedded network, face-alignment, or a file.

    Args:
        options: which, and how often a full detection runs.
        device: where the network runs.
        rate: frames per second of the clip.

    Raises:
        WeightsError: the weights are missing or damaged.
        UsageError: neither a known name nor a file.
        AnalysisError: the file holds no landmarks.
    """
    if options.landmarks == "embedded":
        facts = card("landmarks")
        with weights_errors():
            cascade = models("landmarks").LandmarkCascade.load(
                facts.path, expected_sha256=facts.sha256
            )
        every = max(1, round(options.detect_every_s * rate))
        dtype = torch.bfloat16 if multiplies_bf16(device) else torch.float32
        cascade = cascade.to(device).frozen(dtype)
        return EmbeddedFinder(cascade, DetectOptions(every=every))
    if options.landmarks == "face-alignment":
        return FaceAlignmentFinder.load(str(device))
    path = Path(options.landmarks)
    if not path.is_file():
        raise UsageError(
            f"--landmarks {options.landmarks!r} is neither a known name nor a file; accepted: "
            "embedded, face-alignment, or the path of a landmark file"
        )
    return FileFinder.load(path, mesh_to_68=models("topology68").MESH_TO_68)


def finder_hash(options: AnalyzeOptions) -> str:
    """Return the SHA-256 of the embedded landmark weights if they are what is used, else ''."""
    return card("landmarks").sha256 if options.landmarks == "embedded" else ""
