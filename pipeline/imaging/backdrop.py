"""What a picture would show behind a person, near the outline: the room, continued inwards.

A pixel behind the person is given the colour of a pixel of the room just beyond the outline, along
the direction in which the room runs there. Along that direction an edge of the room looks the same
everywhere, so a straight line goes on straight; where the room has no direction, it is the one
across the outline. Directions come from the structure tensor (Bigün & Granlund, ICCV 1987) of what
is seen of the room, carried inwards by normalised convolution (Knutsson & Westin, CVPR 1993): level
edges along rows and upright ones along columns, so that neither bends the other where they cross.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
Cells = tuple[NDArray[np.intp], ...]
"""Rows and columns of some cells of a grid."""

_ALONG, _ASIDE = 0.08, 0.02
"""Sigmas by which edges of the room are carried along themselves, and to the side [outer eye
distances]."""
_NEAR: Final = 0.05
"""Sigma by which colours of the room are carried inwards [outer eye distances]."""
_HARDLY: Final = 1e-6
"""Share of what is near up to which the room is hardly seen in it."""
_PLAIN: Final = 0.004
"""Slope [levels 0–1 per cell] below which the room has no direction of its own."""
_LEAST_SLANT: Final = 0.3
"""Least cosine between the direction taken and the one across the outline: a line that hardly
leaves the person is not followed."""
_UNLIKE: Final = 1.0
"""By how much each squared difference in colour ([-1, 1]) to what is near makes a way less likely,
against the logarithm of the strength of its edges."""
_LEAD: Final = 2.0
"""How much likelier one of two ways must be to count alone, as a logarithm, from both ends."""
_CLEAR: Final = -1.5
"""Depth [cells] up to which nothing of the person's outline is in the slopes of a cell."""
_TRACED: Final = 4
"""Steps taken to find the outline."""
_OVERSTEP: Final = 1.3
"""Of each step: lines leave the person aslant, so the outline lies beyond its nearest point."""
_MARGIN: Final = 0.5
"""How far beyond the outline a pixel's colour is taken [cells]."""
_FADE: Final = 1.0
"""Over how many cells what is seen gives way to what is guessed."""
_LUMA: Final = np.array([[0.299, 0.587, 0.114]], np.float32) * 0.5
"""Of colours in [-1, 1], in levels 0–1 less a half."""
_ROW: Final = 4096
"""Places that are sampled in one row: OpenCV takes pictures of places, of at most 32767 px."""


@dataclass(frozen=True, slots=True)
class Backdrop:
    """The room behind one person, to be asked for anywhere near the outline."""

    picture: Floats
    """(h, w, 3)."""
    cell: int
    """Side of a cell of the grid that the rest is on [px]."""
    depth: Floats
    """(h / cell, w / cell) how far within the outline a cell lies [px], less than 0 outside."""
    ways: Floats
    """(2, …, 3) ways from a place to the room, along its level and along its upright edges: x and y
    [px], and how much (0–1) each counts."""
    colours: Floats
    """(h / cell / 2, w / cell / 2, 3) those near by, where nothing else is found."""

    @classmethod
    def of(
        cls, picture: Floats, small: Floats, depth: Floats, asked: Flags, *, eyes: float
    ) -> Backdrop:
        """Return the room in a picture.

        Args:
            picture: (h, w, 3) float32 [-1, 1].
            small: (h / cell, w / cell, 3) the same, means of cells; of whole numbers of them.
            depth: (h / cell, w / cell) how far each cell lies within what shows no room [px], less
                than 0 outside: from `depth_of`.
            asked: (h / cell, w / cell) bool, where the room will be asked for.
            eyes: distance of the outer eye corners [px].
        """
        cell = len(picture) // len(small)
        seen = (depth < _CLEAR * cell).astype(np.float32)
        colour = cv2.merge([small * seen[..., None], seen])
        colour = cv2.pyrDown(colour)
        colour = cv2.GaussianBlur(colour, (0, 0), 0.5 * _NEAR * eyes / cell)
        # Where no room is seen far and wide there is nothing to show but the picture itself.
        own = np.float32(_HARDLY) * cv2.pyrDown(small)
        colours = (colour[..., :3] + own) / (colour[..., 3:] + np.float32(_HARDLY))
        rows, columns = np.nonzero(asked)
        search = _Search(depth / np.float32(cell), small, colours, (rows, columns))
        tensors = _carried(cv2.transform(small, _LUMA), seen, (rows, columns), eyes / cell)
        return cls(picture, cell, depth, search.ways(tensors, cell), colours)

    def seen(self, pixels: Floats, x: Floats, y: Floats, bare: Floats) -> Floats:
        """Return the room's colours (P, 3) at places (P,): the picture's own (P, 3), or what is
        behind the person where that is deeper within the outline than `bare` (P,) [px]."""
        depth = sampled(self.depth, x, y, self.cell)
        hidden = np.clip((depth - bare) / np.float32(_FADE * self.cell) + np.float32(0.5), 0, 1)
        behind = np.flatnonzero(hidden)
        room = pixels.copy()
        if len(behind):
            found = self.at(x[behind], y[behind])
            room[behind] += hidden[behind, None] * (found - room[behind])
        return room

    def at(self, x: Floats, y: Floats) -> Floats:
        """Return the room's colours (P, 3) at places (P,) [px] within the outline."""
        ways = [sampled(way, x, y, self.cell).T for way in self.ways]
        total = ways[0][2] + ways[1][2]
        found = sampled(self.colours, x, y, 2 * self.cell) * np.maximum(1 - total, 0)[:, None]
        for along_x, along_y, share in ways:
            there = sampled(self.picture, x + along_x, y + along_y, 1, cv2.INTER_LINEAR)
            found += (share / np.maximum(total, 1))[:, None] * there
        return np.asarray(found, np.float32)


