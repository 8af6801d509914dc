"""Between a frame's own samples and RGB: boxes out, differences back in.

A frame is never converted to RGB and back. What a network sees is a copy; what returns is only the
RGB difference an edit makes, carried linearly into the planes: YUV' = round(YUV + M ΔRGB). Where
the difference is zero the samples stay bit-identical, for every bit depth, range and matrix.

Matrices and ranges follow ITU-T H.273 (clause 8, `MatrixCoefficients`, `VideoFullRangeFlag`).
Chroma is taken to sit at the centre of its block; an edit differs from true siting by at most half
a luma pixel, and unedited samples are not touched at all.
"""

from __future__ import annotations

import dataclasses
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ..types import Box, Frame, PixelEncoding, Plane

Floats = NDArray[np.float32]

LUMA_WEIGHTS: dict[str, tuple[float, float]] = {
    "bt709": (0.2126, 0.0722),
    "bt601": (0.299, 0.114),
    "fcc": (0.30, 0.11),
    "smpte240m": (0.212, 0.087),
    "bt2020": (0.2627, 0.0593),
}
"""(K_R, K_B) of each matrix, ITU-T H.273 table 4; K_G = 1 - K_R - K_B."""


def subsampling(frame: Frame) -> tuple[int, int]:
    """Return how many luma pixels one chroma sample spans, (horizontally, vertically)."""
    if len(frame.planes) < 3:
        return 1, 1
    chroma_h, chroma_w = frame.planes[1].shape
    return _factor(frame.width, chroma_w), _factor(frame.height, chroma_h)


def frame_to_rgb(frame: Frame, box: Box | None = None) -> Floats:
    """Return the RGB picture of a box of a frame, chroma upsampled bilinearly.

    Args:
        frame: any encoding; an alpha plane is ignored.
        box: x0, y0, x1, y1 [px] inside the frame; None is the whole frame.

    Returns:
        (h, w, 3) float32 RGB in [0, 1] (values outside are clipped), non-linear as encoded.

    Raises:
        ValueError: the box is empty or not inside the frame.
    """
    return np.asarray(cv2.merge(list(frame_to_rgb_planes(frame, box))), np.float32)


def frame_to_rgb_planes(
    frame: Frame, box: Box | None = None, *, span: tuple[float, float] = (0.0, 1.0)
) -> Floats:
    """Return what `frame_to_rgb` returns as planes, with black and white at the ends of `span`.

    Returns:
        (3, h, w) float32, clipped to `span`.

    Raises:
        ValueError: the box is empty or not inside the frame.
    """
    x0, y0, x1, y1 = _check_box(frame, box)
    black, white = span
    matrix = _to_rgb_matrix(frame.encoding).astype(np.float64) * (white - black)
    matrix[:, 3] += black
    luma = frame.planes[0][y0:y1, x0:x1].astype(np.float32)
    planes = np.empty((3, *luma.shape), np.float32)
    # The colour is put together where it is small, and meets the luma at full size.
    for row, plane, colour in zip(
        matrix, planes, _colour(frame, matrix, (x0, y0, x1, y1)), strict=True
    ):
        cv2.scaleAdd(luma, float(row[0]), colour, plane)
    return np.clip(planes, black, white, out=planes)


