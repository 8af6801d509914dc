"""Faces that a user points to: `--faces reference:PICTURE`, `--exemplar FILE`."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from .config import AnalyzeOptions
from .errors import InputError, reason
from .imaging.color import frame_of_rgb
from .imaging.geometry import face_size
from .imaging.picture_size import picture_size
from .loading import load_finder
from .media.opening import open_source
from .request import Exemplar
from .side_files import DAMAGE, PICTURE_BYTES, in_words, read_bytes
from .tracking.appearance import Descriptor, describe
from .types import Frame

Points = NDArray[np.float32]

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
    image = _decoded(picture, "reference picture")
    points = _face_in(frame_of_rgb(image), f"the reference picture {picture}", device)
    return describe(image, points)


class Exemplars:
    """The exemplars of a session: each is read, and its face looked for, once."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._faces: dict[Exemplar, tuple[Frame, Points, float]] = {}
        self._digests: dict[Path, str] = {}

    def face(self, exemplar: Exemplar) -> tuple[Frame, Points, float]:
        """Return the frame it is in, its landmarks (68, 2), and the frame's pixel aspect.

        Raises:
            InputError: no picture and no clip, or no face is there, or several and none is named.
        """
        if exemplar not in self._faces:
            self._faces[exemplar] = _face_of(exemplar, self._device)
        return self._faces[exemplar]

    def digest(self, exemplar: Exemplar) -> object:
        """Return what tells it from all others (a JSON value).

        Raises:
            InputError: its file cannot be read.
        """
        return [self.sha256(exemplar), exemplar.frame, exemplar.face]

    def sha256(self, exemplar: Exemplar) -> str:
        """Return the SHA-256 of its file.

        Raises:
            InputError: the file cannot be read.
        """
        path = exemplar.path
        if path not in self._digests:
            try:
                with path.open("rb") as file:
                    self._digests[path] = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as e:
                raise InputError(f"cannot read the exemplar {path}: {reason(e)}") from e
        return self._digests[path]


def _face_of(exemplar: Exemplar, device: torch.device) -> tuple[Frame, Points, float]:
    name = f"the exemplar {exemplar.path}"
    if exemplar.path.suffix.lower() in _PICTURES:
        frame, aspect = frame_of_rgb(_decoded(exemplar.path, "exemplar")), 1.0
    else:
        source = open_source(exemplar.path)
        source.check_frame(exemplar.frame)
        with source.frames(exemplar.frame, exemplar.frame + 1) as reading:
            frame = next(iter(reading))
        aspect, name = float(source.info.pixel_aspect), f"frame {exemplar.frame} of {name}"
    return frame, _face_in(frame, name, device, exemplar.face), aspect


def _face_in(frame: Frame, name: str, device: torch.device, number: int | None = None) -> Points:
    """Return the landmarks of the N-th face from the left, or of the one that is meant."""
    finder = load_finder(AnalyzeOptions(), device, rate=1.0)
    faces = sorted(finder.find([frame], [])[0], key=lambda face: float(face.landmarks[:, 0].mean()))
    if not faces:
        raise InputError(f"no face found in {name}; use a frontal one")
    if number is not None:
        if number >= len(faces):
            raise InputError(f"{name} shows {len(faces)} face(s); N counts from 0")
        return faces[number].landmarks
    sizes = face_size(np.stack([face.landmarks for face in faces]).astype(np.float64))
    rivals = int((sizes > sizes.max() / CLEARLY_LARGER).sum())
    if rivals > 1:
        middles = (face.landmarks.mean(axis=0).round().astype(int) for face in faces)
        places = ", ".join(f"{n} at {x},{y} px" for n, (x, y) in enumerate(middles))
        raise InputError(
            f"{name} shows {rivals} faces of about one size; cut out the one you mean, or choose "
            "it by its number from the left: --faces reference:FRAME:N, --exemplar FILE@FRAME:N "
            f"({places})"
        )
    return faces[int(sizes.argmax())].landmarks


_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")


def _decoded(picture: Path, what: str) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB."""
    data = read_bytes(picture, f"cannot read the {what}", most=PICTURE_BYTES, error=InputError)
    try:
        width, height = picture_size(data)
        if width * height > MOST_PIXELS:
            raise InputError(
                f"the {what} {picture} has {width}x{height} px; accepted are up to "
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