def depth_of(person: Flags, cell: int, rim: float) -> Floats:
    """Return how far cells (h, w) lie within a person and a rim round it [px], less than 0 outside,
    smooth; `person` (h, w) bool, `cell` and `rim` [px]."""
    within, beyond = (
        cv2.distanceTransform(part.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
        for part in (person, ~person)
    )
    # Without a person, or without a room, all is infinitely far from the outline.
    far = np.float32(sum(person.shape))
    smooth = cv2.GaussianBlur(np.minimum(within, far) - np.minimum(beyond, far), (0, 0), 1.0)
    return np.asarray(smooth * np.float32(cell) + np.float32(rim), np.float32)


def sampled(values: Floats, x: Floats, y: Floats, cell: int = 1, kind: int | None = None) -> Floats:
    """Return values (h, w) or (h, w, C) of a grid of cells of some px at places (P,) [px].

    Cubic between pixels, linear between larger cells, unless OpenCV's `kind` is given; beyond the
    grid those of its border.
    """
    if not len(x):
        return np.zeros((0, *values.shape[2:]), np.float32)
    rows = -(-len(x) // _ROW)
    at = np.zeros((2, rows * min(len(x), _ROW)), np.float32)
    at[0, : len(x)], at[1, : len(x)] = x, y
    if cell > 1:
        at += np.float32(0.5)
        at /= np.float32(cell)
        at -= np.float32(0.5)
    if kind is None:
        kind = cv2.INTER_LINEAR if cell > 1 else cv2.INTER_CUBIC
    map_x, map_y = at.reshape(2, rows, -1)
    out = cv2.remap(values, map_x, map_y, kind, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(out, np.float32).reshape(-1, *values.shape[2:])[: len(x)]


def _carried(luma: Floats, seen: Floats, at: Cells, eyes: float) -> tuple[Floats, Floats]:
    """Return structure tensors (P, 3: xx, xy, yy) of the level and of the upright edges of what is
    seen (h, w) of a picture (h, w), carried to some cells."""
    x = cv2.Sobel(luma, cv2.CV_32F, 1, 0, scale=1 / 8)
    y = cv2.Sobel(luma, cv2.CV_32F, 0, 1, scale=1 / 8)
    tensor = cv2.merge([x * x, x * y, y * y])
    xx, xy, yy = cv2.split(cv2.GaussianBlur(tensor, (0, 0), 1.0))
    total = xx + yy + np.float32(1e-9)
    level = yy * yy / (xx * xx + yy * yy + np.float32(1e-12))
    # Where edges meet they have no direction.
    coherent = ((xx - yy) ** 2 + 4 * xy * xy) / (total * total)
    tensor *= (seen * coherent * coherent)[..., None]
    long, short = _ALONG * eyes, max(_ASIDE * eyes, 0.5)
    parts = tensor * level[..., None], tensor * (1 - level)[..., None]
    wide = (_spread(p, seen, s) for p, s in zip(parts, ((long, short), (short, long)), strict=True))
    some = (np.asarray(w[at], np.float32) for w in wide)
    one, other = (np.asarray(s[:, :3] / np.maximum(s[:, 3:], 1e-3), np.float32) for s in some)
    return one, other


def _spread(tensor: Floats, seen: Floats, sigmas: tuple[float, float]) -> Floats:
    """Return a tensor (h, w, 3) and what is seen (h, w) of it, (h, w, 4), under a Gaussian of two
    sigmas."""
    # Two boxes of width w are about a Gaussian of variance (w² - 1) / 6.
    x, y = (2 * round(0.5 * (np.sqrt(6 * sigma**2 + 1) - 1)) + 1 for sigma in sigmas)
    once = cv2.blur(cv2.merge([tensor, seen]), (x, y), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.blur(once, (x, y), borderType=cv2.BORDER_REPLICATE), np.float32)


@dataclass(frozen=True, slots=True)
class _Search:
    """The search for ways to the room, in cells."""

    depth: Floats
    """(h, w) [cells]."""
    small: Floats
    """(h, w, 3) the picture."""
    colours: Floats
    """(h / 2, w / 2, 3) the room's colours near by."""
    at: Cells
    """Where ways are looked for."""

    def ways(self, tensors: Sequence[Floats], cell: int) -> Floats:
        """Return the ways to the room (2, h, w, 3) [px of which a cell has some], along the edges
        of two tensors (P, 3)."""
        smooth = cv2.GaussianBlur(self.depth, (0, 0), 1.5)
        out = [-cv2.Sobel(smooth, cv2.CV_32F, *axis)[self.at] for axis in ((1, 0), (0, 1))]
        near = sampled(self.colours, *self._places(), 2)
        found, lead = [], np.zeros(self.depth.shape, np.float32)
        for sign, tensor in zip((1, -1), tensors, strict=True):
            values = np.ascontiguousarray(tensor.T)
            way, colour = self._traced(*_directions(*values, *out))
            strong = np.log(values[0] + values[2] + np.float32(_PLAIN**2))
            lead[self.at] += sign * (strong - _UNLIKE * np.square(colour - near).sum(-1))
            found.append(way)
        # Neighbours go the same way, unless there is reason not to.
        lead = cv2.GaussianBlur(lead, (0, 0), 1.0)[self.at]
        level = np.clip(0.5 + lead / _LEAD, 0, 1)
        found[0][:, 2] *= level
        found[1][:, 2] *= 1 - level
        ways = np.zeros((2, *self.depth.shape, 3), np.float32)
        for way, some in zip(ways, found, strict=True):
            way[self.at] = some * np.array([cell, cell, 1], np.float32)
        return ways

    def _places(self) -> tuple[Floats, Floats]:
        return self.at[1].astype(np.float32), self.at[0].astype(np.float32)

    def _traced(self, along_x: Floats, along_y: Floats) -> tuple[Floats, Floats]:
        """Return the ways along unit vectors (P,), (P, 3), and the colours they lead to (P, 3)."""
        x, y = self._places()
        steps = np.zeros_like(x)

        def there(values: Floats) -> Floats:
            return sampled(values, x + along_x * steps, y + along_y * steps, 1, cv2.INTER_LINEAR)

        for _ in range(_TRACED):
            steps += _OVERSTEP * np.maximum(there(self.depth), 0)
        steps = np.maximum(steps + there(self.depth), 0) + np.float32(_MARGIN)
        # What lies along a line may be another part of the person.
        clear = np.clip(0.5 - there(self.depth), 0, 1)
        return np.stack([along_x * steps, along_y * steps, clear], -1), there(self.small)


def _directions(
    xx: Floats, xy: Floats, yy: Floats, out_x: Floats, out_y: Floats
) -> tuple[Floats, Floats]:
    """Return x and y (P,) of the unit vectors along which least changes, out of the person.

    `xx`, `xy`, `yy` (P,) are structure tensors, `out_x`, `out_y` (P,) point out of the person. A
    change along the outline is added, so that what has no direction gets the one across it.
    """
    length = np.sqrt(out_x * out_x + out_y * out_y) + np.float32(1e-6)
    out_x, out_y = out_x / length, out_y / length
    plain = np.float32(_PLAIN**2)
    xx, xy, yy = xx + plain * out_y**2, xy - plain * out_x * out_y, yy + plain * out_x**2
    # The eigenvector of the lesser eigenvalue, from the row of the matrix that tells it better.
    half = np.float32(0.5) * (xx - yy)
    root = np.sqrt(half * half + xy * xy)
    level = half < 0
    x = np.where(level, root - half, -xy)
    y = np.where(level, -xy, root + half)
    length = np.sqrt(x * x + y * y) + np.float32(1e-12)
    x, y = x / length, y / length
    slant = x * out_x + y * out_y
    turn = np.where(slant < 0, np.float32(-1), np.float32(1))
    lacking = 2 * np.maximum(np.float32(_LEAST_SLANT) - np.abs(slant), 0)
    x, y = turn * x + lacking * out_x, turn * y + lacking * out_y
    length = np.sqrt(x * x + y * y) + np.float32(1e-12)
    return x / length, y / length
