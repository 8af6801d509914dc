"""Where the networks look: crops placed from a detector's box or from landmarks, and their
sampling.

A crop is a 2x3 matrix `crop_to_image`: image (x, y) = matrix @ (u, v, 1); pixel centres are
integers, the origin is top-left, v points down. Crops are levelled along the line through the eyes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from .topology import LEFT_EYE, MOUTH, NOSE, RIGHT_EYE

Matrix = NDArray[np.float64]
Image = NDArray[np.uint8]
Plane = NDArray[np.uint8] | NDArray[np.uint16]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Planes:
    """A picture as video stores it; only crops of it are converted to RGB."""

    planes: tuple[Plane, ...]
    """One plane (gray), or three of which the second and third may be smaller."""
    subsampling: tuple[int, int]
    """How many pixels a sample of a smaller plane spans, (horizontally, vertically)."""
    to_rgb: NDArray[np.float32]
    """(3, 4) affine map from three samples, in plane order, to RGB levels 0-255."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, 3), as of an array of RGB."""
        height, width = self.planes[0].shape
        return height, width, 3


# Measured on OMI faces: the frontal HOG detector's box against the square around the 68 points.
BOX_SIDE = 1.35
BOX_DOWN = 0.085
# Side of the face crop over the larger side of the levelled 68-point box.
FACE_MARGIN = 1.35
# About the same square from the upper face alone: its side and its middle's place below the eyes in
# distances between the outer eye corners, and how far it moves against a nose that turns. Over OMI
# faces the medians are 2.12, 0.49 and -1.9; a slightly tighter and higher crop holds less of what
# lies in front of the chin.
_WIDTH_IN_EYES, _DOWN_FROM_EYES, _MIDDLE_TO_NOSE = 1.95, 0.43, -1.9
_EYES_PER_NOSE = 1.9
_MAX_SUPERSAMPLING = 8
LEAST_RANGE = 110.0
"""Levels between the 2nd and the 98th percentile of a face crop below which it is stretched. Crops
of the held-out faces and of the clips have more; the networks were trained on such."""
LEAST_SPAN = 3.0
"""With a smaller range than this there is nothing left to stretch but noise."""
# Samples up to this far apart see every pixel: each weighs the pixels up to 1 px around it.
_SPACING_PX = 1.6


def similarity(
    centre: NDArray[np.floating],
    width_px: float,
    angle_rad: float,
    size: tuple[int, int],
    *,
    mirror: bool = False,
) -> Matrix:
    """Return crop_to_image (2, 3) of a crop of `size` (width, height) px.

    Its middle lies on `centre` (2,) [image px], it spans `width_px` image px from left to right
    edge, and its u axis points along `angle_rad`; `mirror` turns the u axis round.
    """
    scale = width_px / size[0]
    c, s = scale * math.cos(angle_rad), scale * math.sin(angle_rad)
    sign = -1.0 if mirror else 1.0
    linear = np.array([[sign * c, -s], [sign * s, c]])
    middle = np.array([(size[0] - 1) / 2, (size[1] - 1) / 2])
    offset = np.asarray(centre, dtype=np.float64) - linear @ middle
    return np.column_stack([linear, offset])


def box_crop(box: NDArray[np.floating], size: int) -> Matrix:
    """Return the upright face crop for a frontal detector's box (4,) x0 y0 x1 y1 [px]."""
    x0, y0, x1, y1 = (float(v) for v in box)
    width = x1 - x0
    centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2 + BOX_DOWN * width])
    return similarity(centre, BOX_SIDE * width, 0.0, (size, size))


def roll_rad(points: NDArray[np.floating]) -> float:
    """Return the angle of the line through the two eyes of (68, 2) points, 0 when level [rad]."""
    across = points[LEFT_EYE].mean(axis=0) - points[RIGHT_EYE].mean(axis=0)
    return math.atan2(float(across[1]), float(across[0]))


def _levelled_box(
    points: NDArray[np.floating], angle_rad: float
) -> tuple[NDArray[np.float64], float, float]:
    """Return the centre [image px], width and height of the points' box along a turned axis."""
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    turned = points.astype(np.float64) @ np.array([[c, -s], [s, c]])
    low, high = turned.min(axis=0), turned.max(axis=0)
    centre = np.array([[c, -s], [s, c]]) @ ((low + high) / 2)
    return centre, float(high[0] - low[0]), float(high[1] - low[1])


def face_crop(points: NDArray[np.floating], size: int) -> Matrix:
    """Return the levelled square crop around (68, 2) points."""
    angle = roll_rad(points)
    centre, width, height = _levelled_box(points, angle)
    return similarity(centre, FACE_MARGIN * max(width, height), angle, (size, size))


def upper_face_crop(points: NDArray[np.floating], size: int) -> Matrix:
    """Return roughly the crop that `face_crop` would place if jaw and mouth were where most have
    them.

    Only the eyes and the nose of the (68, 2) points decide.
    """
    angle = roll_rad(points)
    c, s = math.cos(angle), math.sin(angle)
    across, down = np.array([c, s]), np.array([-s, c])
    eyes = (points[RIGHT_EYE].mean(axis=0) + points[LEFT_EYE].mean(axis=0)).astype(np.float64) / 2
    nose = points[NOSE[4:]].mean(axis=0) - eyes
    # A turned head shows its eyes closer together, a nodding one a shorter nose.
    width = max(float((points[45] - points[36]) @ across), _EYES_PER_NOSE * float(nose @ down))
    turned = _MIDDLE_TO_NOSE * float(nose @ across)
    centre = eyes + _DOWN_FROM_EYES * width * down + turned * across
    return similarity(centre, _WIDTH_IN_EYES * width, angle, (size, size))


