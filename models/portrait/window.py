"""The part of a crop an edit works on, and a coarse grid over it whose cells are whole pixels of
the crop.

The grid is tied to the crop, not to the window: which window is chosen (it depends on the other
faces of a batch) does not change a pixel.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from .shape import ShapeFit
from .warp import smoothstep

_CELLS_PER_SIDE = 60
"""A spline through cells this size is nearer to the thin plate than straight lines through cells of
two thirds of it: in a broad smile of 150 px between the eyes 0.01 px off on average."""


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of whole cells in a square crop."""

    side: int
    """Crop side, px."""
    cell: int
    """Cell side, px."""
    left: int
    top: int
    right: int
    bottom: int
    """In cells; right and bottom exclusive. The last cells may reach beyond the crop."""

    @property
    def rows(self) -> slice:
        """Pixel rows."""
        return slice(self.top * self.cell, min(self.bottom * self.cell, self.side))

    @property
    def columns(self) -> slice:
        """Pixel columns."""
        return slice(self.left * self.cell, min(self.right * self.cell, self.side))

    @classmethod
    def first(cls, images: Tensor) -> Window:
        """Return the window of the first pixel of crops (N, 3, S, S)."""
        return cls(images.shape[-1], 1, 0, 0, 1, 1)

    def pixels(self, like: Tensor) -> Tensor:
        """Return its pixels' places (1, 2, h, w): x, y [crop px], as numbers like a tensor's."""
        y, x = (
            torch.arange(along.start, along.stop, dtype=like.dtype, device=like.device)
            for along in (self.rows, self.columns)
        )
        return torch.stack(torch.meshgrid(x, y, indexing="xy"))[None]

    def cell_centres(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Return cell centres (h, w, 2) in crop pixels."""
        y = (
            torch.arange(self.top, self.bottom, dtype=dtype, device=device) + 0.5
        ) * self.cell - 0.5
        x = (
            torch.arange(self.left, self.right, dtype=dtype, device=device) + 0.5
        ) * self.cell - 0.5
        rows, columns = torch.meshgrid(y, x, indexing="ij")
        return torch.stack([columns, rows], dim=-1)

    def around_cells(self, cells: Tensor) -> Window:
        """Return the window of the cells (N, h, w) bool that any face needs, one cell more on every
        side: as far as straight lines between cells (`to_pixels`) carry such a cell."""
        rows = torch.nonzero(cells.any(dim=0).any(dim=1))[:, 0].tolist() or [0]
        columns = torch.nonzero(cells.any(dim=0).any(dim=0))[:, 0].tolist() or [0]
        left, right = max(columns[0] - 1, 0), columns[-1] + 2
        top, bottom = max(rows[0] - 1, 0), rows[-1] + 2
        return Window(
            self.side,
            self.cell,
            self.left + left,
            self.top + top,
            min(self.left + right, self.right),
            min(self.top + bottom, self.bottom),
        )

    def with_all(self, others: Iterable[Window]) -> Window:
        """Return the smallest window that holds this and other ones of the same grid."""
        left, top, right, bottom = zip(
            *((w.left, w.top, w.right, w.bottom) for w in (self, *others)), strict=True
        )
        return Window(self.side, self.cell, min(left), min(top), max(right), max(bottom))

    def to_pixels(self, field: Tensor, part: Window, *, smooth: bool = True) -> Tensor:
        """Return a field on this window's cells (N, C, h, w) at the pixels of a part of it.

        Along both axes runs a cubic spline, which keeps what is linear; without `smooth` a straight
        line from cell to cell, which does not overshoot.
        """
        down = _interpolation(self.bottom - self.top, self.cell, smooth).to(field)
        across = _interpolation(self.right - self.left, self.cell, smooth).to(field)
        first_row, first_column = self.rows.start, self.columns.start
        down = down[part.rows.start - first_row : part.rows.stop - first_row]
        across = across[part.columns.start - first_column : part.columns.stop - first_column]
        return down @ (field @ across.T)

    def around(self, points: Tensor) -> tuple[slice, slice, Tensor]:
        """Return rows and columns inside the window that hold all points (N, P, 2) px, and these
        pixels (h, w, 2)."""
        low = points.detach().amin(dim=(0, 1)).floor().int().tolist()
        high = points.detach().amax(dim=(0, 1)).ceil().int().tolist()
        left, right = _inside(low[0] - 2, high[0] + 3, self.columns)
        top, bottom = _inside(low[1] - 2, high[1] + 3, self.rows)
        y = torch.arange(top, bottom, dtype=points.dtype, device=points.device)
        x = torch.arange(left, right, dtype=points.dtype, device=points.device)
        rows, columns = torch.meshgrid(y, x, indexing="ij")
        start_y, start_x = self.rows.start, self.columns.start
        return (
            slice(top - start_y, bottom - start_y),
            slice(left - start_x, right - start_x),
            torch.stack([columns, rows], dim=-1),
        )


@lru_cache(maxsize=64)
def _interpolation(cells: int, cell: int, smooth: bool) -> Tensor:
    """Return the matrix (cells * cell, cells) from values at cell centres in a row to values at
    pixels: of the natural cubic spline, or of straight lines."""
    if cells == 1:
        return torch.ones(cell, 1)
    at = (np.arange(cells * cell) + 0.5) / cell - 0.5
    before = np.clip(np.floor(at).astype(int), 0, cells - 2)
    share = (at - before)[:, None]
    values = np.eye(cells)
    matrix = (1 - share) * values[before] + share * values[before + 1]
    if smooth:
        # Second derivatives of the spline through values, 0 at both ends; de Boor (1978), ch. 4.
        second = np.zeros((cells, cells))
        inner = np.eye(cells - 2) * 4 + np.eye(cells - 2, k=1) + np.eye(cells - 2, k=-1)
        second[1:-1] = np.linalg.solve(inner, 6 * np.diff(values, n=2, axis=0))
        for weight, near in ((1 - share, before), (share, before + 1)):
            matrix += (weight**3 - weight) / 6 * second[near]
    return torch.from_numpy(matrix.astype(np.float32))


def head_window(ring: Tensor, fit: ShapeFit, side: int) -> Window:
    """Return the window that holds the still ring (R, 3) around every head of a batch."""
    cell = max(1, side // _CELLS_PER_SIDE)
    points = (ring @ fit.camera.transpose(1, 2) + fit.offset[:, None]).detach()
    count = -(-side // cell)
    low = (points.amin(dim=(0, 1)) / cell).floor().int() - 1
    high = (points.amax(dim=(0, 1)) / cell).ceil().int() + 1
    left, top = low.clamp(0, count - 1).tolist()
    right, bottom = high.clamp(1, count).tolist()
    return Window(side, cell, left, top, max(right, left + 1), max(bottom, top + 1))


def head_support(canonical: Tensor, cells: Tensor, side: int) -> Tensor:
    """Return where an edit may reach (N, h, w, 1) in 0-1: the head and a little around it, never
    the crop's border.

    `canonical` (N, h, w, 2) are the canonical positions of `cells` (h, w, 2) px in a crop of `side`
    px.
    """
    x, y = canonical[..., 0] / 1.12, (canonical[..., 1] - 0.36) / 1.22
    radius = (x * x + y * y).sqrt()
    border = torch.minimum(cells, side - 1 - cells).amin(dim=-1) / side
    support = smoothstep(radius, *_RADII) * smoothstep(border, 0.015, 0.09)
    return support[..., None]


_RADII = (1.04, 0.78)
"""Elliptic radii at which an edit has ended and up to which it is whole; the jaw lies at about
0.75."""


def _inside(low: int, high: int, span: slice) -> tuple[int, int]:
    start = min(max(low, span.start), span.stop - 1)
    return start, min(max(high, start + 1), span.stop)
