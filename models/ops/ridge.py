"""Ridge regression, in the two forms that recipes need."""

from __future__ import annotations

import torch
from torch import Tensor


def ridge(x: Tensor, y: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """Return slopes (D, A) and offsets (A,) of a regression of y (N, A) on x (N, D).

    `penalty` is added to the squared length of each centred column; offsets are free.
    """
    mean_x, mean_y = x.mean(dim=0), y.mean(dim=0)
    centred = x - mean_x
    gram = centred.T @ centred + penalty * torch.eye(x.shape[1], dtype=x.dtype)
    slope = torch.linalg.solve(gram, centred.T @ (y - mean_y))
    return slope, mean_y - mean_x @ slope


def dual_ridge(gram: Tensor, y: Tensor, share: float) -> Tensor:
    """Return the weights (N,) or (N, A) of N rows, for more columns than rows: slope = xᵀ weights.

    Args:
        gram: x xᵀ (N, N) of centred rows.
        y: (N,) or (N, A), centred here.
        share: the penalty, in mean squared lengths of a row.
    """
    penalty = share * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    weights: Tensor = torch.linalg.solve(gram + penalty, y - y.mean(dim=0))
    return weights
