"""Affine resampling of pictures: our own exact one, and a twin of the one FFHQ was made with.

`warp` is what the program uses: Catmull-Rom with a prefilter where the picture shrinks.
`align_ffhq` repeats Pillow's arithmetic, because published encoders were trained on crops made
that way; it exists for parity with them and for tests. Coordinates: see `geometry`.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from .geometry import Affine, Points

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
    if out_to_in[0, 1] == 0 and out_to_in[1, 0] == 0:
        rows = _resize_rows(
            image, out_to_in[1, 1] * np.arange(height) + out_to_in[1, 2], kernel, border
        )
        columns = out_to_in[0, 0] * np.arange(width) + out_to_in[0, 2]
        return _resize_rows(rows.swapaxes(0, 1), columns, kernel, border).swapaxes(0, 1)
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


def _resize_rows(image: Image32, y: NDArray[np.float64], kernel: Kernel, border: Border) -> Image32:
    """(len(y), W, C): the rows at the positions y. Without a turn two such passes are a warp."""
    first = np.floor(y)
    out = np.zeros((len(y), *image.shape[1:]), np.float32)
    for j, weight in enumerate(_taps((y - first).astype(np.float32), kernel)):
        step = j - 1 if kernel == "cubic" else j
        row, inside = _index(first.astype(np.int64) + step, len(image), border)
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


def align_ffhq(
    image: NDArray[np.uint8],
    quad: Points,
    *,
    output_size: int = 256,
    transform_size: int | None = None,
) -> NDArray[np.uint8]:
    """(S, S, 3) uint8 crop of `output_size`, within one level of the published FFHQ alignment.

    Args:
        image: (H, W, 3) uint8.
        quad: (4, 2) NW, SW, SE, NE [px], from `geometry.ffhq_quad`.
        transform_size: side of the bilinear crop before the final Lanczos reduction; `output_size`
            (pSp, e4e) when left out, 4096 for the FFHQ data set itself.

    Steps and constants: Karras et al. (2019), appendix A, and the data set's published tool:
    shrink a large face, cut out, pad by reflection with a fading blur, bilinear quad, Lanczos.
    """
    side = transform_size or output_size
    quad = np.asarray(quad, np.float64)
    face_px = float(np.linalg.norm(quad[3] - quad[0]))
    shrink = int(np.floor(face_px / output_size * 0.5))
    if shrink > 1:
        height, width = image.shape[:2]
        image = resize_lanczos(image, (int(np.rint(width / shrink)), int(np.rint(height / shrink))))
        quad, face_px = quad / shrink, face_px / shrink
    image, quad = _cut(image, quad, face_px)
    image, quad = _pad(image, quad, face_px)
    crop = _quad_bilinear(image, quad + 0.5, side)
    return crop if side == output_size else resize_lanczos(crop, (output_size, output_size))


def _bounds(quad: Points) -> tuple[int, int, int, int]:
    low, high = np.floor(quad.min(0)), np.ceil(quad.max(0))
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _margin(face_px: float) -> int:
    return max(int(np.rint(face_px * 0.1)), 3)


def _cut(
    image: NDArray[np.uint8], quad: Points, face_px: float
) -> tuple[NDArray[np.uint8], Points]:
    """The picture near the quad, and the quad in it."""
    height, width = image.shape[:2]
    border = _margin(face_px)
    x0, y0, x1, y1 = _bounds(quad)
    x0, y0 = max(x0 - border, 0), max(y0 - border, 0)
    return image[y0 : min(y1 + border, height), x0 : min(x1 + border, width)], quad - (x0, y0)


def _pad(
    image: NDArray[np.uint8], quad: Points, face_px: float
) -> tuple[NDArray[np.uint8], Points]:
    """The picture mirrored where the quad leaves it, blurred and faded to its median there."""
    height, width = image.shape[:2]
    border = _margin(face_px)
    x0, y0, x1, y1 = _bounds(quad)
    pad = np.maximum([border - x0, border - y0, x1 - width + border, y1 - height + border], 0)
    if pad.max() <= border - 4:
        return image, quad
    left, top, right, bottom = np.maximum(pad, int(np.rint(face_px * 0.3)))
    grown = np.pad(image.astype(np.float32), ((top, bottom), (left, right), (0, 0)), "reflect")
    height, width = grown.shape[:2]
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    outside = np.maximum(
        1 - np.minimum(x / left, (width - 1 - x) / right),
        1 - np.minimum(y / top, (height - 1 - y) / bottom),
    )[..., None]
    sigma = face_px * 0.02
    from scipy import ndimage  # scipy is slow to load, and few crops reach beyond the picture

    blurred = ndimage.gaussian_filter(grown, (sigma, sigma, 0))
    grown += (blurred - grown) * np.clip(3 * outside + 1, 0, 1)
    grown += (np.median(grown, axis=(0, 1)) - grown) * np.clip(outside, 0, 1)
    return np.clip(np.rint(grown), 0, 255).astype(np.uint8), quad + np.array([left, top])


def _quad_bilinear(image: NDArray[np.uint8], quad: Points, side: int) -> NDArray[np.uint8]:
    """Bilinear view of the quad (pixel edges at integers), black outside, rounded down."""
    nw, sw, se, ne = quad
    u = (np.arange(side) + 0.5)[None, :, None] / side
    v = (np.arange(side) + 0.5)[:, None, None] / side
    position = nw + (ne - nw) * u + (sw - nw) * v + (se - sw - ne + nw) * u * v
    x, y = position[..., 0], position[..., 1]
    height, width = image.shape[:2]
    sampled = _sample(image.astype(np.float32), x - 0.5, y - 0.5, "linear", "replicate")
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    # The small bias keeps whole numbers whole after float32 sums: Pillow sums in double.
    levels: NDArray[np.uint8] = (np.clip(sampled + 1e-3, 0, 255) * inside[..., None]).astype(
        np.uint8
    )
    return levels


def resize_lanczos(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """(h, w, C) uint8 for `size` = (w, h): Lanczos-3 over the pixels it covers, width first."""
    width, height = size
    wide = _lanczos_matrix(image.shape[1], width)
    tall = _lanczos_matrix(image.shape[0], height)
    rows = np.einsum("ij,hjc->hic", wide, image.astype(np.float64), optimize=True)
    rows = np.clip(np.rint(rows), 0, 255)
    out = np.einsum("ij,jwc->iwc", tall, rows, optimize=True)
    levels: NDArray[np.uint8] = np.clip(np.rint(out), 0, 255).astype(np.uint8)
    return levels


def _lanczos_matrix(length: int, out_length: int) -> NDArray[np.float64]:
    """(out_length, length) weights; rows sum to one."""
    scale = length / out_length
    stretch = max(scale, 1.0)
    centre = (np.arange(out_length) + 0.5) * scale
    offset = (np.arange(length) + 0.5 - centre[:, None]) / stretch
    weights = np.where(np.abs(offset) < 3, np.sinc(offset) * np.sinc(offset / 3), 0.0)
    return np.asarray(weights / weights.sum(1, keepdims=True))
