"""Pictures made worse, as cameras and codecs do, for recipes that learn from clean faces; how
often and how strongly is the affair of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

_NOISE: Final = np.random.default_rng(0).standard_normal(1 << 18, dtype=np.float32)
"""White noise to cut pieces from; drawing it anew took a fifth of the time of a sample."""


def noise(height: int, width: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return white noise (height, width, 1 or 3), grey as often as coloured, of standard deviation
    1."""
    channels = 1 if rng.random() < 0.5 else 3
    count = height * width * channels
    start = int(rng.integers(len(_NOISE) - count))
    return _NOISE[start : start + count].reshape(height, width, channels)


@dataclass(frozen=True, slots=True)
class Grade:
    """How far light and camera stray from a picture as it is: standard deviations, and bounds."""

    colourless: float
    """Share of pictures without colour."""
    saturation: float
    most_saturated: float
    log_gamma: float
    log_contrast: float
    log_gain: float
    """Of all channels together."""
    log_gains: float
    """Of each channel beside that."""


def regraded(image: NDArray[np.uint8], grade: Grade, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a picture (h, w, 3) RGB with another saturation, gamma, contrast, and gain per
    channel."""
    saturation = 0.0
    if rng.random() >= grade.colourless:
        saturation = float(np.clip(rng.normal(1, grade.saturation), 0, grade.most_saturated))
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    mixed = cv2.addWeighted(image, saturation, grey, 1 - saturation, 0)
    # Gamma, contrast and gain act on single values: one table of 256 entries per channel.
    table = np.linspace(0, 1, 256) ** np.exp(rng.normal(0, grade.log_gamma))
    middle = float(table[grey[::4, ::4, 0]].mean())
    table = (table - middle) * np.exp(rng.normal(0, grade.log_contrast)) + middle
    gains = np.exp(rng.normal(0, grade.log_gain) + rng.normal(0, grade.log_gains, 3))
    levels = np.clip(table[:, None] * gains * 255 + 0.5, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(mixed, levels[None]), np.uint8)


def motion_blurred(
    image: NDArray[np.uint8], length: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return a picture (h, w, 3) smeared over some pixels, at any turn."""
    kernel = np.zeros((length, length), np.float32)
    middle, turn = (length - 1) / 2, rng.uniform(0, np.pi)
    dx, dy = np.cos(turn) * middle, np.sin(turn) * middle
    start = (round(middle - dx), round(middle - dy))
    cv2.line(kernel, start, (round(middle + dx), round(middle + dy)), 1.0)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)


def compressed(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Return a picture (h, w, 3) RGB as it comes out of JPEG at a quality of 0-100."""
    _, coded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(decoded[..., ::-1])
