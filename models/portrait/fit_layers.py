"""Learn the fine layers: how a rating changes the log luma of a shape-normalised face, and the
colour of its folds."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..ops.gaussian import blurred
from .fit_texture import FRONTAL_RADIANS, Textures
from .layers import LAYER_SIDE
from .regions import cheeks, holes, skin_mask
from .texture import CHROMA_SIDE
from .warp import canonical_grid

_BRIDGE_BOX = (-0.09, 0.09, -0.04, 0.10)
"""Where a glasses bridge crosses the nose: x from, to, y from, to, canonical."""

_GLASSES = 0.12
"""Scores from which a face wears glasses."""

_FINER = 10.0
"""Sigma (texels of a layer) of what is left to the texture basis: wider, folds become bands."""


def fit_layers(
    textures: Textures, canonical: Tensor, predictors: Tensor, odd: Tensor, layered: list[int]
) -> Tensor:
    """Return fine luma layers (J, LAYER_SIDE, LAYER_SIDE): log change per unit of the `layered`
    predictors.

    Regresses every texel on all `predictors` (N, P) together, over frontal faces without a glasses
    bridge and their mirror images (`odd` (P,) is -1 for predictors that change sign when mirrored);
    then keeps what is finer than the texture basis, averaged with its own mirror image.
    """
    chosen = _bare_and_frontal(textures)
    luma = textures.luma[chosen].float()
    skin = skin_mask(canonical, LAYER_SIDE)
    luma = luma - luma[:, skin].mean(dim=1)[:, None, None]
    maps = _slopes(luma, predictors[chosen], odd)[layered]
    closed = 1 - holes(canonical, LAYER_SIDE, grow=0.008, soften=0.004)
    return high_pass(maps, torch.minimum(closed, closed.flip(1)), sigma=_FINER)


def fold_tint(
    textures: Textures, canonical: Tensor, fold: Tensor, predictors: Tensor, odd: Tensor, which: int
) -> Tensor:
    """Return by how much the log ratios R/G and B/G (2,) change with the log luma of a fold.

    `fold` (LAYER_SIDE, LAYER_SIDE) is the layer of the predictor `which`. Least squares over the
    cheeks, of what that predictor does to the ratios there, finer than they are wide.
    """
    chosen = _bare_and_frontal(textures)
    where = F.avg_pool2d(cheeks(canonical, LAYER_SIDE)[None], LAYER_SIDE // CHROMA_SIDE)[0]
    luma = F.avg_pool2d(fold[None], LAYER_SIDE // CHROMA_SIDE)[0]
    skin = skin_mask(canonical, CHROMA_SIDE)
    ratios = []
    for channel in range(2):
        chroma = textures.chroma[chosen, channel]
        chroma = chroma - chroma[:, skin].median(dim=1).values[:, None, None]
        ratios.append(_slopes(chroma, predictors[chosen], odd)[which])
    fine = high_pass(torch.stack(ratios), skin.float(), sigma=_FINER * CHROMA_SIDE / LAYER_SIDE)
    return (fine * luma * where).sum(dim=(1, 2)) / (luma.square() * where).sum().clamp_min(1e-12)


def _slopes(maps: Tensor, predictors: Tensor, odd: Tensor) -> Tensor:
    """Return how maps (N, H, W) and their mirror images change per unit of every predictor (N, P):
    (P, H, W), mirror-symmetric."""
    design = torch.cat([torch.ones(len(maps), 1), predictors], dim=1)
    mirrored = design * torch.cat([torch.ones(1), odd])
    gram = design.T @ design + mirrored.T @ mirrored + 2.0 * torch.eye(design.shape[1])
    moment = design.T @ maps.flatten(1) + mirrored.T @ maps.flip(2).flatten(1)
    slopes = torch.linalg.solve(gram, moment)[1:].unflatten(1, maps.shape[1:])
    symmetric: Tensor = (slopes + slopes.flip(2)) / 2
    return symmetric


def _bare_and_frontal(textures: Textures) -> Tensor:
    """Return which faces (N,) look ahead and wear no glasses."""
    frontal = textures.angles[:, 0].abs() < FRONTAL_RADIANS * 0.75
    return frontal & (glasses_score(textures) < _GLASSES)


def high_pass(maps: Tensor, weight: Tensor, *, sigma: float) -> Tensor:
    """Return maps (J, H, W) less their weighted Gaussian mean; `weight` (H, W) leaves holes out."""
    parts = maps * weight, weight[None]
    soft, share = (blurred(part, sigma, int(3 * sigma), edges="reflect") for part in parts)
    low = soft / share.clamp_min(1e-3)
    return (maps - low) * weight


def glasses_score(textures: Textures) -> Tensor:
    """Return how dark a horizontal bar crosses the nose bridge (N,): glasses score above about
    0.12."""
    grid = canonical_grid(LAYER_SIDE)
    x0, x1, y0, y1 = _BRIDGE_BOX
    columns = ((grid[0, :, 0] > x0) & (grid[0, :, 0] < x1)).nonzero()[:, 0]
    rows = ((grid[:, 0, 1] > y0) & (grid[:, 0, 1] < y1)).nonzero()[:, 0]
    profile = textures.luma[:, rows][:, :, columns].float().mean(dim=2)
    smooth = F.avg_pool1d(profile[:, None], 3, 1, 1)[:, 0]
    return profile.median(dim=1).values - smooth[:, 1:-1].min(dim=1).values