def mouth_crop(points: NDArray[np.floating], size: tuple[int, int]) -> Matrix:
    """Return the levelled crop around the mouth of (68, 2) points; wide enough for an open one."""
    angle = roll_rad(points)
    centre, width, height = _levelled_box(points[MOUTH], angle)
    eyes = float(np.linalg.norm(points[36] - points[45]))
    aspect = size[0] / size[1]
    return similarity(centre, max(1.65 * width, 0.8 * eyes, 1.45 * aspect * height), angle, size)


def eye_crop(points: NDArray[np.floating], size: tuple[int, int], *, left: bool) -> Matrix:
    """Return the levelled crop around one eye of (68, 2) points; the left one mirrored."""
    eye = points[LEFT_EYE if left else RIGHT_EYE]
    width = float(np.linalg.norm(eye[0] - eye[3]))
    eyes = float(np.linalg.norm(points[36] - points[45]))
    centre = (eye[0] + eye[3]).astype(np.float64) / 2
    return similarity(centre, max(1.75 * width, 0.42 * eyes), roll_rad(points), size, mirror=left)


def sample_crop(
    image: Image | Planes, crop_to_image: Matrix, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Return the crop (h, w, 3) uint8 RGB of an image (H, W, 3) uint8 RGB; `size` is (w, h).

    A crop that shrinks the image averages over every source pixel it covers, so that small print
    does not alias; outside the image the edge repeats.
    """
    return levels(sample_unrounded(image, crop_to_image, size))


def sample_unrounded(image: Image | Planes, crop_to_image: Matrix, size: tuple[int, int]) -> Floats:
    """Return what `sample_crop` returns as (h, w, 3) float32 levels 0-255, not yet rounded."""
    if not isinstance(image, Planes):
        return _sample(image, crop_to_image, size)
    smaller = _in_subsampled(crop_to_image, *image.subsampling)
    taken = [_sample(image.planes[0], crop_to_image, size)]
    taken += [_sample(plane, smaller, size) for plane in image.planes[1:3]]
    samples = cv2.merge(taken if len(taken) == 3 else taken * 3)
    return cast("Floats", cv2.transform(samples, image.to_rgb))


@dataclass(frozen=True, slots=True)
class Tone:
    """A linear change of levels that restores the contrast of a faded picture."""

    gain: float
    offset: float
    """[levels] of the result."""

    @classmethod
    def of(cls, crop: Floats) -> Tone:
        """Return what brings a face crop (h, w, 3) of levels 0-255 to at least `LEAST_RANGE`;
        nothing for one that has it, as the crops of nearly all pictures do."""
        low, high = np.percentile(crop[::4, ::4], (2, 98))
        span = float(high - low)
        if span >= LEAST_RANGE or span <= 0:
            return cls(1.0, 0.0)
        gain = LEAST_RANGE / max(span, LEAST_SPAN)
        # The middle level is kept as far as there is room for it.
        middle = float(np.clip((low + high) / 2, LEAST_RANGE / 2, 255 - LEAST_RANGE / 2))
        return cls(gain, middle - gain * float(low + high) / 2)

    def __call__(self, crop: Floats) -> Floats:
        """Return the crop with this tone; the same object where nothing is changed."""
        if self.gain == 1.0:
            return crop
        return np.asarray(crop * np.float32(self.gain) + np.float32(self.offset), np.float32)


def levels(values: Floats) -> Image:
    """Return levels as uint8, in place: rounded, and what lies beyond 0-255 at its ends."""
    return np.clip(np.rint(values, out=values), 0, 255, out=values).astype(np.uint8)


def _in_subsampled(matrix: Matrix, sx: int, sy: int) -> Matrix:
    """Return the map into a picture of which a pixel covers sx times sy pixels."""
    scale = np.array([sx, sy], np.float64)
    scaled = matrix / scale[:, None]
    # sub-pixel x' of the coarser grid lies at x = (x' + 0.5) * s - 0.5
    scaled[:, 2] += 0.5 / scale - 0.5
    return scaled


def _sample(image: Image | Plane, crop_to_image: Matrix, size: tuple[int, int]) -> Floats:
    """Return the crop (h, w) or (h, w, C) of an image, unrounded: means over its pixels."""
    shrink = math.sqrt(abs(float(np.linalg.det(crop_to_image[:, :2]))))
    k = min(_MAX_SUPERSAMPLING, max(1, math.ceil(shrink / _SPACING_PX + 0.2)))
    matrix = crop_to_image
    if k > 1:
        # sub-pixel u' of the k times finer grid lies at u = (u' + 0.5) / k - 0.5
        offset = crop_to_image[:, :2] @ np.full(2, 0.5 / k - 0.5) + crop_to_image[:, 2]
        matrix = np.column_stack([crop_to_image[:, :2] / k, offset])
    fine = cv2.warpAffine(
        image,
        matrix,
        (size[0] * k, size[1] * k),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    fine = fine.astype(np.float32)
    if k > 1:
        fine = cv2.resize(fine, size, interpolation=cv2.INTER_AREA)
    return cast("Floats", fine)


def apply(matrix: Matrix, points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return (..., 2) points taken through a 2x3 matrix."""
    moved: NDArray[np.float64] = points @ matrix[:, :2].T + matrix[:, 2]
    return moved


def invert(matrix: Matrix) -> Matrix:
    """Return the 2x3 matrix of the opposite direction."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])
