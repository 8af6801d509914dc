"""Choosing faces by a picture of the person: `--faces reference:PICTURE`."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from .config import AnalyzeOptions
from .errors import InputError
from .imaging.appearance import Descriptor, describe
from .loading import load_finder


def picture_of(faces: str) -> Path | None:
    """Return the picture that a face selection names, or None if it names none."""
    name, _, rest = faces.strip().partition(":")
    is_frame = rest.partition(":")[0].isdecimal()
    return Path(rest) if name.lower() == "reference" and rest and not is_frame else None


def describe_person(picture: Path, device: torch.device) -> Descriptor:
    """Return the descriptor of the largest face in a picture.

    Raises:
        InputError: the file is not a picture that OpenCV reads, or shows no face.
    """
    try:
        data = np.frombuffer(picture.read_bytes(), np.uint8)
    except OSError as e:
        raise InputError(f"cannot read the reference picture {picture}: {e}") from e
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if decoded is None:
        raise InputError(f"{picture} is not a picture; accepted: PNG, JPEG, TIFF, WebP")
    image = np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)
    found = load_finder(AnalyzeOptions(), device, rate=1.0).find(image, 0, [])
    if not found:
        raise InputError(f"no face found in the reference picture {picture}; use a frontal one")
    largest = max(found, key=lambda f: float((f.box[2] - f.box[0]) * (f.box[3] - f.box[1])))
    return describe(image, largest.landmarks)
