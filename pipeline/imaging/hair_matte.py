"""How much of every pixel is hair, in the crop of a face that has been parsed.

Inside the square of the parsing its shares tell; long hair leaves that square. What lies beyond is
told by where hair was found over the whole shot, in the face's own frame. Colours seen over the
shot then part hair from what is beside it, and the edge, strand by strand, is each frame's own
(`matted`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..parsing import LABELS, Label, Parsing
from .tones import Floats, smoothstep

WIDER = 2.0
"""Side of the map of where hair is, in sides of the parsing's square."""
MAP_SIDE = 96
"""Cells of that map along both axes."""
_SHIFT = 3
BINS = 256 >> _SHIFT
"""Of colours, along each channel."""
_FAINT = 0.02
"""What any colour has beside what was seen of it, as a share of a bin's mean: a colour that was
never seen is not told by the little that spills over from its neighbours."""

_RIM = (1.0, 0.9)
"""Places in the parsing's square (its edge is at 1) at which its shares count for nothing, and
fully: at its edge a network sees only half of what is around."""
_ANY = 0.03
"""Shares of hair below which a place need not be looked at."""
_BESIDE = 0.12
"""How far beside such places is looked [outer eye distances]."""
_EVIDENCE = 0.025
"""Sigma of what colours say [outer eye distances]."""
_DECIDED = (0.25, 0.6)
"""Shares of hair, by place and colour, that are none, and all."""
_EDGE = 0.04
"""How wide an edge is: beyond that all is hair, or none [outer eye distances]."""
_ALIKE = 0.16
"""Distance of two colours ([-1, 1]) that can hardly be told apart."""
_SURELY, _POSSIBLY = (0.9, 1.0), (0.0, 0.12)
"""Shares around a pixel that make it hair whatever its colour, and without which it is none."""
_LEAST, _MOST = 0.08, 0.92
"""Shares of a pixel that count for nothing, and for all."""
_HARDLY = (0.04, 0.2)
"""Shares of hair that count for none, and that colours may raise."""

