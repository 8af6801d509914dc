"""Small smooth displacements of a picture: between points that are moved and points that stay.

Coordinates: see `geometry`. A *pull* (x, y) [px] says for every pixel how far off the pixel lies
that it gets: result(p) = picture(p + pull(p)).

Points are joined by the compactly supported radial function φ(r) = (1 - r)⁴·(4·r + 1) of Wendland
("Piecewise polynomial, positive definite and compactly supported radial functions of minimal
degree", Advances in Computational Mathematics, 1995): twice differentiable, and exactly 0 beyond
its reach, so that nothing far away is touched.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
import torch
from torch import Tensor

from .sampling import sample

_STILL_PX = 0.05
"""Pixels that would move by less stay; up to five times as much they fade in."""
_RIDGE = 1e-3
"""Added to the diagonal of the system: points that nearly coincide must not tear at each other."""


def radial_pull(points: Tensor, moves: Tensor, reach: Tensor, at: Tensor) -> Tensor:
    """Return the pull (N, Q, 2) at places that carries every point to where it is to be.

    Args:
        points: (N, P, 2) [px], where they are; no two of them in one place.
        moves: (N, P, 2) [px], how far they are to be carried; 0 for those that stay.
        reach: (N,) [px], how far the influence of a point goes.
        at: (N, Q, 2) [px].
    """
    goals = (points + moves).double()
    scale = reach.double()[:, None, None]
    matrix = _wendland(torch.cdist(goals, goals) / scale)
    matrix.diagonal(dim1=1, dim2=2).add_(_RIDGE)
    weights = torch.cholesky_solve(-moves.double(), torch.linalg.cholesky(matrix)).to(moves)
    goals, scale = goals.to(moves), scale.to(moves)
    return _wendland(torch.cdist(at, goals) / scale) @ weights


def _wendland(r: Tensor) -> Tensor:
    near = (1 - r).clamp(min=0).square()
    return near * near * (4 * r + 1)


def swelling_pull(centre: Tensor, axes: Tensor, growth: Tensor, reach: float, at: Tensor) -> Tensor:
    """Return the pull (N, Q, 2) that enlarges what lies within an ellipse as a whole.

    Inside the ellipse everything grows alike, so that circles stay circles; from there to `reach`
    times its axes the growth ends smoothly.

    Args:
        centre: (N, 2) [px].
        axes: (N, 2, 2) [px], the half axes of the ellipse, each a vector.
        growth: (N,), 0.1 makes it larger by a tenth.
        reach: above 1.
        at: (N, Q, 2) [px].
    """
    offset = at - centre[:, None]
    lengths = axes.square().sum(-1)
    along = (offset @ axes.transpose(1, 2)) / lengths[:, None]
    radius = torch.linalg.vector_norm(along, dim=-1)
    t = ((reach - radius) / (reach - 1)).clamp(0, 1)
    share = t * t * t * (t * (6 * t - 15) + 10)
    pull: Tensor = offset * (share * (-growth / (1 + growth))[:, None])[..., None]
    return pull


def nodes(side: int, cell: int, like: Tensor) -> Tensor:
    """Return the pixels (Q², 2) of a crop at which a coarse field is found: every `cell`-th of them
    along both axes, beginning with the first and ending at or beyond the last."""
    count = -(-(side - 1) // cell) + 1
    line = torch.arange(count, dtype=like.dtype, device=like.device) * cell
    return torch.stack(torch.meshgrid(line, line, indexing="xy"), -1).flatten(0, 1)


def between_nodes(field: Tensor, cell: int, rows: slice, columns: slice) -> Tensor:
    """Return a field (N, C, Q, Q) on `nodes` at pixels of a part of the crop, (N, C, h, w).

    Catmull-Rom between nodes: exact for what is quadratic, smooth in its first derivative.
    """
    count = field.shape[-1]
    down = _catmull_rom(count, cell)[rows].to(field)
    across = _catmull_rom(count, cell)[columns].to(field)
    return down @ (field @ across.T)


@lru_cache(maxsize=64)
def _catmull_rom(count: int, cell: int) -> Tensor:
    """((count - 1)·cell + 1, count) weights of nodes at pixels (Keys 1981, a = -1/2)."""
    at = np.arange((count - 1) * cell + 1) / cell
    before = np.minimum(np.floor(at).astype(int), max(count - 2, 0))
    t = at - before
    taps = (
        0.5 * (-(t**3) + 2 * t**2 - t),
        0.5 * (3 * t**3 - 5 * t**2 + 2),
        0.5 * (-3 * t**3 + 4 * t**2 + t),
        0.5 * (t**3 - t**2),
    )
    matrix = np.zeros((len(at), count))
    for k, tap in enumerate(taps):
        np.add.at(matrix, (np.arange(len(at)), np.clip(before + k - 1, 0, count - 1)), tap)
    return torch.from_numpy(matrix.astype(np.float32))


def moved_part(
    images: Tensor, field: Tensor, cell: int
) -> tuple[Tensor, Tensor, tuple[int, int], Tensor]:
    """Return the part of pictures (N, 3, S, S) that a pull (N, 2, Q, Q) on `nodes` moves.

    Its pictures (N, 3, h, w), how much each pixel counts as moved (N, 1, h, w) 0–1, the x and y of
    its first pixel, and its pull (N, 2, h, w) [px].
    """
    side = images.shape[-1]
    rows, columns = _window(field.abs().amax((0, 1)) > _STILL_PX, cell, side)
    # One by one: the others of a batch change nothing, rounding included.
    fine = torch.cat([between_nodes(pull[None], cell, rows, columns) for pull in field])
    length = (fine[:, :1].square() + fine[:, 1:].square()).sqrt_()
    share = ((length - _STILL_PX) / (4 * _STILL_PX)).clamp_(0, 1)
    moved = pulled(images, fine, share[:, 0] > 0, rows, columns).clamp_(-1, 1)
    return moved, share, (columns.start, rows.start), fine


def _window(moves: Tensor, cell: int, side: int) -> tuple[slice, slice]:
    """Return rows and columns [px] round the nodes (Q, Q) bool that move; one of each where none
    does."""
    if not moves.any():
        return slice(0, 1), slice(0, 1)
    spans = []
    for axis in (1, 0):
        found = torch.nonzero(moves.any(axis))[:, 0]
        first, last = int(found[0]) - 2, int(found[-1]) + 2
        spans.append(slice(max(first * cell, 0), min(last * cell + 1, side)))
    return spans[0], spans[1]


def pulled(
    images: Tensor,
    pull: Tensor,
    moves: Tensor,
    rows: slice,
    columns: slice,
    *,
    impl: Literal["fast", "ref"] = "fast",
) -> Tensor:
    """Return a part of pictures (N, C, S, S) under a pull (N, 2, h, w), bicubic, (N, C, h, w).

    Only what `moves` (N, h, w) bool is fetched; the rest are the pictures' own pixels, to the bit.
    On a CPU OpenCV does it in a fifth of the time; elsewhere, and as `ref`, torch does.
    """
    out = images[:, :, rows, columns].clone()
    x = torch.arange(columns.start, columns.stop, dtype=pull.dtype, device=pull.device)
    y = torch.arange(rows.start, rows.stop, dtype=pull.dtype, device=pull.device)
    at_x, at_y = pull[:, 0] + x, pull[:, 1] + y[:, None]
    if impl == "ref" or images.device.type != "cpu":
        fetched = sample(images, torch.stack([at_x, at_y], -1))
        return torch.where(moves[:, None], fetched, out)
    for n, moving in enumerate(moves):
        found = cv2.remap(
            cv2.merge([*images[n].numpy()]),
            at_x[n].numpy(),
            at_y[n].numpy(),
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for target, plane in zip(out[n].numpy(), cv2.split(found), strict=True):
            cv2.copyTo(plane, moving.numpy().view(np.uint8), target)
    return out
