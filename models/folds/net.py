"""Where folds lie on a face, and where they would come: its own faint lines, followed along the way
folds run on older faces, made as deep as folds are there.

All maps cover the window of the face's own frame that the caller uses throughout; the recipe
(`learn`) and the program must use the same one.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..base import ModelInputError
from ..ops.gaussian import blurred

PATTERN_SIDE, FLOW_SIDE = 192, 96
"""Texels per side of the learnt patterns; of the maps of direction and depth."""

_SPOT: Final = 0.10
"""Change of log luma beyond which own detail counts no more: a mole is no fold."""
_ALONG: Final = 0.0234
"""Sigma of the averaging along a fold, in sides of the window."""
_STEPS: Final = 9
_AROUND: Final = 0.036
"""Sigma of the neighbourhood by which own lines are made comparable, in sides of the window."""
_FAINTEST: Final = 0.004
"""Log luma below which a line is noise and is not amplified further."""
_DEEP, _BRIGHT = 2.5, 0.75
"""Bounds of a fold's shadow and of the light beside it, in units of the depth."""
_CHOICE: Final = 8.0
"""How decidedly the pattern that agrees best with a face is preferred."""
_SEED: Final = 0.4
"""Share of a learnt pattern that is added to a face's own lines before they are compared."""


class FoldModel(nn.Module):
    """Directions, depths and patterns of the folds of older faces."""

    flow: Tensor
    depth: Tensor
    patterns: Tensor
    place: Tensor
    one_side: Tensor

    def __init__(self, patterns: int) -> None:
        """Allocate; values come from a file."""
        super().__init__()
        side = PATTERN_SIDE
        self.register_buffer("flow", torch.zeros(2, FLOW_SIDE, FLOW_SIDE))
        self.register_buffer("depth", torch.zeros(FLOW_SIDE, FLOW_SIDE))
        self.register_buffer("patterns", torch.zeros(patterns, side, side))
        self.register_buffer("place", torch.zeros(patterns, dtype=torch.int64))
        self.register_buffer("one_side", torch.zeros(patterns, dtype=torch.bool))

    def forward(self, fold: Tensor, skin: Tensor, *, seed: float = _SEED) -> Tensor:
        """Return the folds of N faces (N, 2, M, M): their own, and those to come.

        Args:
            fold: (N, 1, M, M) float32 the band of log luma that holds folds.
            skin: (N, 1, M, M) 0–1.
            seed: share of the learnt patterns; less for faces seen from the side.

        Both are changes of log luma: the first is what is there, averaged along the direction of
        folds, the second what eight years or so would add.

        Raises:
            ModelInputError: shapes do not fit.
        """
        if fold.dim() != 4 or fold.shape != skin.shape or fold.shape[1] != 1:
            raise ModelInputError(
                f"fold and skin must both be (N, 1, M, M), got {tuple(fold.shape)} and "
                f"{tuple(skin.shape)}"
            )
        side = fold.shape[-1]
        own = along_folds(fold.clamp(-_SPOT, _SPOT) * skin, self.flow)
        hints = own + seed * _enlarged(self._chosen(own), side)
        reach = _AROUND * side
        near = torch.cat([hints.square() * skin, skin], 1)
        near = blurred(near.flatten(0, 1), reach, int(3 * reach), edges="reflect").view_as(near)
        usual = (near[:, :1] / near[:, 1:].clamp_min(0.05)).sqrt().clamp_min(_FAINTEST)
        shape = hints / usual
        shape = torch.where(shape < 0, shape, 0.5 * shape).clamp(-_DEEP, _BRIGHT)
        to_come = shape * _enlarged(self.depth[None, None], side) * skin
        return torch.cat([own, to_come], 1)

    def _chosen(self, own: Tensor) -> Tensor:
        """Return the patterns that agree best with own lines (N, 1, M, M), of every place together
        (N, 1, P, P)."""
        small = F.interpolate(own, self.patterns.shape[-2:], mode="bilinear", align_corners=False)
        chosen = torch.zeros_like(small)
        for mirrored in (False, True):
            lines = small.flip(-1) if mirrored else small
            agreement = self._agreement(lines[:, 0])
            mixed = torch.zeros_like(small)
            for place in sorted(set(self.place.tolist())):
                which = (self.place == place).nonzero()[:, 0]
                if mirrored and not bool(self.one_side[which[0]]):
                    continue
                shares = (_CHOICE * agreement[:, which]).softmax(1)
                mixed[:, 0] += torch.einsum("np,phw->nhw", shares, self.patterns[which])
            chosen += mixed.flip(-1) if mirrored else mixed
        return chosen

    def _agreement(self, lines: Tensor) -> Tensor:
        """Return the correlation (N, patterns) of lines (N, P, P) with every pattern."""
        there = (self.patterns.abs() > 1e-4).to(lines).flatten(1)
        flat, patterns = lines.flatten(1), self.patterns.flatten(1)
        strength = (flat.square() @ there.T).sqrt().clamp_min(1e-6)
        agreement: Tensor = flat @ patterns.T / strength / patterns.norm(dim=1).clamp_min(1e-6)
        return agreement


def along_folds(values: Tensor, flow: Tensor) -> Tensor:
    """Return values (N, 1, M, M) averaged along a field of directions (2, G, G), whose vectors are
    (cos 2θ, sin 2θ) of the angle from x towards y: a line integral convolution (Cabral and Leedom,
    SIGGRAPH 1993) with a Gaussian kernel on a straight piece of the line."""
    side = values.shape[-1]
    fine = _enlarged(flow[None], side)[0]
    angle = 0.5 * torch.atan2(fine[1], fine[0])
    step = torch.stack([angle.cos(), angle.sin()], -1) * (4 * _ALONG / _STEPS)
    line = (torch.arange(side, dtype=values.dtype, device=values.device) + 0.5) * (2 / side) - 1
    here = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1)
    out, total = torch.zeros_like(values), 0.0
    for k in range(-_STEPS, _STEPS + 1):
        weight = float(torch.exp(torch.tensor(-0.5 * (2.0 * k / _STEPS) ** 2)))
        at = (here + k * step).expand(len(values), -1, -1, -1)
        out += weight * F.grid_sample(values, at, align_corners=False)
        total += weight
    return out / total


def _enlarged(maps: Tensor, side: int) -> Tensor:
    return F.interpolate(maps, (side, side), mode="bilinear", align_corners=False)
