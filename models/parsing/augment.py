"""Random changes of training squares: what cameras, light, codecs and places do to a face."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..training.degrading import Grade, compressed, motion_blurred, noise, regraded
from .layers import Bytes, Floats, Rng, any_colour, clouds, grid_of

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Jitter:
    """How far the place of a square strays from what landmarks say."""

    turn_rad: float = 0.2
    """Standard deviation."""
    turn_wide_rad: float = 0.8
    """Half-width, of one in ten."""
    log_scale: float = 0.27
    """Half-width: 0.76 to 1.31."""
    shift: float = 0.07
    """Half-width, in sides."""
    squeeze: float = 0.16
    """Half-width of the logarithm of width over height: a turned head is narrower."""
    shear: float = 0.05
    """Standard deviation."""


def view(jitter: Jitter, rng: Rng) -> Matrix:
    """Return a (2, 3) map of square coordinates [-1, 1] to those of the square as landmarks give
    it."""
    turn = rng.normal(0, jitter.turn_rad)
    if rng.random() < 0.1:
        turn = rng.uniform(-jitter.turn_wide_rad, jitter.turn_wide_rad)
    scale = np.exp(rng.uniform(-jitter.log_scale, jitter.log_scale))
    squeeze = np.exp(rng.uniform(-jitter.squeeze, jitter.squeeze) / 2)
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    linear = np.array([[c, -s], [s, c]]) @ np.array(
        [[squeeze, rng.normal(0, jitter.shear)], [0, 1 / squeeze]]
    )
    if rng.random() < 0.5:
        linear[:, 0] *= -1
    return np.column_stack([linear, rng.uniform(-2, 2, 2) * jitter.shift])


def to_pixels(square_to_unit: Matrix, side: int, size: int) -> Matrix:
    """Return the (2, 3) map of cells of a square of `side` to px of a picture of `size`, from that
    of their coordinates from -1 to 1 between outer edges."""
    linear = square_to_unit[:, :2] * size / side
    # coordinate u lies at px (u + 1) * size / 2 - 0.5
    offset = (square_to_unit[:, 2] + 1) * size / 2 - 0.5 - linear @ np.full(2, (side - 1) / 2)
    return np.column_stack([linear, offset])


def warped(
    picture: Bytes | Floats, matrix: Matrix, side: int, *, outside: int | None = None
) -> Bytes:
    """Return the square of a picture by its map cells → px: bilinear with edges repeated; of label
    maps the nearest, `outside` beyond."""
    if outside is None:
        flags, border, value = cv2.INTER_LINEAR, cv2.BORDER_REPLICATE, 0
    else:
        flags, border, value = cv2.INTER_NEAREST, cv2.BORDER_CONSTANT, outside
    return np.asarray(
        cv2.warpAffine(
            picture,
            matrix,
            (side, side),
            flags=flags | cv2.WARP_INVERSE_MAP,
            borderMode=border,
            borderValue=value,
        )
    )


def backdrop(side: int, texture: Bytes, rng: Rng) -> Floats:
    """Return a background (side, side, 3), levels 0-255: flat, sloping, gridded, shelved, blurred
    or `texture` itself (side, side, 3)."""
    kind = rng.random()
    x, y = grid_of(side)
    if kind < 0.35:
        sigma = rng.uniform(0.1, 8)
        return np.asarray(cv2.GaussianBlur(texture, (0, 0), sigma), np.float32)
    first, second = any_colour(rng), any_colour(rng)
    turn = rng.uniform(0, 2 * np.pi)
    slope = (x * np.cos(turn) + y * np.sin(turn)) / side
    if kind < 0.55:
        share = (0.5 + rng.uniform(0, 0.7) * slope).clip(0, 1)
    elif kind < 0.8:
        pitch = rng.uniform(0.04, 0.4)
        across = (y * np.cos(turn) - x * np.sin(turn)) / side
        share = (np.sin(slope * 2 * np.pi / pitch) > rng.uniform(-0.8, 0.9)).astype(np.float32)
        if rng.random() < 0.5:
            other = np.sin(across * 2 * np.pi / (pitch * rng.uniform(0.5, 3))) > 0.6
            share = np.maximum(share, other.astype(np.float32))
    else:
        share = (0.5 + 0.4 * clouds(side, int(rng.integers(2, 40)), rng)).clip(0, 1)
    return np.asarray(first + share[..., None] * (second - first), np.float32)


def degraded(picture: Floats, rng: Rng) -> Bytes:
    """Return a picture (side, side, 3) of levels 0-255 as a camera and a codec might leave it."""
    x = np.asarray(picture.clip(0, 255) + 0.5).astype(np.uint8)
    if rng.random() < 0.1:
        return x
    x = _relit(x, rng)
    if rng.random() < 0.3:
        x = _blurred(x, rng)
    if rng.random() < 0.35:
        x = _shrunk(x, rng)
    if rng.random() < 0.4:
        x = _noisy(x, rng)
    if rng.random() < 0.4:
        x = compressed(x, int(rng.integers(12, 90)))
    return x


_GRADE = Grade(0.08, 0.3, 1.7, log_gamma=0.35, log_contrast=0.2, log_gain=0.2, log_gains=0.1)


def _relit(x: Bytes, rng: Rng) -> Bytes:
    """Another grade, and light or shadow falling from one side."""
    y = regraded(x, _GRADE, rng)
    if rng.random() < 0.4:
        y = _lit_from_a_side(y, rng)
    return y


def _lit_from_a_side(x: Bytes, rng: Rng) -> Bytes:
    side = len(x)
    px, py = grid_of(side)
    turn, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 1.0)
    slope = (np.cos(turn) * (px / side - 0.5) + np.sin(turn) * (py / side - 0.5)) * 2
    if rng.random() < 0.3:
        slope = np.tanh(slope * rng.uniform(2, 8) + rng.normal(0, 0.5))
    colour = 1 + rng.normal(0, 0.25, 3) * (rng.random() < 0.3)
    light = np.exp(strength * slope)[..., None] * colour
    return np.asarray((x * light).clip(0, 255), np.uint8)


def _noisy(x: Bytes, rng: Rng) -> Bytes:
    h, w = x.shape[:2]
    added = noise(h, w, rng)
    if rng.random() < 0.4:
        added = cv2.GaussianBlur(added, (0, 0), rng.uniform(0.5, 1.2)).reshape(added.shape) * 2
    return np.asarray((x + added * np.float32(rng.uniform(1, 14))).clip(0, 255), np.uint8)


def _blurred(x: Bytes, rng: Rng) -> Bytes:
    if rng.random() < 0.55:
        return np.asarray(cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 2.6)), np.uint8)
    return motion_blurred(x, int(rng.integers(3, 13)), rng)


def _shrunk(x: Bytes, rng: Rng) -> Bytes:
    """Fewer pixels, enlarged again: faces of 25 px between the eyes and less."""
    side = len(x)
    small = max(36, round(side * rng.uniform(0.22, 0.85)))
    y = cv2.resize(x, (small, small), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.4:
        y = compressed(np.asarray(y, np.uint8), int(rng.integers(25, 90)))
    back = cv2.INTER_LINEAR if rng.random() < 0.6 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(y, (side, side), interpolation=back), np.uint8)
