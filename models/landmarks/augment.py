"""Random changes of training crops: what cameras, codecs and hands do to a face."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..training.degrading import Grade, compressed, motion_blurred, noise, regraded
from .crops import Matrix

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Jitter:
    """Half-widths of the random change of a crop's place."""

    turn_rad: float
    log_scale: float
    shift: float
    """In crop widths."""


WIDE = Jitter(turn_rad=0.79, log_scale=0.24, shift=0.10)
"""What a detector's box gives: any roll to 45 degrees, size within 0.79-1.27."""
TIGHT = Jitter(turn_rad=0.17, log_scale=0.10, shift=0.04)
"""What tracking or a first pass gives."""


def jitter_crop(
    crop: Matrix, size: tuple[int, int], jitter: Jitter, rng: np.random.Generator
) -> Matrix:
    """Return a crop_to_image near `crop`: turned, scaled, shifted, squeezed, sheared."""
    turn = rng.uniform(-1, 1) * jitter.turn_rad
    scale = np.exp(rng.uniform(-1, 1) * jitter.log_scale)
    squeeze = np.exp(rng.normal(0, 0.03))
    c, s = np.cos(turn) * scale, np.sin(turn) * scale
    linear = np.array([[c, -s], [s, c]]) @ np.array(
        [[squeeze, rng.normal(0, 0.03)], [0, 1 / squeeze]]
    )
    middle = np.array([(size[0] - 1) / 2, (size[1] - 1) / 2])
    shift = rng.uniform(-1, 1, 2) * jitter.shift * size[0]
    local = np.column_stack([linear, middle + shift - linear @ middle])
    joined: Matrix = crop[:, :2] @ local
    joined[:, 2] += crop[:, 2]
    return joined


def degrade(image: Image, others: list[Image], rng: np.random.Generator) -> Image:
    """Return the crop (h, w, 3) uint8 RGB, worse; `others` supply pieces to cover it with."""
    x = image
    if rng.random() < 0.15:
        return x
    if rng.random() < 0.3:
        x = _occlude(x, others, rng)
    x = _relight(x, rng)
    if rng.random() < 0.3:
        x = _blur(x, rng)
    if rng.random() < 0.3:
        x = _lower_resolution(x, rng)
    if rng.random() < 0.4:
        x = _add_noise(x, rng)
    if rng.random() < 0.4:
        x = compressed(x, int(rng.integers(15, 90)))
    return x


_GRADE = Grade(0.05, 0.25, 1.6, log_gamma=0.3, log_contrast=0.15, log_gain=0.16, log_gains=0.07)


def _relight(x: Image, rng: np.random.Generator) -> Image:
    """Another grade, and a light falling from one side."""
    y = regraded(x, _GRADE, rng)
    if rng.random() < 0.35:
        h, w = y.shape[:2]
        angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.8)
        u = np.exp(strength * np.cos(angle) * np.linspace(-1, 1, w, dtype=np.float32))
        v = np.exp(strength * np.sin(angle) * np.linspace(-1, 1, h, dtype=np.float32))
        y = np.asarray(np.minimum(y * (v[:, None] * u[None, :])[..., None], 255), np.uint8)
    return y


def _add_noise(x: Image, rng: np.random.Generator) -> Image:
    h, w = x.shape[:2]
    added = noise(h, w, rng)
    return np.asarray(np.clip(x + added * np.float32(rng.uniform(1, 12)), 0, 255), dtype=np.uint8)


def _blur(x: Image, rng: np.random.Generator) -> Image:
    if rng.random() < 0.6:
        sigma = rng.uniform(0.4, 0.018 * x.shape[1])
        return np.asarray(cv2.GaussianBlur(x, (0, 0), sigma), dtype=np.uint8)
    return motion_blurred(x, int(rng.integers(3, 10)), rng)


def _lower_resolution(x: Image, rng: np.random.Generator) -> Image:
    h, w = x.shape[:2]
    k = rng.uniform(0.3, 0.8)
    small = cv2.resize(x, (max(8, int(w * k)), max(8, int(h * k))), interpolation=cv2.INTER_AREA)
    back = cv2.INTER_LINEAR if rng.random() < 0.5 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(small, (w, h), interpolation=back), dtype=np.uint8)


def _occlude(x: Image, others: list[Image], rng: np.random.Generator) -> Image:
    """Cover a part: flat rectangle, skin-coloured blob, piece of another picture, bar."""
    h, w = x.shape[:2]
    mask = np.zeros((h, w), np.uint8)
    centre = (int(rng.uniform(0, w)), int(rng.uniform(0, h)))
    radius = rng.uniform(0.06, 0.3, 2) * min(w, h)
    kind = rng.random()
    axes = (max(1, int(radius[0])), max(1, int(radius[1])))
    if kind < 0.5:
        cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 255, -1)
    elif kind < 0.8:
        corner = (centre[0] + 2 * axes[0], centre[1] + 2 * axes[1])
        cv2.rectangle(mask, centre, corner, 255, -1)
    else:
        end = (int(rng.uniform(0, w)), int(rng.uniform(0, h)))
        cv2.line(mask, centre, end, 255, int(rng.integers(2, max(3, w // 10))))
    if rng.random() < 0.5:
        cover = cv2.resize(others[int(rng.integers(len(others)))], (w, h))
        cover = np.roll(cover, int(rng.integers(w)), axis=1)
    else:
        tone = (
            rng.uniform(0, 255, 3)
            if rng.random() < 0.5
            else x[h // 2, w // 2] * rng.uniform(0.6, 1.3)
        )
        cover = np.broadcast_to(np.clip(tone, 0, 255), x.shape)
    alpha = cv2.GaussianBlur(mask, (0, 0), 1.0)[..., None].astype(np.float32) / 255
    return np.asarray(x * (1 - alpha) + cover * alpha, dtype=np.uint8)


def mirror(
    points: NDArray[np.float64], width: int, order: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return (K, 2) points of the mirrored crop of `width` px, renamed by `order` (K,)."""
    flipped = points[order].copy()
    flipped[:, 0] = width - 1 - flipped[:, 0]
    return flipped
