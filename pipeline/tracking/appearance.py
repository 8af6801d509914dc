"""What a face looks like, in a few hundred numbers: enough to tell the people of one clip apart.

A levelled thumbnail (edges and skin colour) and the proportions of the landmarks. This is no
identity network: it tells two people in one scene apart and bridges a gap of seconds; across
scenes, lighting and years it is a hint at best. Pose and expression change it, so one person is
described by the mean over many frames.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..imaging.color import frame_to_rgb
from ..imaging.geometry import (
    Affine,
    Points,
    ffhq_quad,
    fit_similarity,
    quad_to_matrix,
    scaling,
    transform,
)
from ..imaging.resample import warp
from ..types import Box, Frame

Descriptor = NDArray[np.float32]
"""(D,) float32: thumbnail edges (unit length), skin colour, proportions."""

_SIDE = 48
_CELLS = 12
_SHAPE_POINTS = np.r_[0:17:2, 27:36, 36, 39, 42, 45, 48, 54]
_EDGE_WEIGHT, _COLOUR_WEIGHT, _SHAPE_WEIGHT = 1.0, 6.0, 2.5


def describe(
    image: NDArray[np.uint8] | NDArray[np.float32],
    landmarks: Points,
    *,
    pixel_aspect: float = 1.0,
) -> Descriptor:
    """(D,) float32 descriptor of a face with landmarks (68, 2) [image px] in an image (H, W, 3)
    RGB, uint8 or float32 in [0, 1].
    """
    points = np.asarray(landmarks, np.float64)
    thumbnail = _thumbnail(image, points, pixel_aspect)
    return np.concatenate(
        [
            _EDGE_WEIGHT * _edges(thumbnail),
            _COLOUR_WEIGHT * _skin_colour(thumbnail),
            _SHAPE_WEIGHT * _proportions(points * (pixel_aspect, 1.0)),
        ]
    ).astype(np.float32)


def describe_in(frame: Frame, landmarks: Points, *, pixel_aspect: float = 1.0) -> Descriptor:
    """(D,) float32 descriptor of one face of a frame, converting only its surroundings to RGB."""
    points = np.asarray(landmarks, np.float64)
    box = _box_of(_thumbnail_place(points, pixel_aspect), (frame.width, frame.height))
    near = points - box[:2]
    return describe(frame_to_rgb(frame, box), near, pixel_aspect=pixel_aspect)


def distance(a: Descriptor, b: Descriptor) -> float:
    """How unlike two faces look: about 0.2 for a face and itself a moment later, 1 for others."""
    return float(np.linalg.norm(a - b))


def _thumbnail(
    image: NDArray[np.uint8] | NDArray[np.float32], points: Points, aspect: float
) -> NDArray[np.float32]:
    """(S, S, 3) float32 in [0, 1]: the face levelled, eyes to chin."""
    crop_to_image = _thumbnail_place(points, aspect)
    x0, y0, x1, y1 = _box_of(crop_to_image, (image.shape[1], image.shape[0]))
    cut = image[y0:y1, x0:x1]
    pixels = cut.astype(np.float32) / np.float32(255.0 if cut.dtype == np.uint8 else 1.0)
    crop_to_image[:2, 2] -= (x0, y0)
    thumbnail = warp(pixels, crop_to_image, (_SIDE, _SIDE), kernel="linear", border="replicate")
    return np.clip(thumbnail, 0.0, 1.0)


def _thumbnail_place(points: Points, aspect: float) -> Affine:
    """(3, 3) thumbnail px -> image px."""
    crop_to_image = quad_to_matrix(ffhq_quad(points, pixel_aspect=aspect), _SIDE)
    # The FFHQ square holds hair and background too: the middle 60 % of it is face.
    inner = np.array([[0.6, 0, 0.2 * _SIDE], [0, 0.6, 0.28 * _SIDE], [0, 0, 1]])
    return np.asarray(crop_to_image @ inner, np.float64)


def _box_of(crop_to_image: Affine, size: tuple[int, int]) -> Box:
    """What a thumbnail sees of an image of `size` (width, height) [px], prefilter included."""
    corners = transform(crop_to_image, np.array([[0, 0], [_SIDE, 0], [0, _SIDE], [_SIDE, _SIDE]]))
    reach = 8 + 2 * float(np.linalg.norm(corners[1] - corners[0])) / _SIDE
    low = np.clip(np.floor(corners.min(0) - reach), 0, np.subtract(size, 2)).astype(int)
    high = np.clip(np.ceil(corners.max(0) + reach), low + 2, size).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _edges(thumbnail: NDArray[np.float32]) -> NDArray[np.float32]:
    """Oriented gradients of the luma in 12×12 cells, of unit length: light changes them little."""
    luma = np.log(thumbnail @ np.array([0.299, 0.587, 0.114], np.float32) + 0.05)
    luma = cv2.GaussianBlur(luma, (0, 0), 1.0)
    gradients = [cv2.Sobel(luma, cv2.CV_32F, 1, 0), cv2.Sobel(luma, cv2.CV_32F, 0, 1)]
    halves = [np.maximum(sign * g, 0) for g in gradients for sign in (1, -1)]
    cells = [cv2.resize(h, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA) for h in halves]
    flat = np.sqrt(np.stack(cells)).ravel()
    return np.asarray(flat / max(float(np.linalg.norm(flat)), 1e-6), np.float32)


def _skin_colour(thumbnail: NDArray[np.float32]) -> NDArray[np.float32]:
    """(3,) median log chroma (two) and a little of the log luma, over the middle of the face."""
    pixels = np.log(
        thumbnail[_SIDE // 4 : -_SIDE // 4, _SIDE // 4 : -_SIDE // 4].reshape(-1, 3) + 0.06
    )
    r, g, b = np.median(pixels, axis=0)
    return np.array([0.3 * (r - g), 0.3 * (b - g), 0.05 * g], np.float32)


def _proportions(points: Points) -> NDArray[np.float64]:
    """Rigid points in face units, levelled and centred."""
    chosen = points[_SHAPE_POINTS]
    eyes = points[[36, 45]]
    level = fit_similarity(eyes, np.array([[-0.5, 0.0], [0.5, 0.0]]))
    return np.asarray(transform(level, chosen) @ scaling(0.2)[:2, :2]).ravel()
