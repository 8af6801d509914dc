"""Choosing faces by a picture of the person: `--faces reference:PICTURE`."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from .config import AnalyzeOptions
from .errors import InputError
from .imaging.appearance import Descriptor, describe
from .imaging.color import frame_of_rgb
from .imaging.geometry import face_size
from .loading import load_finder

CLEARLY_LARGER = 2.0
"""A face is the one a picture is of if it is this many times as large as any other in it."""


def describe_person(picture: Path, device: torch.device) -> Descriptor:
    """Return the descriptor of the one face in a picture; far smaller ones behind it are ignored.

    Raises:
        InputError: the file is not a picture that OpenCV reads, shows no face, or shows several
            and does not say whom it means.
    """
    try:
        data = np.frombuffer(picture.read_bytes(), np.uint8)
    except OSError as e:
        raise InputError(f"cannot read the reference picture {picture}: {e}") from e
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if decoded is None:
        raise InputError(f"{picture} is not a picture; accepted: PNG, JPEG, TIFF, WebP")
    image = np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)
    finder = load_finder(AnalyzeOptions(), device, rate=1.0)
    found = finder.find([frame_of_rgb(image)], [])[0]
    if not found:
        raise InputError(f"no face found in the reference picture {picture}; use a frontal one")
    sizes = face_size(np.stack([face.landmarks for face in found]).astype(np.float64))
    rivals = int((sizes > sizes.max() / CLEARLY_LARGER).sum())
    if rivals > 1:
        raise InputError(
            f"the reference picture {picture} shows {rivals} faces of about one size; cut out the "
            "one you mean, or choose by --faces reference:FRAME:N"
        )
    return describe(image, found[int(sizes.argmax())].landmarks)