_SEED = (0.5, 0.85)
"""Shares in the square from which hair begins to be followed out of it, and is."""
_LIKELY = (0.5, 0.9)
"""Likeness of colours along which hair is not followed, and is."""
_FOLLOWED = 1.5
"""How far hair is followed [outer eye distances]."""
_KEPT = 0.6
"""Of what is found, after that way: what is far away is less certain."""
_OFTEN = (0.3, 0.7)
"""Shares of frames in which a place shows hair that count for nothing, and fully."""
_ACROSS, _ABOVE, _BELOW = (1.5, 1.2), (-1.25, -1.1), (1.95, 1.7)
"""Places in sides of the square from its middle (x 2) where hair ends to be looked for, and where
it is fully: long hair hangs down."""


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
        rows, columns = (slice(s.start + self.cell // 2, s.stop) for s in (self.rows, self.columns))
        share = self.parsing.share(*labels, rows=rows, columns=columns, step=self.cell)
        return np.asarray(share[0, 0].cpu().numpy())

    def trust(self) -> Floats:
        """Return how far the parsing counts in each cell, (h, w) 0–1: nothing beyond its square."""
        place = self.places().abs().amax(-1).numpy()
        return np.asarray(np.clip((_RIM[0] - place) / (_RIM[0] - _RIM[1]), 0, 1), np.float32)

    def places(self) -> Tensor:
        """Return where the cells lie in the parsing's square, (h, w, 2)."""
        centre = 0.5 * (self.cell - 1)
        y, x = (
            torch.arange(s.start, s.stop, self.cell, dtype=torch.float32) + centre
            for s in (self.rows, self.columns)
        )
        at = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)
        matrix = self.parsing.crop_to_grid[0].cpu()
        return at @ matrix[:, :2].T + matrix[:, 2]

    def colours(self) -> Floats:
        """Return the mean colours of the cells, (3, h, w) in [-1, 1]."""
        size = self.count[::-1]
        small = [cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in self.picture]
        return np.stack(small)


def _box(parsing: Parsing, where: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the corners (x, y) [crop px] of what holds all hair; None without any."""
    share = parsing.shares[0, LABELS.index("hair")].cpu().numpy()
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


@dataclass(frozen=True, slots=True)
class HairPlace:
    """Where hair is beside the parsing's square, over a shot, and what colours it has."""

    like: Floats
    """(BINS, BINS, BINS) 0–1: how much more a colour (red, green, blue) is seen in hair than
    elsewhere, as a share of both."""
    where: Floats
    """(MAP_SIDE, MAP_SIDE) 0–1, over a square `WIDER` than the parsing's: how often hair."""

    def share(self, window: Cells) -> Floats:
        """Return the share of hair of the cells of a window, (h, w) 0–1."""
        trust = window.trust()
        share = np.asarray(trust * window.shares("hair"), np.float32)
        if self.where.any():
            at = window.places()[None] / WIDER
            map_ = torch.from_numpy(self.where)[None, None]
            beside = F.grid_sample(map_, at, align_corners=False)[0, 0].numpy()
            share += (1 - trust) * beside
        # A strand that shines is told by those beside it.
        sigma = _EVIDENCE * window.eyes / window.cell
        likeness = cv2.GaussianBlur(looked_up(self.like, window.colours()), (0, 0), sigma)
        return smoothstep(posterior(share, likeness), *_DECIDED)


def matted(window: Cells, share: Floats) -> tuple[Floats, Floats]:
    """Return the matte of hair in a window, (h, w) 0–1, and the hair alone, (3, h, w) in [-1, 1].

    A pixel along the edge is a mixture of hair and of what is behind or before it. Its share of
    hair is how far its colour lies on the way from the colours beyond the edge to those within (the
    projection of Bayesian matting, Chuang et al., CVPR 2001, without its spreads); where both look
    alike, the share of its cell. All else in the pixel has to stay as it is when the hair changes:
    so the hair alone has, along the edge, the colours within.

    Args:
        window: of a crop.
        share: (h, w) 0–1 of its cells.
    """
    colours, reach = window.colours().transpose(1, 2, 0), _EDGE * window.eyes / window.cell
    hair = _around(colours, share, reach)
    others = _around(colours, 1 - share, reach)
    way = hair - others
    length = np.einsum("hwc,hwc->hw", way, way)
    way /= (length + np.float32(_ALIKE**2))[..., None]
    told = length / (length + np.float32(_ALIKE**2))
    level = (1 - told) * share - np.einsum("hwc,hwc->hw", way, others)
    size = window.picture.shape[:0:-1]
    red, green, blue, level = (
        cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR)
        for plane in (*way.transpose(2, 0, 1), level)
    )
    pixels = window.picture
    found = red * pixels[0] + green * pixels[1] + blue * pixels[2] + level
    soft = cv2.GaussianBlur(share, (0, 0), max(0.5 * reach, 0.5))
    low, high = (
        cv2.resize(smoothstep(soft, *ends), size, interpolation=cv2.INTER_LINEAR)
        for ends in (_SURELY, _POSSIBLY)
    )
    matte = np.clip(np.clip((found - _LEAST) / (_MOST - _LEAST), low, high), 0, 1)
    within = cv2.resize(hair, size, interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1)
    return matte, pixels + (1 - matte * matte) * (within - pixels)


def _around(colours: Floats, share: Floats, reach: float) -> Floats:
    """Return the mean colour of a part near every cell (h, w, 3), from well within it."""
    side = 2 * max(round(reach), 1) + 1
    deep = cv2.erode(share, np.ones((side, side), np.uint8), borderValue=1)
    weight = np.square(np.square(deep)) + np.float32(1e-2) * np.square(np.square(share))
    both = cv2.merge([*(colours[..., k] * weight for k in range(3)), weight])
    both = cv2.GaussianBlur(both, (0, 0), max(1.5 * reach, 1.0))
    return np.asarray(both[..., :3] / (both[..., 3:] + np.float32(1e-5)))


def posterior(share: Floats, likeness: Floats) -> Floats:
    """Return shares of hair (h, w) once colours have been looked at, by Bayes' rule."""
    hair, other = share * likeness, (1 - share) * (1 - likeness)
    raised = hair / np.maximum(hair + other, 1e-6)
    return np.asarray(raised * smoothstep(share, *_HARDLY), np.float32)


def counted(colours: Floats, part: NDArray[np.bool_]) -> Floats:
    """Return how many of some cells (h, w) have each colour (3, h, w): (BINS, BINS, BINS)."""
    counts = np.bincount(_index(colours)[part], minlength=BINS**3)
    return counts.reshape(BINS, BINS, BINS).astype(np.float32)


def _index(colours: Floats) -> NDArray[np.int32]:
    red, green, blue = (
        (cv2.convertScaleAbs(c + 1, alpha=127.5) >> _SHIFT).astype(np.int32) for c in colours
    )
    return np.asarray((red * BINS + green) * BINS + blue)


def likeness_of(hair: Floats, others: Floats) -> Floats:
    """Return how much more each colour is seen in hair than elsewhere, from counts of both."""
    of_hair, of_others = (_spread(c) / max(float(c.sum()), 1e-6) for c in (hair, others))
    faint = np.float32(_FAINT / BINS**3)
    return np.asarray((of_hair + faint / 2) / (of_hair + of_others + faint), np.float32)


def _spread(counts: Floats) -> Floats:
    """Return counts blurred over neighbouring colours."""
    for axis in range(3):
        turned = np.ascontiguousarray(np.moveaxis(counts, axis, 0)).reshape(BINS, -1)
        soft = cv2.GaussianBlur(turned, (1, 9), 0, sigmaY=1.2, borderType=cv2.BORDER_REPLICATE)
        counts = np.moveaxis(soft.reshape(BINS, BINS, BINS), 0, axis)
    return np.ascontiguousarray(counts)


def looked_up(like: Floats, colours: Floats) -> Floats:
    """Return what a table of likeness says of colours (3, h, w): (h, w) 0–1."""
    return like.ravel()[_index(colours)]


def followed(window: Cells, like: Floats) -> Floats:
    """Return where hair is in a window (h, w) 0–1, followed from the parsing's square outwards.

    Hair beyond the square hangs together with hair inside it: a reconstruction by dilation
    (Vincent, "Morphological grayscale reconstruction in image analysis", 1993).
    """
    trust = window.trust()
    certain = smoothstep(window.shares("hair"), *_SEED)
    likely = smoothstep(looked_up(like, window.colours()), *_LIKELY)
    limit = np.asarray(trust * certain + (1 - trust) * likely, np.float32)
    steps = max(round(_FOLLOWED * window.eyes / window.cell), 1)
    kept = np.float32(_KEPT ** (1 / steps))
    found, kernel = np.asarray(trust * certain, np.float32), np.ones((3, 3), np.uint8)
    for _ in range(steps):
        found = np.maximum(found, np.minimum(cv2.dilate(found, kernel) * kept, limit))
    return found


def on_map(found: Floats, window: Cells) -> Floats:
    """Return shares of the cells of a whole crop on the map round the face."""
    line = _map_line()
    matrix = window.parsing.crop_to_grid[0].cpu().double().numpy()
    back = np.linalg.inv(matrix[:, :2])
    at = np.stack(np.meshgrid(line, line)) - matrix[:, 2, None, None]
    pixels = np.einsum("ij,jhw->ihw", back, at)
    x, y = ((pixels + 0.5) / window.cell - 0.5).astype(np.float32)
    return np.asarray(cv2.remap(found, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT))


def averaged(maps: Sequence[Floats]) -> Floats:
    """Return where hair is, from the maps of some frames: 0 where long hair cannot be."""
    often = smoothstep(np.mean(maps, axis=0).astype(np.float32), *_OFTEN)
    line = _map_line()
    across = smoothstep(np.abs(line), *_ACROSS)
    down = np.minimum(smoothstep(line, *_ABOVE), smoothstep(line, *_BELOW))
    where = often * across[None, :] * down[:, None]
    beyond = np.maximum(np.abs(line)[None, :], np.abs(line)[:, None]) > _RIM[1]
    return np.asarray(where * beyond, np.float32)


def _map_line() -> Floats:
    """Return the places of the map's cells along an axis, in the parsing's square."""
    at = (np.arange(MAP_SIDE, dtype=np.float32) + 0.5) * (2 / MAP_SIDE) - 1
    return np.asarray(WIDER * at, np.float32)
