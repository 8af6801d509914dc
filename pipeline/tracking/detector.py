"""Frontal faces of a frame as boxes: dlib's HOG detector, at several sizes and turns of the frame.

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

from ..imaging.color import frame_to_rgb_small
from ..imaging.geometry import box_iou
from ..types import Frame

Image = NDArray[np.uint8]
Boxes = NDArray[np.float32]
"""(N, 4) or (4,) x0 y0 x1 y1 [px]."""
Turned = NDArray[np.float64]
"""(N, 4) squares: x y of the middle, side [frame px], and the turn, clockwise [deg]."""

# dlib's own threshold is 0; below it more faces are found, and the network rejects false ones.
_HOG_THRESHOLD = -0.1
_UPRIGHT, _TILTED = (0.0,), (-35.0, 35.0)
_SIDEWAYS = (90.0, 180.0, 270.0)
_BETWEEN = (-62.0, 62.0, -118.0, 118.0, -148.0, 148.0)
"""[deg] Together with upright, tilted and sideways, and 20 degrees around each, these cover nearly
all turns."""
_NO_BOXES = np.zeros((0, 4), np.float32)
_MAX_SIDE = 2048
"""[px] Larger frames are shrunk to this for the thorough search, which sees faces from 80 px."""
_TURNED_SIDE = 1280
"""[px] The same for the search of turned heads at full size: it takes three times as long."""
_NEAR_SIDE = 110.0
"""[px] Side to which a face looked for near its last place is scaled; the detector sees 80 and
more."""
_NEAR_MOST = 700
"""[px] Largest picture searched near a place."""


def find_boxes(frame: Frame, search_side: int, *, thorough: bool) -> Boxes:
    """Return the boxes (N, 4) float32 x0 y0 x1 y1 [px] of frontal faces, the surest first.

    Shrunk to `search_side` px almost every face is found in a tenth of the time. `thorough` adds
    full size, for small faces; where there is none, twice full size, and 35 degrees either way,
    which the detector does not see upright (measured limit about 20 degrees).
    """
    longest = max(frame.width, frame.height)
    if not thorough:
        return _search(frame, search_side, _UPRIGHT)
    sides = sorted({min(longest, side) for side in (search_side, _MAX_SIDE)})
    boxes = np.concatenate([_search(frame, side, _UPRIGHT) for side in sides])
    if not len(boxes):
        boxes = _search(frame, search_side, _TILTED)
    if not len(boxes) and 2 * longest <= _MAX_SIDE:
        boxes = _search(frame, 2 * longest, _UPRIGHT)
    return _apart(boxes)


def _apart(boxes: Boxes) -> Boxes:
    """Return boxes without those that overlap an earlier one."""
    one_each: list[Boxes] = []
    for box in boxes:
        if all(box_iou(box, other) < 0.5 for other in one_each):
            one_each.append(box)
    return np.stack(one_each) if one_each else _NO_BOXES


def find_turned(frame: Frame, search_side: int, *, thorough: bool) -> Turned:
    """Return where heads lie on their side or stand upside down, the surest first.

    The frame is shrunk to `search_side` px and turned by 90, 180 and 270 degrees. `thorough` adds
    the turns between and, where there is still none, full size.
    """
    heads = _search_turned(frame, search_side, _SIDEWAYS + _BETWEEN * thorough)
    full = min(max(frame.width, frame.height), _TURNED_SIDE)
    if thorough and not len(heads) and full > search_side:
        heads = _search_turned(frame, full, _SIDEWAYS)
    return heads


def find_near(frame: Frame, place: Turned, reach: float) -> Turned:
    """Return the faces about where one was, at about its size and turn, the surest first.

    It filled the square `place` (4,); the middle of a face may be `reach` sides of it from there.
    """
    x, y, side, turn = place
    half = (reach + 0.75) * side
    low = np.clip(np.floor([x - half, y - half]), 0, (frame.width - 1, frame.height - 1))
    high = np.clip(np.ceil([x + half, y + half]) + 1, low + 1, (frame.width, frame.height))
    (x0, y0), (x1, y1) = low.astype(int), high.astype(int)
    luma = frame.planes[0][y0:y1, x0:x1] >> (frame.encoding.bits - 8)
    scale = min(_NEAR_SIDE / side, _NEAR_MOST / max(luma.shape))
    size = [max(1, round(length * scale)) for length in luma.shape[::-1]]
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(luma.astype(np.uint8), size, interpolation=how), np.uint8)
    heads = _heads(small, (float(turn),), grows=True)
    to_frame = np.array(luma.shape[::-1]) / size
    return _in_frame(heads, to_frame, np.array([x0, y0]))[:, 1:]


def _search(frame: Frame, side: int, angles_deg: Sequence[float]) -> Boxes:
    """Return the detector's boxes in frame px, for the frame resized and turned by each angle.

    A frame is shrunk to `side` px; it is enlarged only to exactly twice its size.
    """
    small = frame_to_rgb_small(frame, side)
    if side == 2 * max(frame.width, frame.height):
        small = np.asarray(cv2.resize(small, None, fx=2.0, fy=2.0), dtype=np.uint8)
    heads = _in_frame(_heads(small, angles_deg, grows=False), _scale(frame, small), np.zeros(2))
    half = heads[:, 3:4] / 2
    boxes = np.concatenate([heads[:, 1:3] - half, heads[:, 1:3] + half], axis=1)
    return boxes.astype(np.float32)


def _search_turned(frame: Frame, side: int, angles_deg: Sequence[float]) -> Turned:
    small = frame_to_rgb_small(frame, side)
    heads = _heads(small, angles_deg, grows=True)
    return _in_frame(heads, _scale(frame, small), np.zeros(2))[:, 1:]


def _scale(frame: Frame, small: Image) -> NDArray[np.float64]:
    return np.array([frame.width / small.shape[1], frame.height / small.shape[0]])


def _in_frame(
    heads: NDArray[np.float64], scale: NDArray[np.float64], corner: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return heads found in a part of a frame, of which a pixel covers `scale` px, in frame px."""
    out = heads.copy()
    # a pixel of the shrunk frame covers `scale` pixels, centre on centre
    out[:, 1:3] = (heads[:, 1:3] + 0.5) * scale - 0.5 + corner
    out[:, 3] *= scale.mean()
    return out


