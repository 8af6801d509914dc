"""The part of a crop in which hair is looked for, in cells, and what its parsing says of them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..parsing import LABELS, Label, Parsing
from .tones import Floats

WIDER = 2.0
"""Side of the map of where hair is (`HairPlace`), in sides of the parsing's square."""
RIM = (1.0, 0.9)
"""Places in the parsing's square (its edge is at 1) at which its shares count for nothing, and
fully: at its edge a network sees only half of what is around."""
OVER = 0.08
"""How much further its shares count upwards."""
_ANY = 0.03
"""Shares of hair below which a place need not be looked at."""
_BESIDE = 0.12
"""How far beside such places is looked [outer eye distances]."""
_EYES_TO_CHIN = (0.0, 0.6)
"""Places down the parsing's square: below the eyes, above the chin."""
_WAVERS_ABOVE, _WAVERS_BELOW = (0.1, 0.4), (0.5, 0.9)
"""Hair as a share of hair and cloth from which a place begins to count as hair, and does: beside
the eyes and higher, and from the chin down."""


def cell_of(eyes: float) -> int:
    """Return the side of a cell [px] for a size of the face [px]."""
    return 2 if eyes < 110 else 4 if eyes < 260 else 8


@dataclass(frozen=True, slots=True)
class Cells:
    """A window of a crop in cells that are the same whatever the window."""

    picture: Floats
    """(3, h, w) RGB in [-1, 1], the window's pixels."""
    parsing: Parsing
    """Of one face."""
    rows: slice
    columns: slice
    """[px] of the crop; whole and even numbers of cells."""
    cell: int
    """Side of a cell [px]."""
    eyes: float
    """Size of the face, the distance of its outer eye corners [px]."""

    @classmethod
    def of(
        cls, picture: Floats, parsing: Parsing, eyes: float, where: Floats | None = None
    ) -> Cells | None:
        """Return the window of a crop (3, S, S) that holds all hair; None if there is none.

        Args:
            picture: RGB in [-1, 1].
            parsing: of one face.
            eyes: size of the face [px].
            where: map of hair beside the square (see `HairPlace`); None: the whole crop is taken.
        """
        cell, side = cell_of(eyes), picture.shape[-1]
        step = 2 * cell
        low, high = np.zeros(2), np.full(2, side)
        if where is not None:
            box = _box(parsing, where)
            if box is None:
                return None
            low, high = box[0] - _BESIDE * eyes, box[1] + _BESIDE * eyes
        first = np.clip(np.floor(low / step), 0, side // step).astype(int) * step
        last = np.clip(np.ceil(high / step), 0, side // step).astype(int) * step
        if (last <= first).any():
            return None
        columns, rows = (slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
        return cls(picture[:, rows, columns], parsing, rows, columns, cell, eyes)

    @property
    def count(self) -> tuple[int, int]:
        """Return how many cells there are down and across."""
        return self.picture.shape[1] // self.cell, self.picture.shape[2] // self.cell

    def shares(self, *labels: Label) -> Floats:
        """Return the parsing's share of labels in each cell, (h, w) 0–1."""
        chosen = [LABELS.index(label) for label in labels]
        return self.at_cells(self.parsing.shares[:, chosen].sum(1, keepdim=True))

    def hair(self, least: Floats | None = None, most: Floats | None = None) -> Floats:
        """Return the share of hair of each cell, by the parsing and where it lies, (h, w) 0–1.

        `least`, `most`: (G, G) 0–1 on the parsing's grid, between which it is held.
        """
        share = hair_of(self.parsing)
        if most is not None:
            share = torch.minimum(share, torch.from_numpy(most).to(share))
        if least is not None:
            share = torch.maximum(share, torch.from_numpy(least).to(share))
        return self.at_cells(share)

    def trust(self) -> Floats:
        """Return how far the parsing counts in each cell, (h, w) 0–1: nothing beyond its square."""
        across, down = self.places().unbind(-1)
        # Over the square there is next to no hair, and what is at its upper edge goes on.
        place = torch.maximum(torch.maximum(across.abs(), down), -down - OVER).numpy()
        return np.asarray(np.clip((RIM[0] - place) / (RIM[0] - RIM[1]), 0, 1), np.float32)

    def places(self) -> Tensor:
        """Return where the cells lie in the parsing's square, (h, w, 2)."""
        y, x = (torch.from_numpy(line) for line in self.middles())
        at = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)
        matrix = self.parsing.crop_to_grid[0].cpu()
        return at @ matrix[:, :2].T + matrix[:, 2]

    def middles(self) -> tuple[Floats, Floats]:
        """Return the rows (h,) and columns (w,) of the middles of the cells [crop px]."""
        centre = np.float32(0.5 * (self.cell - 1))
        rows, columns = (
            np.arange(span.start, span.stop, self.cell, dtype=np.float32) + centre
            for span in (self.rows, self.columns)
        )
        return rows, columns

    def at_cells(self, values: Tensor) -> Floats:
        """Return values (1, 1, G, G) on the parsing's grid in each cell, (h, w)."""
        rows, columns = (slice(s.start + self.cell // 2, s.stop) for s in (self.rows, self.columns))
        found = self.parsing.sampled(values, rows, columns, self.cell)
        return np.asarray(found[0, 0].cpu().numpy())

    def colours(self) -> Floats:
        """Return the mean colours of the cells, (3, h, w) in [-1, 1]."""
        size = self.count[::-1]
        small = [cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in self.picture]
        return np.stack(small)


def hair_of(parsing: Parsing, wider: float = 1.0) -> Tensor:
    """Return the share of hair on the parsing's grid, (N, 1, G, G) 0–1; `wider`: how many times as
    large as usual its square is.

    Dark cloth and dark hair are taken for each other. Where the parsing wavers between both, a
    place beside or over the eyes is hair (over a hat it does not waver), and one below the chin is
    cloth.
    """
    hair, cloth = (parsing.shares[:, [LABELS.index(name)]] for name in ("hair", "clothes"))
    side = hair.shape[-1]
    line = (torch.arange(side, dtype=hair.dtype, device=hair.device) + 0.5) * 2 / side - 1
    line = line * wider
    low = ((line - _EYES_TO_CHIN[0]) / (_EYES_TO_CHIN[1] - _EYES_TO_CHIN[0])).clamp(0, 1)[:, None]
    first = _WAVERS_ABOVE[0] + low * (_WAVERS_BELOW[0] - _WAVERS_ABOVE[0])
    last = _WAVERS_ABOVE[1] + low * (_WAVERS_BELOW[1] - _WAVERS_ABOVE[1])
    both = hair + cloth
    t = ((hair / both.clamp(min=1e-6) - first) / (last - first)).clamp(0, 1)
    return both * t * t * (3 - 2 * t)


def _box(parsing: Parsing, where: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the corners (x, y) [crop px] of what holds all hair; None without any."""
    share = hair_of(parsing)[0, 0].cpu().numpy()
    places = []
    for found, scale in ((share > _ANY, 1.0), (where > _ANY, WIDER)):
        x, y = (np.flatnonzero(found.any(axis)) for axis in (0, 1))
        if len(x):
            ends = np.array([[x[0], x[-1] + 1], [y[0], y[-1] + 1]]) * 2 / len(found) - 1
            places += [scale * np.array([a, b]) for a in ends[0] for b in ends[1]]
    if not places:
        return None
    matrix = parsing.crop_to_grid[0].cpu().double().numpy()
    corners = np.linalg.solve(matrix[:, :2], (np.stack(places) - matrix[:, 2]).T).T
    return corners.min(0), corners.max(0)
