"""Shares of a face's square, brought to the pixels of the picture that was parsed."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def in_picture(shares: Tensor, to_grid: Tensor, side: int, scale: float) -> tuple[Tensor, Tensor]:
    """Return shares (C, side, side) at the pixels of a picture, and where the square covers them.

    Args:
        shares: (C, G, G) of one face.
        to_grid: (2, 3) of the same face, from px of the parsed picture.
        side: of the result [px].
        scale: px of the parsed picture per px of the result.
    """
    ys, xs = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    places = (torch.stack([xs, ys], -1).to(to_grid.dtype) + 0.5) * scale - 0.5
    grid = places @ to_grid[:, :2].T + to_grid[:, 2]
    seen = F.grid_sample(shares[None], grid[None], padding_mode="border", align_corners=False)[0]
    return seen, (grid.abs() <= 1).all(-1)
