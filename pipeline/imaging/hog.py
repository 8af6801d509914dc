"""Frontal faces of a frame as boxes: dlib's HOG detector, at several sizes of the frame.

The only file that imports `dlib`, whose package carries the detector.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray

from ..types import Frame
from .color import frame_to_rgb_small
from .geometry import box_iou

Image = NDArray[np.uint8]
Box = NDArray[np.float32]
"""x0 y0 x1 y1 [px]."""

# dlib's own threshold is 0; below it more faces are found, and the network refuses the rest.
_HOG_THRESHOLD = -0.1
_UPRIGHT, _TILTED = (0.0,), (-35.0, 35.0)
_NO_BOXES = np.zeros((0, 4), np.float32)
_MAX_SIDE = 2048
"""[px] Larger frames are shrunk to this for the thorough search, which sees faces from 80 px."""


def find_boxes(frame: Frame, search_side: int, *, thorough: bool) -> Box:
    """Return the boxes (N, 4) float32 x0 y0 x1 y1 [px] of frontal faces, the surest first.

    Shrunk to `search_side` px almost every face is found in a tenth of the time. `thorough` adds
    full size, for small faces; where there is none, twice full size, and 35 degrees either way,
    which the detector does not see upright (measured limit about 20 degrees).
    """
    longest = max(frame.width, frame.height)
    if not thorough:
        return _search(frame, search_side, _UPRIGHT)
    sides = sorted({min(longest, side) for side in (search_side, _MAX_SIDE)})
    found = np.concatenate([_search(frame, side, _UPRIGHT) for side in sides])
    if not len(found):
        found = _search(frame, search_side, _TILTED)
    if not len(found) and 2 * longest <= _MAX_SIDE:
        found = _search(frame, 2 * longest, _UPRIGHT)
    kept: list[Box] = []
    for box in found:
        if all(box_iou(box, other) < 0.5 for other in kept):
            kept.append(box)
    return np.stack(kept) if kept else _NO_BOXES


def _search(frame: Frame, side: int, angles_deg: Sequence[float]) -> Box:
    """Return the detector's boxes in frame px, for the frame resized and turned by each angle.

    A frame is shrunk to `side` px; it is enlarged only to exactly twice its size.
    """
    small = frame_to_rgb_small(frame, side)
    if side == 2 * max(frame.width, frame.height):
        small = np.asarray(cv2.resize(small, None, fx=2.0, fy=2.0), dtype=np.uint8)
    scale = np.array([frame.width / small.shape[1], frame.height / small.shape[0]])
    found: list[tuple[float, NDArray[np.float64]]] = []
    for angle in angles_deg:
        turned, turned_to_small = _turned(small, angle)
        with _lent_detector() as detector:
            rectangles, scores, _ = detector.run(turned, 0, _HOG_THRESHOLD)
        for r, score in zip(rectangles, scores, strict=True):
            middle = turned_to_small @ np.array(
                [(r.left() + r.right()) / 2, (r.top() + r.bottom()) / 2, 1.0]
            )
            # a pixel of the shrunk frame covers `scale` pixels, centre on centre
            centre = (middle + 0.5) * scale - 0.5
            half = np.array([r.width(), r.height()]) / 2 * scale
            found.append((float(score), np.concatenate([centre - half, centre + half])))
    found.sort(key=lambda item: -item[0])
    return np.stack([b for _, b in found]).astype(np.float32) if found else _NO_BOXES


_idle_detectors: deque[Any] = deque()
"""Detectors no thread is using. A detector keeps its pyramid in itself while it runs, without
Python's lock: two threads in one of them corrupt the heap."""


@contextmanager
def _lent_detector() -> Iterator[Any]:
    """Give a detector that is this thread's alone until the block ends.

    There are never more of them than threads that search at once: unpacking one takes 0.2 s.
    """
    try:
        detector = _idle_detectors.pop()
    except IndexError:
        detector = dlib.get_frontal_face_detector()
    try:
        yield detector
    finally:
        _idle_detectors.append(detector)


def _turned(image: Image, angle_deg: float) -> tuple[Image, NDArray[np.float64]]:
    """Return the image turned about its middle, and the (2, 3) turned_to_image."""
    if angle_deg == 0.0:
        return image, np.eye(2, 3)
    h, w = image.shape[:2]
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    linear = np.array([[c, -s], [s, c]])
    middle = np.array([(w - 1) / 2, (h - 1) / 2])
    matrix = np.column_stack([linear, middle - linear @ middle])
    turned = cv2.warpAffine(image, matrix, (w, h), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return np.asarray(turned, dtype=np.uint8), matrix
