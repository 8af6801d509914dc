"""Affine resampling of pictures: Catmull-Rom with a prefilter where the picture shrinks.

Coordinates: see `geometry`.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from .geometry import Affine

Border = Literal["reflect", "replicate", "zero"]
Kernel = Literal["cubic", "linear"]
Image32 = NDArray[np.float32]
"""(H, W, C) float32."""


def warp(
    image: Image32,
    out_to_in: Affine,
    size: tuple[int, int],
    *,
    kernel: Kernel = "cubic",
    border: Border = "reflect",
    antialias: bool = True,
) -> Image32:
    """The picture seen through `out_to_in`, (h, w, C) float32 for `size` = (w, h).

    Args:
        image: (H, W, C) float32, any range.
        out_to_in: (3, 3) affine, output px → input px.
        kernel: Catmull-Rom (Keys 1981, a = -1/2: exact for quadratics) or linear.
        border: what lies outside the picture; `reflect` mirrors at the centre of the edge pixels.
        antialias: blur first where one output pixel spans more than one input pixel.
    """
    width, height = size
    if antialias:
        image = _prefilter(image, out_to_in, border)
    if out_to_in[0, 1] == 0 == out_to_in[1, 0]:
        x = out_to_in[0, 0] * np.arange(width) + out_to_in[0, 2]
        y = out_to_in[1, 1] * np.arange(height) + out_to_in[1, 2]
        return _sample_axes(image, x, y, kernel, border)
    grid_x, grid_y = np.meshgrid(np.arange(width), np.arange(height))
    x = out_to_in[0, 0] * grid_x + out_to_in[0, 1] * grid_y + out_to_in[0, 2]
    y = out_to_in[1, 0] * grid_x + out_to_in[1, 1] * grid_y + out_to_in[1, 2]
    return _sample(image, x, y, kernel, border)


def _prefilter(image: Image32, out_to_in: Affine, border: Border) -> Image32:
    """Blur so that a pixel of the output sees the input pixels it covers.

    A sampling step of s input pixels wants a total spread of about s/2; the kernel brings 1/2
    itself, and variances add: sigma = ½·√(s² - 1).
    """
    steps = np.linalg.norm(out_to_in[:2, :2], axis=1)
    sigma_x, sigma_y = 0.5 * np.sqrt(np.maximum(steps**2 - 1.0, 0.0))
    if max(sigma_x, sigma_y) < 0.15:
        return image
    mode = {"reflect": cv2.BORDER_REFLECT_101, "replicate": cv2.BORDER_REPLICATE}.get(
        border, cv2.BORDER_CONSTANT
    )
    sigmas = (max(sigma_x, 1e-3), max(sigma_y, 1e-3))
    sizes = tuple(2 * int(np.ceil(3.0 * s)) + 1 for s in sigmas)
    blurred = cv2.GaussianBlur(
        image, sizes, sigmaX=sigmas[0], sigmaY=sigmas[1], borderType=int(mode)
    )
    return np.asarray(blurred, np.float32).reshape(image.shape)


def _sample(
    image: Image32, x: NDArray[np.float64], y: NDArray[np.float64], kernel: Kernel, border: Border
) -> Image32:
    """(h, w, C) values at the input positions x, y (h, w)."""
    x0, y0 = np.floor(x), np.floor(y)
    weights_x = _taps((x - x0).astype(np.float32), kernel)
    weights_y = _taps((y - y0).astype(np.float32), kernel)
    first = -1 if kernel == "cubic" else 0
    height, width, channels = image.shape
    flat = np.ascontiguousarray(image).reshape(-1, channels)
    out = np.zeros((*x.shape, channels), np.float32)
    for j, weight_y in enumerate(weights_y):
        row, row_in = _index(y0.astype(np.int64) + j + first, height, border)
        line = np.zeros_like(out)
        for i, weight_x in enumerate(weights_x):
            column, column_in = _index(x0.astype(np.int64) + i + first, width, border)
            weight = weight_x if border != "zero" else weight_x * (row_in & column_in)
            line += flat[row * width + column] * weight[..., None]
        out += line * weight_y[..., None]
    return out


def _sample_axes(
    image: Image32, x: NDArray[np.float64], y: NDArray[np.float64], kernel: Kernel, border: Border
) -> Image32:
    """As `_sample` where columns and rows are sampled apart: x (w,), y (h,). Its fast twin."""
    rows = _along_rows(image, y, kernel, border)
    columns = _along_rows(np.ascontiguousarray(rows.transpose(1, 0, 2)), x, kernel, border)
    return np.ascontiguousarray(columns.transpose(1, 0, 2))


def _along_rows(image: Image32, at: NDArray[np.float64], kernel: Kernel, border: Border) -> Image32:
    """(len(at), W, C) the picture interpolated between its rows."""
    floor = np.floor(at)
    first = -1 if kernel == "cubic" else 0
    out = np.zeros((len(at), *image.shape[1:]), np.float32)
    for i, weight in enumerate(_taps((at - floor).astype(np.float32), kernel)):
        row, inside = _index(floor.astype(np.int64) + i + first, len(image), border)
        share = weight if border != "zero" else weight * inside
        out += image[row] * share[:, None, None]
    return out


def _taps(t: NDArray[np.float32], kernel: Kernel) -> tuple[NDArray[np.float32], ...]:
    """Weights of the pixels at -1, 0, 1, 2 (cubic) or 0, 1 (linear) for a fraction t in [0, 1)."""
    if kernel == "linear":
        return np.float32(1.0) - t, t
    t2, t3 = t * t, t * t * t
    half = np.float32(0.5)
    return (
        half * (-t3 + 2 * t2 - t),
        half * (3 * t3 - 5 * t2 + 2),
        half * (-3 * t3 + 4 * t2 + t),
        half * (t3 - t2),
    )


def _index(
    i: NDArray[np.int64], length: int, border: Border
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Indices folded into [0, length), and where they lay inside already."""
    inside = (i >= 0) & (i < length)
    if border != "reflect" or length == 1:
        return np.clip(i, 0, length - 1), inside
    period = 2 * (length - 1)
    folded = np.abs(i) % period
    return np.minimum(folded, period - folded), inside
