"""Crops as FFHQ was aligned, by Pillow's arithmetic: published encoders were trained on such."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.imaging import resample
from pipeline.imaging.geometry import Points


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
    sampled = resample._sample(image.astype(np.float32), x - 0.5, y - 0.5, "linear", "replicate")
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
