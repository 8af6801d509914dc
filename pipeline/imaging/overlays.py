"""Print over the lower part of a face: subtitles, names, watermarks, which an edit must not bend.

Letters are too thin for what `occlusion` looks at. They are recognised by what no chin has: white,
or yellow, or black and a bright colour, side by side within a few pixels. Lips alone are not judged
(teeth beside a dark mouth), and nothing above them is.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .masks import spread

Floats = NDArray[np.float32]

WORK_EYES_PX = 160.0
"""Largest outer eye distance letters are looked for at [px]; larger faces are shrunk to it."""
REACH = 0.035
"""How far apart dark and bright may lie [outer eye distances]."""
DARK, BRIGHT = 0.2, 0.8
"""Luma of outlined letters: their outline is darker, they are brighter."""
DIM = 0.3
"""Luma of what belongs to an outline, beside letters."""
GROWN = 0.008
"""How far the edges of letters spread [outer eye distances]."""
WHITE, STEP = 0.9, 0.25
"""Letters without an outline are this white in all channels, and this much brighter than what is
beside them."""
YELLOW = 0.4
"""Yellow letters without an outline have at most this share of blue in the lesser of red and
green, and what is beside them is bluer by STEP: skin in yellow light is yellow all over."""
LEAST = 0.004
"""Least area of print, in squares of the outer eye distance: less is a speck, not print."""


def printed(images: Tensor, landmarks: Tensor) -> Tensor | None:
    """(N, 1, S, S) float32: 1 over print, 0 elsewhere, smooth; None if there is none.

    Images (N, 3, S, S) are float32 RGB in [-1, 1], on the CPU, landmarks (N, 68, 2) [crop px].
    """
    points = landmarks.cpu().double().numpy()
    return spread([_found(p, q) for p, q in zip(images.numpy(), points, strict=True)], images)


def _found(
    picture: Floats, points: NDArray[np.float64]
) -> tuple[tuple[slice, slice], Floats] | None:
    """Rows and columns of a crop (3, S, S), and where print is in them, shrunk, if it is."""
    eyes = float(np.linalg.norm(points[45] - points[36]))
    side = picture.shape[-1]
    low = np.clip([points[:17, 0].min() - 0.3 * eyes, points[33, 1]], 0, side - 2).astype(int)
    high = [points[:17, 0].max() + 0.3 * eyes, points[8, 1] + 0.4 * eyes]
    high = np.clip(high, low + 2, side).astype(int)
    at = slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))
    pixels = picture[(slice(None), *at)]
    shrink = max(eyes / WORK_EYES_PX, 1.0)
    size = max(int(pixels.shape[2] / shrink), 2), max(int(pixels.shape[1] / shrink), 2)
    # Averaging over fractions of pixels takes four times as long, for nothing below a shrink of 2.
    kind = cv2.INTER_LINEAR if shrink < 2 else cv2.INTER_AREA
    planes = [cv2.resize(p, size, interpolation=kind) * 0.5 + 0.5 for p in pixels]
    mask = _letters(np.asarray(planes, np.float32), (points - low) / shrink, eyes / shrink)
    return None if mask is None else (at, mask)


def _letters(rgb: Floats, points: NDArray[np.float64], eyes: float) -> Floats | None:
    """(h, w) 0–1 where letters are, grown to hold their outlines; None if they are too few.

    `rgb` (3, h, w), points (68, 2) and the eye distance are those of one picture.
    """
    red, green, blue = rgb
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    bright = luma > BRIGHT
    if np.count_nonzero(bright) < LEAST * eyes**2:  # nor is there enough of it on the chin
        return None
    chin = _chin(points, luma.shape, eyes)
    if np.count_nonzero(bright & chin) < LEAST * eyes**2:
        return None
    darkest = cv2.erode(luma, _disc(REACH * eyes))
    outlined = bright & (darkest < DARK)
    white = (np.minimum(np.minimum(red, green), blue) > WHITE) & (luma - darkest > STEP)
    few_blue = bright & (blue < YELLOW * np.minimum(red, green))
    yellow = few_blue & (cv2.dilate(blue, _disc(REACH * eyes)) - blue > STEP)
    printed_pixels = outlined | white | yellow
    if np.count_nonzero(printed_pixels & chin) < LEAST * eyes**2:
        return None
    # A line of print goes on over the lips and beside the face.
    lines = np.flatnonzero((printed_pixels & chin).any(axis=1))
    first = max(int(lines[0] - 0.12 * eyes), 0)
    printed_pixels[:first], printed_pixels[lines[-1] + 1 :] = False, False
    letters = printed_pixels.astype(np.uint8)
    around = cv2.dilate(letters, _disc(1.6 * REACH * eyes)) > 0
    letters[around & (luma < DIM)] = 1
    grown = cv2.dilate(letters.astype(np.float32), _disc(max(GROWN * eyes, 1.0)))
    # With a rim of one pixel, all that was found is at 1.
    soft = cv2.GaussianBlur(grown, (0, 0), 0.6) * np.float32(1.6) - np.float32(0.05)
    return np.asarray(np.clip(soft, 0, 1), np.float32)


def _chin(points: NDArray[np.float64], shape: tuple[int, ...], eyes: float) -> NDArray[np.bool_]:
    """(h, w) where nothing but skin or a beard is expected: below the nose, without the lips, and
    without a rim where collars are seen."""
    inside, lips = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    jaw = np.concatenate([points[2:15], points[35:30:-1]])
    for mask, outline in ((inside, jaw), (lips, points[48:60])):
        cv2.fillPoly(mask, [np.rint(outline * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
    within = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_3)
    beside = cv2.distanceTransform(1 - lips, cv2.DIST_L2, cv2.DIST_MASK_3)
    return np.asarray((within > round(0.08 * eyes)) & (beside > round(0.04 * eyes)))


def _disc(radius: float) -> NDArray[np.uint8]:
    n = max(round(radius), 1)
    return np.asarray(
        cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * n + 1, 2 * n + 1)), np.uint8
    )
