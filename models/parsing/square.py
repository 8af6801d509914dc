"""Where the parsing network looks: an upright square round a face, and its sampling.

The square is, on average, the one that FFHQ cuts out (2.9 outer eye distances). It is fitted to
nine landmarks instead of the five of FFHQ, whose side follows the mouth: a square that breathes
with speech would make the labels' edges breathe.

Convention: pixel centres are integers, x to the right, y down; the square's own coordinates run
from -1 to 1 between its outer edges, as `grid_sample(align_corners=False)` counts them.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import cv2
import numpy as np
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


def squares(
    images: Tensor, maps: Tensor, side: int, *, impl: Literal["fast", "ref"] = "fast"
) -> Tensor:
    """Return the squares (N, C, side, side) of crops (N, C, S, S), by their `crop_to_grid`
    (N, 2, 3).

    A large crop is first shrunk by whole numbers of pixels, so that every one of them counts;
    beyond the crop its edge repeats. Row by row, so that no row depends on its neighbours.

    On a CPU OpenCV does it in a quarter of the time; elsewhere, and as `ref`, torch does. OpenCV
    before 5 rounds places to 1/32 of a cell.
    """
    linear = torch.linalg.inv(maps[:, :, :2].double())
    cells = (linear.det().abs().sqrt() * 2 / side).tolist()  # one wait, however many crops
    square = _by_opencv if impl == "fast" and images.device.type == "cpu" else _by_torch
    rows = [
        square(images[n : n + 1], _Sight.of(maps[n], side, px_per_cell))
        for n, px_per_cell in enumerate(cells)
    ]
    return torch.cat(rows) if rows else images.new_zeros(0, images.shape[1], side, side)


class _Sight(NamedTuple):
    """How a square sees a crop."""

    side: int
    """Of the square [px]."""
    shrink: int
    """Side of the cells that the crop is first averaged over [px]."""
    matrix: Tensor
    """(2, 3) float64: the square's coordinates (-1 … 1) to those of the shrunk crop, whose first
    cell lies between 0 and 1."""

    @classmethod
    def of(cls, to_grid: Tensor, side: int, px_per_cell: float) -> _Sight:
        to_grid = to_grid.double()
        linear = torch.linalg.inv(to_grid[:, :2])
        shrink = min(_MOST_SHRUNK, max(1, round(px_per_cell)))
        # Cell c of the shrunk crop has its middle at px (c + 0.5) * shrink - 0.5.
        offset = -(linear @ to_grid[:, 2:]) + 0.5
        return cls(side, shrink, torch.cat([linear, offset], 1) / shrink)

    def spare(self, image: Tensor) -> tuple[int, int]:
        """Return by how many rows and columns an image lacks whole cells: there its edge is
        repeated."""
        return -image.shape[-2] % self.shrink, -image.shape[-1] % self.shrink


def _by_torch(image: Tensor, sight: _Sight) -> Tensor:
    if sight.shrink > 1:
        down, across = sight.spare(image)
        image = F.avg_pool2d(F.pad(image, (0, across, 0, down), mode="replicate"), sight.shrink)
    height, width = image.shape[-2:]
    # Row by row: a device would have to wait for factors sent to it.
    theta = torch.stack([sight.matrix[0] * (2 / width), sight.matrix[1] * (2 / height)])
    theta[:, 2] -= 1
    grid = F.affine_grid(
        theta[None].to(image.dtype),
        [1, image.shape[1], sight.side, sight.side],
        align_corners=False,
    )
    return F.grid_sample(image, grid, padding_mode="border", align_corners=False)


def _by_opencv(image: Tensor, sight: _Sight) -> Tensor:
    planes = list(image[0].float().numpy())
    if sight.shrink > 1:
        (down, across), (height, width) = sight.spare(image), image.shape[-2:]
        size = ((width + across) // sight.shrink, (height + down) // sight.shrink)
        if down or across:
            edge = cv2.BORDER_REPLICATE
            planes = [cv2.copyMakeBorder(p, 0, down, 0, across, edge) for p in planes]
        planes = [cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in planes]
    # From the square's pixels to those of the shrunk crop, both with their middles at integers.
    matrix, step = sight.matrix.numpy(), 2 / sight.side
    linear = matrix[:, :2] * step
    offset = matrix[:, :2] @ np.full(2, 0.5 * step - 1) + matrix[:, 2] - 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    seen = [
        cv2.warpAffine(
            plane,
            np.column_stack([linear, offset]),
            (sight.side, sight.side),
            flags=flags,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for plane in planes
    ]
    return torch.from_numpy(np.stack(seen))[None]
