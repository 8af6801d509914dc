"""Where a frame differs from another, in cells of pixels, and how alike two pictures are elsewhere.

The figures are those of pictures of 8 bits: differences in grey levels, PSNR against 255.
"""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..types import Plane

Cells = NDArray[np.bool_]
"""(rows, columns) bool, of a frame cut into squares of `CELL_PX` from its upper left corner; those
at the right and lower edge may be smaller."""
CELL_PX: Final = 16
_WINDOW_PX: Final = 8
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def no_cells(height: int, width: int) -> Cells:
    """Return the cells of a frame of a size [px], none of them set."""
    return np.zeros((-(-height // CELL_PX), -(-width // CELL_PX)), bool)


def changed_cells(before: Sequence[Plane], after: Sequence[Plane]) -> Cells:
    """Return the cells in which any sample of any plane differs.

    `before`, `after`: planes (h, w) of one frame, the first at full size, others subsampled by a
    power of two.
    """
    height, width = before[0].shape
    found = no_cells(height, width)
    for one, other in zip(before, after, strict=True):
        if one is other:
            continue
        down = CELL_PX // round(height / one.shape[0])
        across = CELL_PX // round(width / one.shape[1])
        rows = np.logical_or.reduceat(one != other, np.arange(0, one.shape[0], down), axis=0)
        found |= np.logical_or.reduceat(rows, np.arange(0, one.shape[1], across), axis=1)
    return found


def cells_to_text(cells: Cells) -> str:
    """Return cells as a short text; '' if none is set."""
    if not cells.any():
        return ""
    return base64.b64encode(zlib.compress(np.packbits(cells).tobytes(), 9)).decode()


def cells_from_text(text: str, height: int, width: int) -> Cells:
    """Return the cells of a frame of a size [px] that a text means."""
    cells = no_cells(height, width)
    if text:
        bits = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
        cells.flat[:] = np.unpackbits(bits, count=cells.size).astype(bool)
    return cells


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike the pixels of two pictures are; sums, so that frames can be put together."""

    pixels: int = 0
    largest: float = 0.0
    """Difference [grey levels]."""
    sum_abs: float = 0.0
    sum_squares: float = 0.0
    windows: int = 0
    sum_ssim: float = 0.0

    def __add__(self, other: Likeness) -> Likeness:
        return Likeness(
            self.pixels + other.pixels,
            max(self.largest, other.largest),
            self.sum_abs + other.sum_abs,
            self.sum_squares + other.sum_squares,
            self.windows + other.windows,
            self.sum_ssim + other.sum_ssim,
        )

    @property
    def mean(self) -> float:
        """Mean difference [grey levels]."""
        return self.sum_abs / max(self.pixels, 1)

    @property
    def psnr(self) -> float:
        """PSNR [dB]; infinite where nothing differs."""
        error = self.sum_squares / max(self.pixels, 1)
        return 10 * math.log10(255**2 / error) if error else math.inf

    @property
    def ssim(self) -> float:
        """Mean SSIM of windows of 8 x 8 pixels; 1 where there is none."""
        return self.sum_ssim / self.windows if self.windows else 1.0


def likeness(
    one: Plane, other: Plane, cells: Cells, *, bits: int = 8, with_ssim: bool = True
) -> Likeness:
    """Compare two planes where cells are set.

    Structural similarity is that of Wang et al. 2004 (equation 13, its constants) with the plain
    mean over windows of 8 x 8 pixels that do not overlap, all of them in cells that are set.

    Args:
        one: (H, W).
        other: (H, W), of the same kind.
        cells: that count.
        bits: significant ones of a sample.
        with_ssim: count SSIM, too.
    """
    if not cells.any():
        return Likeness()
    levels = 255 / ((1 << bits) - 1)
    height, width = one.shape
    large = np.repeat(np.repeat(cells.view(np.uint8), CELL_PX, 0), CELL_PX, 1)
    mask = np.ascontiguousarray(large[:height, :width])
    first, second = np.ascontiguousarray(one), np.ascontiguousarray(other)
    windows, total = _ssim(first, second, cells, levels) if with_ssim else (0, 0.0)
    return Likeness(
        int(cv2.countNonZero(mask)),
        cv2.norm(first, second, cv2.NORM_INF, mask) * levels,
        cv2.norm(first, second, cv2.NORM_L1, mask) * levels,
        cv2.norm(first, second, cv2.NORM_L2, mask) ** 2 * levels**2,
        windows,
        total,
    )


def _ssim(
    one: NDArray[np.generic], other: NDArray[np.generic], cells: Cells, levels: float
) -> tuple[int, float]:
    """Return how many windows count and the sum of their SSIM."""
    down, across = one.shape[0] // _WINDOW_PX, one.shape[1] // _WINDOW_PX
    if not down or not across:
        return 0, 0.0
    part = (slice(down * _WINDOW_PX), slice(across * _WINDOW_PX))
    # Around the middle of the range, so that squares lose no digits of float32.
    x = one[part].astype(np.float32) * np.float32(levels) - np.float32(128)
    y = other[part].astype(np.float32) * np.float32(levels) - np.float32(128)

    def mean(values: NDArray[np.float32]) -> NDArray[np.float64]:
        small = cv2.resize(values, (across, down), interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.float64)

    mean_x, mean_y = mean(x), mean(y)
    spread_x, spread_y = mean(x * x) - mean_x**2, mean(y * y) - mean_y**2
    common = mean(x * y) - mean_x * mean_y
    bright_x, bright_y = mean_x + 128, mean_y + 128
    found = (2 * bright_x * bright_y + _C1) * (2 * common + _C2)
    found /= (bright_x**2 + bright_y**2 + _C1) * (spread_x + spread_y + _C2)
    per_cell = CELL_PX // _WINDOW_PX
    counted = np.repeat(np.repeat(cells, per_cell, 0), per_cell, 1)[:down, :across]
    return int(counted.sum()), float(found[counted].sum())
