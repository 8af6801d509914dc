"""Drawing for people to look at: labels, tiles, sheets, landmarks, PNG files. RGB uint8 in and out.

Nothing drawn here ever reaches an edited video.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from .files import write_whole
from .imaging.color import frame_to_rgb
from .targets import output_errors
from .types import Frame

Picture = NDArray[np.uint8]

_LABEL_PX: Final = 26
_GAP_PX: Final = 4
_INK: Final = (40, 40, 40)
_RUNS: Final = (0, 17, 22, 27, 31, 36, 42, 48, 60, 68)
_LINES: Final = [(range(a, b), a >= 36) for a, b in itertools.pairwise(_RUNS)]
"""Runs of the 68 points that belong together (iBUG 300-W), and whether they are closed."""


def rgb_of(frame: Frame) -> Picture:
    """Return a frame (H, W, 3)."""
    return np.asarray(np.round(frame_to_rgb(frame) * 255), np.uint8)


def tensor_rgb(image: torch.Tensor) -> Picture:
    """Return an image (3, H, W) in [-1, 1] as a picture."""
    shown = ((image.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0)
    return np.asarray(shown.cpu().numpy(), np.uint8)


def difference(before: Picture, after: Picture, gain: float) -> Picture:
    """Return what changed, enlarged around mid-grey: grey means nothing."""
    change = (after.astype(np.float32) - before) * gain + 128
    return np.asarray(change.clip(0, 255).round(), np.uint8)


def fit(picture: Picture, height: int, *, pixel_aspect: float = 1.0) -> Picture:
    """Return the picture at a height [px], its pixels made square."""
    width = max(1, round(picture.shape[1] * pixel_aspect * height / picture.shape[0]))
    kernel = cv2.INTER_AREA if height < picture.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (width, height), interpolation=kernel), np.uint8)


def label(text: str, width: int) -> Picture:
    """Return a white strip with a text, made smaller if it is too long."""
    strip = np.full((_LABEL_PX, width, 3), 255, np.uint8)
    size = 0.5
    while size > 0.25 and text_width(text, size) > width - 8:
        size -= 0.05
    cv2.putText(strip, text, (5, 18), cv2.FONT_HERSHEY_SIMPLEX, size, _INK, 1, cv2.LINE_AA)
    return strip


def text_width(text: str, size: float = 0.5) -> int:
    """Return how wide a text is drawn [px]."""
    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    return int(width)


def sheet(
    tiles: Sequence[Sequence[Picture]], columns: Sequence[str], rows: Sequence[str]
) -> Picture:
    """Return tiles of one size in a grid, every column headed, every row named (or none is)."""
    height, width = tiles[0][0].shape[:2]
    margin = max(map(text_width, rows), default=0)
    margin = margin + 12 if margin else 0
    across, down = len(columns), len(tiles)
    full = np.full(
        (_LABEL_PX + down * (height + _GAP_PX), margin + across * (width + _GAP_PX), 3),
        255,
        np.uint8,
    )
    for j, text in enumerate(columns):
        x = margin + j * (width + _GAP_PX)
        full[:_LABEL_PX, x : x + width] = label(text, width)
    for i, line in enumerate(tiles):
        y = _LABEL_PX + i * (height + _GAP_PX)
        if margin:
            middle = y + (height - _LABEL_PX) // 2
            full[middle : middle + _LABEL_PX, :margin] = label(rows[i], margin)
        for j, tile in enumerate(line):
            x = margin + j * (width + _GAP_PX)
            full[y : y + height, x : x + width] = tile
    return full


def draw_face(
    picture: Picture,
    landmarks: NDArray[np.float32],
    crop: NDArray[np.float64] | None,
    text: str,
    scale: float,
) -> None:
    """Draw the 68 points, their box and the crop of one face into a picture.

    Args:
        picture: (H, W, 3), enlarged by `scale`; changed in place.
        landmarks: (68, 2) [frame px].
        crop: (4, 2) corners of the crop [frame px], or None.
        text: written above the box.
        scale: picture px per frame px.
    """
    points = _placed(landmarks, scale)
    thick = max(1, round(float(np.ptp(points[:, 0])) / 16 / 250))
    for indices, is_closed in _LINES:
        _polyline(picture, points[list(indices)], (90, 255, 120), thick, is_closed)
    for x, y in points:
        centre = (round(float(x)), round(float(y)))
        cv2.circle(picture, centre, 16 * (thick + 1), (255, 60, 60), -1, cv2.LINE_AA, 4)
    low, high = points.min(0), points.max(0)
    box = np.array([low, (high[0], low[1]), high, (low[0], high[1])])
    _polyline(picture, box, (255, 210, 0), thick, True)
    if crop is not None:
        _polyline(picture, _placed(crop, scale), (80, 170, 255), thick, True)
    x, y = int(low[0] / 16), max(18, int(low[1] / 16) - 2)
    cv2.rectangle(picture, (x, y - 18), (x + text_width(text) + 8, y), (255, 210, 0), -1)
    cv2.putText(picture, text, (x + 4, y - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)


def crop_of(frame: Picture, crop_to_frame: NDArray[np.float64], side: int) -> Picture:
    """Return the part of a frame that a crop shows, its edge repeated outside as in the crop."""
    shown = cv2.warpAffine(
        frame,
        crop_to_frame[:2],
        (side, side),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(shown, np.uint8)


def write_png(path: Path, picture: Picture, *, overwrite: bool = True) -> None:
    """Write a picture; it is there as a whole or not at all.

    Raises:
        OutputError: the file cannot be written, or is there and `overwrite` is off.
    """
    done, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    with output_errors(path, "the picture"):
        if not done:
            raise OSError("it could not be encoded")
        write_whole(path, data.tobytes(), overwrite=overwrite)


def _placed(points: NDArray[np.floating], scale: float) -> NDArray[np.float64]:
    """Return frame px as sixteenths of picture px, which OpenCV draws between pixels.

    `cv2.resize` keeps the outer edges: a pixel's centre x goes to (x + 0.5) · scale - 0.5.
    """
    return np.asarray(16.0 * ((points + 0.5) * scale - 0.5), np.float64)


def _polyline(
    picture: Picture,
    points: NDArray[np.float64],
    colour: tuple[int, int, int],
    thickness: int,
    is_closed: bool,
) -> None:
    line = np.round(points).astype(np.int32)
    cv2.polylines(picture, [line], is_closed, colour, thickness, cv2.LINE_AA, 4)