def _colour(frame: Frame, matrix: NDArray[np.float64], box: Box) -> list[Floats]:
    """Return what the planes after the first add to each channel of a box, with the offset."""
    x0, y0, x1, y1 = box
    if len(frame.planes) < 3:
        return [np.full((y1 - y0, x1 - x0), row[3], np.float32) for row in matrix]
    sx, sy = subsampling(frame)
    # One sample more on every side, so that a box equals the same crop of the whole frame.
    left, top = max(0, x0 // sx - 1), max(0, y0 // sy - 1)
    at = (slice(top, (y1 - 1) // sy + 2), slice(left, (x1 - 1) // sx + 2))
    first, second = (plane[at].astype(np.float32) for plane in frame.planes[1:3])
    small = [cv2.addWeighted(first, row[1], second, row[2], row[3]) for row in matrix]
    if sx == sy == 1:
        inside = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
        return [np.asarray(plane[inside], np.float32) for plane in small]
    size = (first.shape[1] * sx, first.shape[0] * sy)
    inside = (slice(y0 - top * sy, y1 - top * sy), slice(x0 - left * sx, x1 - left * sx))
    large = (cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in small)
    return [np.asarray(plane[inside], np.float32) for plane in large]


def frame_to_rgb_reference(frame: Frame, box: Box | None = None) -> Floats:
    """Return what `frame_to_rgb` returns, written out plainly in float64 numpy."""
    x0, y0, x1, y1 = _check_box(frame, box)
    matrix = _to_rgb_matrix(frame.encoding).astype(np.float64)
    samples = [frame.planes[0][y0:y1, x0:x1].astype(np.float64)]
    sx, sy = subsampling(frame)
    chroma = frame.planes[1:3] if len(frame.planes) >= 3 else ()
    for plane in chroma:
        rows, row_weight = _bilinear(np.arange(y0, y1), sy, plane.shape[0])
        cols, col_weight = _bilinear(np.arange(x0, x1), sx, plane.shape[1])
        picture = plane.astype(np.float64)
        lines = picture[rows] * (1 - row_weight)[:, None]
        lines += picture[np.minimum(rows + 1, plane.shape[0] - 1)] * row_weight[:, None]
        right = lines[:, np.minimum(cols + 1, plane.shape[1] - 1)]
        samples.append(lines[:, cols] * (1 - col_weight) + right * col_weight)
    while len(samples) < 3:
        samples.append(np.zeros_like(samples[0]))
    rgb = np.stack(samples, axis=2) @ matrix[:, :3].T + matrix[:, 3]
    return np.clip(rgb, 0.0, 1.0).astype(np.float32)


def frame_to_rgb_small(frame: Frame, long_side: int) -> NDArray[np.uint8]:
    """Return the whole frame (h, w, 3) uint8 RGB, shrunk by area averaging, for detection.

    `long_side`: of the result [px]; a smaller frame keeps its size. Pixels keep their aspect.
    """
    scale = min(1.0, long_side / max(frame.width, frame.height))
    size = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
    planes = frame.planes[:3] if len(frame.planes) >= 3 else frame.planes[:1] * 3
    matrix = rgb_levels_matrix(frame.encoding)
    small = cv2.merge([_resized(plane, size) for plane in planes])
    if frame.encoding.bits == 8:
        # Rounded between the steps, so off by a level at most, in a tenth of the time.
        return np.asarray(cv2.transform(small, matrix), np.uint8)
    rgb = np.asarray(cv2.transform(small.astype(np.float32), matrix), np.float32)
    return np.clip(np.rint(rgb, out=rgb), 0, 255, out=rgb).astype(np.uint8)


def rgb_levels_matrix(encoding: PixelEncoding) -> Floats:
    """Return the (3, 4) affine map from samples, in plane order, to RGB levels 0-255."""
    return _to_rgb_matrix(encoding) * np.float32(255.0)


def frame_of_rgb(picture: NDArray[np.uint8]) -> Frame:
    """Return a frame that holds a picture (H, W, 3) uint8 RGB, level for level."""
    planes = tuple(np.ascontiguousarray(picture[..., channel]) for channel in (1, 2, 0))
    return Frame(0, 0, 0, planes, PixelEncoding("gbrp", 8, "rgb", full_range=True))


def add_rgb_difference(
    frame: Frame, box: Box, difference: Floats, mask: Floats | NDArray[np.bool_]
) -> Frame:
    """Return the frame with an RGB difference carried into its own samples.

    A luma sample changes only where the mask is above 0. A chroma sample changes only if every
    luma pixel it reaches under bilinear upsampling (its block and half a block around) is inside
    the mask, so nothing outside the mask changes in any player that interpolates chroma. The mask
    only opens pixels: the difference is not multiplied by it.

    A sample never ends further outside the studio range than it began, nor outside its bit depth.

    Args:
        frame: the frame; it is not changed, and planes without a change are shared with it.
        box: x0, y0, x1, y1 [px] inside the frame.
        difference: (h, w, 3) float32, edited minus unedited RGB in units of [0, 1].
        mask: (h, w) float or bool; above 0 where pixels may change.

    Raises:
        ValueError: the box is not inside the frame, or shapes do not match it.
    """
    x0, y0, x1, y1 = _check_box(frame, box)
    shape = (y1 - y0, x1 - x0)
    if difference.shape != (*shape, 3) or mask.shape != shape:
        raise ValueError(
            f"box {box} needs a difference {(*shape, 3)} and a mask {shape}, "
            f"got {difference.shape} and {mask.shape}"
        )
    gate = np.asarray(mask > 0)
    if not gate.any():
        return frame
    toward = _difference_matrix(frame.encoding)
    planes = list(frame.planes)
    sx, sy = subsampling(frame)
    # A difference that lies in planes in memory is not copied here.
    rgb = np.ascontiguousarray(np.moveaxis(difference, 2, 0), dtype=np.float32)
    at = (slice(y0, y1), slice(x0, x1))
    planes[0] = _moved(planes[0], at, _mixed(toward[:1], rgb)[0], gate, frame.encoding, 0)
    if sx * sy > 1:
        at, gate = _chroma_gate(frame, (x0, y0, x1, y1), gate)
        rgb = np.stack([_block_means(plane, (x0, y0), at, sx, sy) for plane in rgb])
    for i, moved in enumerate(_mixed(toward[1:], rgb), start=1):
        planes[i] = _moved(planes[i], at, moved, gate, frame.encoding, i)
    return dataclasses.replace(frame, planes=tuple(planes))


def _mixed(matrix: Floats, planes: Floats) -> Floats:
    """Return a matrix (M, 3) times every pixel of (3, h, w): (M, h, w)."""
    return (matrix @ planes.reshape(3, -1)).reshape(-1, *planes.shape[1:])


def _check_box(frame: Frame, box: Box | None) -> Box:
    x0, y0, x1, y1 = box if box is not None else (0, 0, frame.width, frame.height)
    if not (0 <= x0 < x1 <= frame.width and 0 <= y0 < y1 <= frame.height):
        raise ValueError(f"box {box} must lie inside the frame of {frame.width}x{frame.height} px")
    return x0, y0, x1, y1


def _factor(length: int, chroma_length: int) -> int:
    """Return the subsampling factor (1, 2 or 4) that gives `chroma_length`, rounded up."""
    for factor in (1, 2, 4):
        if -(-length // factor) == chroma_length:
            return factor
    raise ValueError(f"a chroma plane of {chroma_length} samples does not fit {length} pixels")


def _luma_offset_scale(encoding: PixelEncoding) -> tuple[float, float]:
    """Return the sample value of black and the span to white (also of each plane of RGB)."""
    if encoding.full_range:
        return 0.0, float((1 << encoding.bits) - 1)
    return float(16 << (encoding.bits - 8)), float(219 << (encoding.bits - 8))


def _chroma_scale(encoding: PixelEncoding) -> float:
    full = float((1 << encoding.bits) - 1)
    return full if encoding.full_range else float(224 << (encoding.bits - 8))


def _to_rgb_matrix(encoding: PixelEncoding) -> Floats:
    """Return the (3, 4) affine map from a frame's samples, in plane order, to RGB in [0, 1]."""
    offset, scale = _luma_offset_scale(encoding)
    if encoding.matrix == "rgb":  # planes are G, B, R
        rows = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]]) / scale
        return np.column_stack([rows, np.full(3, -offset / scale)]).astype(np.float32)
    if encoding.matrix == "gray":
        rows = np.array([[1, 0, 0]] * 3) / scale
        return np.column_stack([rows, np.full(3, -offset / scale)]).astype(np.float32)
    kr, kb = LUMA_WEIGHTS[encoding.matrix]
    kg = 1 - kr - kb
    unit = np.array(
        [
            [1, 0, 2 * (1 - kr)],
            [1, -2 * (1 - kb) * kb / kg, -2 * (1 - kr) * kr / kg],
            [1, 2 * (1 - kb), 0],
        ]
    )
    rows = unit / np.array([scale, _chroma_scale(encoding), _chroma_scale(encoding)])
    neutral = np.array([offset, 1 << (encoding.bits - 1), 1 << (encoding.bits - 1)])
    return np.column_stack([rows, -rows @ neutral]).astype(np.float32)


def _difference_matrix(encoding: PixelEncoding) -> Floats:
    """Return the (planes, 3) linear map from an RGB difference to sample differences."""
    _, scale = _luma_offset_scale(encoding)
    if encoding.matrix == "rgb":
        return np.array([[0, scale, 0], [0, 0, scale], [scale, 0, 0]], dtype=np.float32)
    kr, kb = LUMA_WEIGHTS["bt709" if encoding.matrix == "gray" else encoding.matrix]
    luma = np.array([kr, 1 - kr - kb, kb])
    if encoding.matrix == "gray":
        return (luma[None] * scale).astype(np.float32)
    blue = (np.array([0, 0, 1]) - luma) / (2 * (1 - kb))
    red = (np.array([1, 0, 0]) - luma) / (2 * (1 - kr))
    chroma = _chroma_scale(encoding)
    return np.stack([luma * scale, blue * chroma, red * chroma]).astype(np.float32)


def _legal_span(encoding: PixelEncoding, plane: int) -> tuple[int, int]:
    """Return the lowest and highest sample value the encoding means to use in a plane."""
    if encoding.full_range:
        return 0, (1 << encoding.bits) - 1
    is_chroma = plane > 0 and encoding.matrix != "rgb"
    shift = encoding.bits - 8
    return 16 << shift, (240 if is_chroma else 235) << shift


def _moved(
    plane: Plane,
    at: tuple[slice, slice],
    difference: Floats,
    gate: NDArray[np.bool_],
    encoding: PixelEncoding,
    index: int,
) -> Plane:
    """Return the plane with the difference added where the gate is open; itself if none changes."""
    before = np.ascontiguousarray(plane[at])
    low, high = _legal_span(encoding, index)
    depth = cv2.CV_8U if before.dtype == np.uint8 else cv2.CV_16U
    after = cv2.add(before, difference, dtype=depth)  # rounded, and held within the type's range
    after = np.minimum(np.maximum(after, np.minimum(before, low)), np.maximum(before, high))
    after = cv2.copyTo(after, gate.view(np.uint8), before.copy())
    if np.array_equal(before, after):
        return plane
    copy = plane.copy()
    copy[at] = after
    return copy


def _bilinear(
    position: NDArray[np.int64], factor: int, length: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the lower sample and the weight of the upper one for luma positions."""
    at = np.clip((position + 0.5) / factor - 0.5, 0, length - 1)
    lower = np.floor(at).astype(np.int64)
    return lower, at - lower


def _chroma_gate(
    frame: Frame, box: Box, gate: NDArray[np.bool_]
) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
    """Return the chroma samples under a box and which of them reach only open pixels.

    Centred bilinear upsampling by s reaches 2s pixels: sample j weighs on s·j - s/2 to
    s·j + 3s/2 - 1 (one pixel if s is 1). Pixels beyond the frame do not exist and forbid nothing.
    """
    x0, y0, x1, y1 = box
    sx, sy = subsampling(frame)
    left, right, top, bottom = x0 // sx, -(-x1 // sx), y0 // sy, -(-y1 // sy)
    # Luma pixels the samples reach, with the origin of the first reach.
    ox, oy = left * sx - sx // 2, top * sy - sy // 2
    width, height = (right - left) * sx + 2 * (sx // 2), (bottom - top) * sy + 2 * (sy // 2)
    xs, ys = np.arange(ox, ox + width), np.arange(oy, oy + height)
    outside_x = (xs < 0) | (xs >= frame.width)
    outside_y = (ys < 0) | (ys >= frame.height)
    open_ = outside_y[:, None] | outside_x[None, :]
    open_[y0 - oy : y1 - oy, x0 - ox : x1 - ox] |= gate
    down, across = (2 * s if s > 1 else 1 for s in (sy, sx))
    rows = [open_[k : k + sy * (bottom - top) : sy] for k in range(down)]
    open_ = np.logical_and.reduce(rows)
    columns = [open_[:, k : k + sx * (right - left) : sx] for k in range(across)]
    may_change = np.ascontiguousarray(np.logical_and.reduce(columns))
    return (slice(top, bottom), slice(left, right)), may_change


def _block_means(
    difference: Floats, origin: tuple[int, int], at: tuple[slice, slice], sx: int, sy: int
) -> Floats:
    """Return the mean of a luma-resolution difference over each chroma block of `at`."""
    rows, cols = at
    before_x, before_y = origin[0] - cols.start * sx, origin[1] - rows.start * sy
    after_x = (cols.stop - cols.start) * sx - before_x - difference.shape[1]
    after_y = (rows.stop - rows.start) * sy - before_y - difference.shape[0]
    whole = cv2.copyMakeBorder(
        difference, before_y, after_y, before_x, after_x, cv2.BORDER_REPLICATE
    )
    size = (cols.stop - cols.start, rows.stop - rows.start)
    return np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def _resized(plane: Plane, size: tuple[int, int]) -> Plane:
    """Return a plane at (w, h) samples: averaged where it shrinks, interpolated where it grows."""
    plane = cast("Plane", np.ascontiguousarray(plane))
    height, width = plane.shape
    if (width, height) == size:
        return plane
    how = cv2.INTER_LINEAR if height < size[1] or width < size[0] else cv2.INTER_AREA
    for k in (8, 4, 2):  # whole blocks first: means of them are quick, means of parts are not
        if width >= k * size[0] and height >= k * size[1] and width % k == height % k == 0:
            plane = cast("Plane", cv2.resize(plane, (width // k, height // k), interpolation=how))
            break
    return cast("Plane", cv2.resize(plane, size, interpolation=how))
