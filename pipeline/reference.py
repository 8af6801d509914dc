"""Choosing faces by a picture of the person: `--faces reference:PICTURE`."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from .config import AnalyzeOptions
from .errors import InputError
from .imaging.color import frame_of_rgb
from .imaging.geometry import face_size
from .imaging.picture_size import picture_size
from .loading import load_finder
from .side_files import DAMAGE, PICTURE_BYTES, in_words, read_bytes
from .tracking.appearance import Descriptor, describe

MOST_PIXELS = 1 << 27
"""Of a reference picture; what a header claims beyond it is refused before it is decoded."""
CLEARLY_LARGER = 2.0
"""A face is the one a picture is of if it is this many times as large as any other in it."""


def describe_person(picture: Path, device: torch.device) -> Descriptor:
    """Return the descriptor of the one face in a picture; far smaller ones behind it are ignored.

    Raises:
        InputError: the file is not a picture that OpenCV reads, shows no face, or shows several
            and does not say whom it means.
    """
    image = _decoded(picture)
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


def _decoded(picture: Path) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB."""
    data = read_bytes(
        picture, "cannot read the reference picture", most=PICTURE_BYTES, error=InputError
    )
    try:
        width, height = picture_size(data)
        if width * height > MOST_PIXELS:
            raise InputError(
                f"the reference picture {picture} has {width}x{height} px; accepted are up to "
                f"{MOST_PIXELS / 1e6:.0f} million pixels. Scale it down, or cut out the face"
            )
        # OpenCV takes some damaged files for none, and raises at others.
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if decoded is None:
            raise ValueError("what it holds is damaged")
        return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)
    except (*DAMAGE, cv2.error) as e:
        raise InputError(
            f"{picture} is not a picture that can be read ({in_words(e)}); accepted: PNG, JPEG, "
            "TIFF, WebP, BMP"
        ) from e
