"""Drawing retouch into a frame: the frame's own detail, scaled by maps that landmarks carry to it.

Pores, folds and grain are fine; what says where skin is, how much is asked, what is wide and what
colour has is not. So only log luma is looked at pixel by pixel (of a large face in blocks no wider
than the finest Gaussian), all else in cells of a few pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..parsing import Label, Parsing
from .detail import BROAD, FINE, FOLD_COLOUR, MIDDLE, factors_of, log_luma, scaled, tinted, within
from .face_frame import centres, in_crop
from .retouching import SHINE, Gain, Maps, Skin
from .sampling import blurred, enlarged, looked_up
from .skin_maps import GLOSS, ratios

Part = tuple[slice, slice]
Impl = Literal["fast", "ref"]

_BEFORE: Final[tuple[Label, ...]] = ("front", "hair", "background", "clothes")
"""What is no face, in a single frame."""
_BEFORE_SURE: Final = (0.25, 0.7)
_CELLS: Final = 80
"""Cells between the outer eye corners at least, or about."""
_NO_FOLD: Final = 0.4
"""Depth in log luma at which detail is half taken for what it can hardly be, a fold: strands of
hair, lashes, rims and moles are deeper."""
_LESS: Final = (0.75, 1.0)
_MORE: Final = (1.0, 2.0)
"""Gains up to which those of several retouches add up, and what they never reach."""
_ADDED: Final = (0.35, 0.5)
"""The same of changes of log luma."""
_WHITE: Final = -0.06
"""Log luma that light added to skin does not pass: its red is at its end before."""
_FOLD_TINT: Final = (FOLD_COLOUR[0] - FOLD_COLOUR[1], FOLD_COLOUR[2] - FOLD_COLOUR[1])


def drawn(
    image: Tensor,
    landmarks: NDArray[np.floating],
    skin: Skin,
    maps: Maps,
    *,
    parsing: Parsing | None = None,
    folds: float = 1.0,
    impl: Impl = "fast",
) -> tuple[Part, Tensor, Tensor] | None:
    """Return the part of a crop that changes: its place, (1, 3, h, w) RGB, (1, 1, h, w) mask.

    Args:
        image: (1, 3, S, S) RGB in [-1, 1].
        landmarks: (68, 2) [crop px].
        skin, maps: what is known of the face, and what is asked of it.
        parsing: of this crop; what it shows before the face stays.
        folds: 0–1 share of the folds to add.
        impl: `ref` computes everything of every pixel.

    None if the face lies outside of the crop.
    """
    face = centres(landmarks)
    eyes_px = float(np.linalg.norm(face[45] - face[36]))
    block, cell = (1, 1) if impl == "ref" else _steps(eyes_px)
    part = _part(face, image.shape[-1], cell)
    if part is None:
        return None
    inside = image[:, :, part[0], part[1]]
    at = in_crop(landmarks, *part, cell).to(image.device, non_blocking=True)
    view = _View(inside, at, skin.open, eyes_px, block, cell, impl, parsing, part)
    change, tint = view.changed(maps, folds)
    factors = factors_of(change, None if tint is None else view.fine(tinted(tint)))
    image = scaled(inside, enlarged(factors, block, impl=impl)).clamp_(-1, 1)
    return part, image, enlarged((4 * view.bare).clamp_(max=1), cell, impl=impl)


def _steps(eyes_px: float) -> tuple[int, int]:
    """Return the sides of blocks and of cells [px], these a multiple of those."""
    block = max(1, round(FINE * eyes_px))
    return block, block * max(1, round(eyes_px / _CELLS / block))


def _part(face: NDArray[np.float64], side: int, cell: int) -> Part | None:
    """Return the rows and columns of a crop that hold a face, off its border, in whole cells."""
    low = np.floor(face.min(0)).astype(int).clip(1, side - 1)
    size = (np.ceil(face.max(0)).astype(int).clip(1, side - 1) - low) // cell * cell
    if size.min() < 8:
        return None
    (x, y), (width, height) = low.tolist(), size.tolist()
    return slice(y, y + height), slice(x, x + width)


@dataclass(eq=False)
class _View:
    """The part of a crop that holds a face, in blocks and in cells."""

    picture: Tensor
    """(1, 3, h, w) RGB in [-1, 1]."""
    at: Tensor
    """(1, h / cell, w / cell, 2) where in maps the cells lie, as `grid_sample` reads it."""
    open: Tensor
    """Map (1, 1, M, M) 0–1 of open skin."""
    eyes_px: float
    block: int
    cell: int
    impl: Impl
    parsing: Parsing | None
    part: Part

    @cached_property
    def bare(self) -> Tensor:
        """Cells (1, 1, …) 0–1: bare skin with nothing before it."""
        bare = self.carried(self.open)
        if self.parsing is None:
            return bare
        before = self.parsing.of(*_BEFORE)
        there = self.parsing.sampled(before, *self.part, self.cell, middle=True)
        t = ((there - _BEFORE_SURE[0]) / (_BEFORE_SURE[1] - _BEFORE_SURE[0])).clamp_(0, 1)
        return bare * (1 - t * t * (3 - 2 * t))

    @cached_property
    def luma(self) -> Tensor:
        """Blocks (1, 1, …) of log luma."""
        return log_luma(_averaged(self.picture, self.block))

    @cached_property
    def luma_of_cells(self) -> Tensor:
        return _averaged(self.luma, self.cell // self.block)

    @cached_property
    def fine_luma(self) -> Tensor:
        """Blocks (1, 1, …) of log luma without pores and grain."""
        return self.soft(self.luma, FINE, self.block)

    @cached_property
    def middle(self) -> Tensor:
        """Cells (1, 1, …): what folds are on."""
        return self.around(self.luma_of_cells, self.bare, MIDDLE, self.cell)

    @cached_property
    def wide(self) -> Tensor:
        """Cells (1, 1, …): the band of bags and broad shine."""
        return self.middle - self.around(self.luma_of_cells, self.bare, BROAD, self.cell)

    @cached_property
    def colours(self) -> Tensor:
        """Cells (1, 2, …) of log ratios."""
        return ratios(_averaged(self.picture, self.cell))

    def carried(self, maps: Tensor, *, finely: bool = False) -> Tensor:
        """Return maps (1, C, M, M) in cells, or in blocks."""
        at = self.at
        if finely and self.cell > self.block:
            at = self.fine(at.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return looked_up(maps.to(at.device, non_blocking=True), at, impl=self.impl)

    def fine(self, cells: Tensor) -> Tensor:
        """Return cells as blocks."""
        return enlarged(cells, self.cell // self.block, impl=self.impl)

    def soft(self, values: Tensor, sigma: float, side: int) -> Tensor:
        """Return values, averaged over `side` px, under a Gaussian of sigma [E]."""
        # Averaging is a blur of its own, of variance (side² - 1) / 12.
        left = max((sigma * self.eyes_px) ** 2 - (side**2 - 1) / 12, 0.0) ** 0.5 / side
        return blurred(values, left, impl=self.impl)

    def around(self, values: Tensor, share: Tensor, sigma: float, side: int) -> Tensor:
        """Return the mean of values around [E] over where a share says that they count."""
        return within(values, share, sigma * self.eyes_px / side, impl=self.impl)

    def changed(self, maps: Maps, folds: float) -> tuple[Tensor, Tensor | None]:
        """Return the change of log luma in blocks, and that of log ratios in cells, if any."""
        bare = self.fine(self.bare)
        change = torch.zeros_like(self.luma) if maps.gains is None else self._gained(maps.gains)
        if maps.added is not None:
            added = self.carried(folds * maps.added, finely=True)
            change += self._below_white(soft_end(added, *_ADDED)) * bare
        tint = None if maps.patches is None else self.carried(maps.patches) * self.bare
        if maps.shine is not None:
            tint = _sum(tint, self._dulled(maps.shine))
        if maps.spots is not None:
            filled, colour = self._filled(maps.spots)
            change += filled
            tint = _sum(tint, colour)
        return change, tint

    def _gained(self, gains: Sequence[Gain]) -> Tensor:
        """Return the change of log luma in blocks that gains of the bands make."""
        bare = self.bare
        own = bare.new_zeros(1, 4, *bare.shape[2:])
        for gain in gains:
            by = torch.tensor(gain.of).to(bare.device, non_blocking=True)[None, :, None, None]
            own += by if gain.where is None else by * self.carried(gain.where)
        own = _gains_together(own, gains)
        middle, wide = self.middle, self.wide * self.bare
        change = own[:, 2:3] * wide.clamp_max(0) + own[:, 3:] * wide.clamp_min(0)
        cells = torch.cat([own[:, :2] * bare.square(), middle, soft_end(change, *_ADDED)], 1)
        shadows, lights, around, out = self.fine(cells).tensor_split(4, 1)
        fold = self.fine_luma - around
        skin_deep = fold.square().mul_(1 / _NO_FOLD**2).square_().add_(1).reciprocal_().mul_(fold)
        out = out.addcmul(shadows, skin_deep.clamp_max(0)).addcmul_(lights, skin_deep.clamp_min(0))
        brightens = any(of > 0 for gain in gains for of in gain.of[1::2])
        return self._below_white(out) if brightens else out

    def _below_white(self, change: Tensor) -> Tensor:
        """Return a change in blocks with what it adds ending softly before white."""
        room, added = (_WHITE - self.fine_luma).clamp_min_(1e-3), change.clamp_min(0)
        steep = (added / room).square_().add_(1).rsqrt_()
        return change.clamp_max(0).addcmul_(added, steep)

    def _dulled(self, shares: Tensor) -> Tensor:
        """Return the change of log ratios in cells that gives gloss the colour of the skin around,
        shares of it as a map."""
        fold, wide = (band.clamp_min(0) for band in (self.luma_of_cells - self.middle, self.wide))
        share = self.carried(shares) * self.bare
        glossy = ((fold + wide) / GLOSS).clamp(max=1) * self.bare
        around = self.around(self.colours, self.bare * (1 - glossy), 0.12, self.cell)
        back = (around - self.soft(self.colours, 0.02, self.cell)) * glossy * share
        # What `scaled` makes redder of its own as light is taken away is taken back.
        return back + _own_colour(share * (SHINE[1] * fold + SHINE[3] * wide))

    def _filled(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Return the changes of log luma in blocks and of log ratios in cells that fill spots with
        the skin around, or brings them out; the grain within them stays."""
        bare, block, cell = self.fine(self.bare), self.block, self.cell
        spots = self.carried(maps, finely=True) * bare
        clear = bare * (1 - spots.abs()).clamp_min(0)
        away = (self.soft(self.luma, _SPOT_FINE, block) - self.around(
            self.luma, clear, _SPOT_AROUND, block)) * spots  # fmt: skip
        spots, clear, luma = (_averaged(v, cell // block) for v in (spots, clear, away))
        around = self.around(self.colours, clear, _SPOT_AROUND, cell)
        colour = (self.soft(self.colours, _SPOT_FINE, cell) - around) * spots
        # The luma of a spot has no colour of its own: here colours are known.
        return away, colour - _own_colour(luma)


_SPOT_FINE, _SPOT_AROUND = 0.006, 0.03
"""Sigmas of a spot's own colour and of the skin around it [E]."""


def _own_colour(change: Tensor) -> Tensor:
    """Return what `scaled` changes log ratios (1, 2, …) by with a change of log luma (1, 1, …)."""
    return torch.cat([tint * change for tint in _FOLD_TINT], 1)


def _gains_together(sums: Tensor, gains: Sequence[Gain]) -> Tensor:
    """Return what sums of gains come to: never more than all of a band away."""
    least, most = (sum(edge(gain.of) for gain in gains) for edge in (min, max))
    if -_LESS[0] <= least and most <= _MORE[0]:
        return sums
    return soft_end(sums.clamp_max(0), *_LESS) + soft_end(sums.clamp_min(0), *_MORE)


def soft_end(values: Tensor, knee: float, most: float) -> Tensor:
    """Return values of either sign, as they are up to a knee, and beyond it ever closer to `most`,
    without a kink."""
    size = values.abs()
    if size.device.type == "cpu" and float(size.amax()) <= knee:
        return values  # what a look at the largest costs on other devices is a wait for them
    beyond = 1 - torch.exp((knee - size).clamp_max_(0) / (most - knee))
    return size.clamp_max_(knee).add_(beyond, alpha=most - knee).copysign_(values)


def _averaged(values: Tensor, side: int) -> Tensor:
    return F.avg_pool2d(values, side) if side > 1 else values


def _sum(one: Tensor | None, other: Tensor) -> Tensor:
    return other if one is None else one + other
