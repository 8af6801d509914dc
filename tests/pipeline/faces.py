"""Synthetic faces, frames and pictures that several tests need."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.imaging.geometry import landmark_box
from pipeline.types import Face, Frame, PixelEncoding

Floats = NDArray[np.float64]


def drawn_face(centre: tuple[float, float] = (0.0, 0.0), eyes: float = 100.0) -> Floats:
    """(68, 2) a frontal face: `eyes` px between the outer corners, their middle at `centre`."""
    angle = np.linspace(np.pi, 0, 17)
    jaw = np.column_stack([0.76 * np.cos(angle), 0.12 + 1.05 * np.sin(angle) ** 1.3])
    arc = np.array([0.0, -0.06, -0.08, -0.07, -0.03])
    brows = [np.column_stack([x, -0.22 + arc]) for x in (np.linspace(-0.6, -0.14, 5),)]
    brows.append(brows[0][::-1] * (-1, 1))
    bridge = np.column_stack([np.zeros(4), np.linspace(0.0, 0.36, 4)])
    base = np.column_stack([np.linspace(-0.18, 0.18, 5), [0.46, 0.49, 0.51, 0.49, 0.46]])
    eye = np.array(
        [[-0.5, 0], [-0.4, -0.06], [-0.28, -0.06], [-0.18, 0], [-0.28, 0.05], [-0.4, 0.05]]
    )
    left = eye[[3, 2, 1, 0, 5, 4]] * (-1, 1)
    around = np.linspace(np.pi, -np.pi, 13)[:-1]
    outer = np.column_stack([0.28 * np.cos(around), 0.76 - 0.11 * np.sin(around)])
    around = np.linspace(np.pi, -np.pi, 9)[:-1]
    inner = np.column_stack([0.2 * np.cos(around), 0.76 - 0.03 * np.sin(around)])
    face = np.concatenate([jaw, *brows, bridge, base, eye, left, outer, inner])
    assert face.shape == (68, 2)
    return face * eyes + np.asarray(centre)


def found(index: int, points: Floats, score: float = 0.9) -> Face:
    """A detection with these landmarks."""
    return Face(index, landmark_box(points), points.astype(np.float32), score)


def look(person: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """A descriptor of somebody's looks: people differ by about 1."""
    vector = np.zeros(8, np.float32)
    vector[person] = 0.75
    return vector + 0.02 * rng.normal(size=8).astype(np.float32)


def natural(size: int, count: int = 1, *, seed: int = 0, slope: float = 2.0) -> Tensor:
    """(count, 3, size, size) pictures with the spectrum of photographs, about [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    f = torch.fft.fftfreq(size)
    radius = (f[:, None] ** 2 + f[None] ** 2).sqrt()
    radius[0, 0] = 1.0 / size
    noise = torch.fft.fft2(torch.randn(count, 3, size, size, generator=generator))
    picture = torch.fft.ifft2(noise / radius**slope).real
    picture -= picture.mean((2, 3), keepdim=True)
    return (0.3 * picture / picture.std((2, 3), keepdim=True)).clamp(-1, 1)


def gray_frame(index: int, picture: NDArray[np.uint8]) -> Frame:
    """A frame without chroma, full range: sample / 255 is every channel of its RGB."""
    return Frame(index, index, 1, (picture,), PixelEncoding("gray", 8, "gray", full_range=True))


def rgb_frame(index: int, picture: NDArray[np.uint8]) -> Frame:
    """A planar RGB frame of an (H, W, 3) picture: no colour conversion in the way."""
    planes = tuple(np.ascontiguousarray(picture[..., c]) for c in (1, 2, 0))
    return Frame(index, index, 1, planes, PixelEncoding("gbrp", 8, "rgb", full_range=True))
