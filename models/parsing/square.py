"""Where the parsing network looks: an upright square round a face, and its sampling.

The square is, on average, the one that FFHQ cuts out (2.9 outer eye distances). It is fitted to
nine landmarks instead of the five of FFHQ, whose side follows the mouth: a square that breathes
with speech would make the labels' edges breathe.

Convention: pixel centres are integers, x to the right, y down; the square's own coordinates run
from -1 to 1 between its outer edges, as `grid_sample(align_corners=False)` counts them.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from ..base import ModelInputError

_POINTS: Final = (27, 30, 33, 36, 39, 42, 45, 48, 54)
"""Bridge, tip and base of the nose, corners of eyes and mouth, of the 68 landmarks."""
_PLACES: Final = (
    *((0.0, -0.077), (0.0, 0.220), (0.0, 0.316)),
    *((-0.346, -0.052), (-0.133, -0.036), (0.133, -0.036), (0.346, -0.052)),
    *((-0.225, 0.456), (0.225, 0.456)),
)
"""Where they lie in the square: means over the 1004 faces of One Million Impressions, both halves
of the face averaged."""
_MOST_SHRUNK: Final = 64
"""Means are taken over at most this many pixels a side."""


def crop_to_grid(landmarks: Tensor) -> Tensor:
    """Return the maps (N, 2, 3) from crop px to the square's coordinates, of faces with landmarks
    (N, 68, 2) [crop px].

    The similarity that brings the nine points closest to their places, by least squares (Umeyama,
    "Least-squares estimation of transformation parameters", 1991, without reflections).

    Raises:
        ModelInputError: landmarks of another shape, or all on one spot.
    """
    if landmarks.dim() != 3 or tuple(landmarks.shape[1:]) != (68, 2):
        raise ModelInputError(f"landmarks must be (N, 68, 2), got {tuple(landmarks.shape)}")
    points = landmarks[:, list(_POINTS)].double()
    places = points.new_tensor(_PLACES)
    middle, place = points.mean(1), places.mean(0)
    p, q = points - middle[:, None], places - place
    size = p.square().sum((1, 2))
    if not bool((size > 0).all()):
        raise ModelInputError("the landmarks of a face lie on one spot or are not finite")
    along = (p * q).sum((1, 2)) / size
    across = (p[..., 0] * q[:, 1] - p[..., 1] * q[:, 0]).sum(1) / size
    linear = torch.stack([along, -across, across, along], 1).view(-1, 2, 2)
    offset = place - (linear @ middle[..., None])[..., 0]
    return torch.cat([linear, offset[..., None]], 2).to(landmarks.dtype)


def squares(images: Tensor, maps: Tensor, side: int) -> Tensor:
    """Return the squares (N, C, side, side) of crops (N, C, S, S), by their `crop_to_grid`
    (N, 2, 3).

    A large crop is first shrunk by whole numbers of pixels, so that every one of them counts;
    beyond the crop its edge repeats. Row by row, so that no row depends on its neighbours.
    """
    linear = torch.linalg.inv(maps[:, :, :2].double())
    cells = (linear.det().abs().sqrt() * 2 / side).tolist()  # one wait, however many crops
    rows = [
        _square(images[n : n + 1], maps[n], side, px_per_cell)
        for n, px_per_cell in enumerate(cells)
    ]
    return torch.cat(rows) if rows else images.new_zeros(0, images.shape[1], side, side)


def _square(image: Tensor, to_grid: Tensor, side: int, px_per_cell: float) -> Tensor:
    to_grid = to_grid.double()
    linear = torch.linalg.inv(to_grid[:, :2])
    shrink = min(_MOST_SHRUNK, max(1, round(px_per_cell)))
    if shrink > 1:
        # Whole cells only: what is left over is repeated, as the edge is.
        spare = [-size % shrink for size in image.shape[-2:]]
        image = F.pad(image, (0, spare[1], 0, spare[0]), mode="replicate")
        image = F.avg_pool2d(image, shrink)
    height, width = image.shape[-2:]
    # Cell c of the shrunk crop has its middle at px (c + 0.5) * shrink - 0.5; its edges at -1 and 1
    # of `grid_sample` lie at px -0.5 and size * shrink - 0.5.
    offset = -(linear @ to_grid[:, 2:]) + 0.5
    placed = torch.cat([linear, offset], 1)
    theta = torch.stack([placed[0] * (2 / (width * shrink)), placed[1] * (2 / (height * shrink))])
    theta[:, 2] -= 1
    grid = F.affine_grid(
        theta[None].to(image.dtype), [1, image.shape[1], side, side], align_corners=False
    )
    return F.grid_sample(image, grid, padding_mode="border", align_corners=False)