def _heads(image: Image, angles_deg: Sequence[float], *, grows: bool) -> NDArray[np.float64]:
    """Return what the detector finds in an image turned by each angle, the surest first.

    Returns:
        (N, 5) score, x y of the middle and side of the square [image px], turn [deg].
    """
    heads: list[tuple[float, float, float, float, float]] = []
    for angle in angles_deg:
        turned, turned_to_image = _turned(image, angle, grows=grows)
        with _lent_detector() as detector:
            rectangles, scores, _ = detector.run(turned, 0, _HOG_THRESHOLD)
        for r, score in zip(rectangles, scores, strict=True):
            x, y = turned_to_image @ np.array(
                [(r.left() + r.right()) / 2, (r.top() + r.bottom()) / 2, 1.0]
            )
            heads.append((float(score), float(x), float(y), float(r.width()), angle))
    heads.sort(key=lambda head: -head[0])
    return np.array(heads, np.float64).reshape(-1, 5)


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


def _turned(image: Image, angle_deg: float, *, grows: bool) -> tuple[Image, NDArray[np.float64]]:
    """Return the image turned about its middle, and the (2, 3) turned_to_image.

    What was turned `angle_deg` clockwise is upright then. With `grows` nothing is cut off.
    """
    if angle_deg == 0.0:
        return image, np.eye(2, 3)
    h, w = image.shape[:2]
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    size = (w, h)
    if grows:
        size = (round(w * abs(c) + h * abs(s)), round(w * abs(s) + h * abs(c)))
    linear = np.array([[c, -s], [s, c]])
    middle = np.array([(w - 1) / 2, (h - 1) / 2])
    matrix = np.column_stack([linear, middle - linear @ ((np.array(size) - 1) / 2)])
    turned = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return np.asarray(turned, dtype=np.uint8), matrix
