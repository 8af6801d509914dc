"""Whether a drawn face is still the same person, told by recognisers that never saw a turntable."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..arcface import Identity, load
from ..parts import tensors_of
from ..reading.checkpoint import read_checkpoint
from ..reading.unwrapping import unwrapped
from ..recognition import open_recogniser, packaged_file
from .views import COLOUR_SIDE, YAWS, Views

_EYES_256: Final = ((96.0, 120.2), (159.3, 120.2))
"""Where eyes lie in FFHQ-aligned pictures of 256 px: means over the 1,004 faces of data/omi."""
_SIDE: Final = 256


class Recogniser(Protocol):
    """Describes faces so that pictures of one person are near each other."""

    name: str

    def described(self, images: Tensor) -> Tensor:
        """Return descriptions (N, D) of FFHQ-aligned pictures (N, 3, 256, 256) in [-1, 1]."""
        ...


class _ArcFace:
    """A file that the user brought."""

    name = "ArcFace"

    def __init__(self, path: Path) -> None:
        self._net = Identity(load(tensors_of(unwrapped(read_checkpoint(path).content))))

    def described(self, images: Tensor) -> Tensor:
        with torch.inference_mode():
            return torch.cat([self._net.embed(part) for part in torch.split(images, 16)])


class _Resnet:
    """dlib's network, of the extra `identity`."""

    name = "dlib ResNet"

    def __init__(self) -> None:
        self._net = open_recogniser()

    def described(self, images: Tensor) -> Tensor:
        with torch.inference_mode():
            return self._net.described(images)


def recognisers(arcface: Path | None) -> list[Recogniser]:
    """Return ArcFace if its file is given, and dlib's network if its extra is installed.

    Raises:
        ModelError: a file cannot be read, or holds something else.
    """
    found: list[Recogniser] = []
    if arcface is not None:
        found.append(_ArcFace(arcface))
    if packaged_file() is not None:
        found.append(_Resnet())
    return found


class Aligned:
    """Cuts pictures of a turntable as recognisers expect theirs: one similarity for all views."""

    def __init__(self, views: Views) -> None:
        """Take the similarity from where eyes lie on faces seen from the front."""
        left, right = np.asarray(views.eyes[:, YAWS // 2], np.float64).mean(0)
        self._matrix = _similarity(np.array(_EYES_256), np.array([left, right]))

    def __call__(self, levels: Tensor) -> Tensor:
        """Return pictures (N, 3, 256, 256) in [-1, 1] of colour ones (N, 3, 128, 128), 0-255."""
        ticks = torch.arange(_SIDE, dtype=torch.float64)
        y, x = torch.meshgrid(ticks, ticks, indexing="ij")
        matrix = torch.from_numpy(self._matrix)
        places = torch.stack([x, y, torch.ones_like(x)], -1) @ matrix.T
        grid = ((places + 0.5) * (2 / COLOUR_SIDE) - 1).float().expand(len(levels), -1, -1, -1)
        images = levels.float() / 127.5 - 1
        cut = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
        return cut.clamp(-1, 1)


def _similarity(come: NDArray[np.float64], go: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrix (2, 3) that maps two points (2, 2) to two others, turning and scaling."""
    a, b = complex(*(come[1] - come[0])), complex(*(go[1] - go[0]))
    factor = b / a
    turn = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.concatenate([turn, (go[0] - turn @ come[0])[:, None]], 1)
