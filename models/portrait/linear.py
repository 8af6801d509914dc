"""Linear systems with a positive definite matrix, by Cholesky factors.

Everything a portrait solves can be put this way, and it must be: in tested builds of PyTorch on
CPUs, a batched LU solve of matrices of about 200 rows fails inside the maths library or never
returns when more than one thread is allowed. Cholesky factors do not show this.
"""

from __future__ import annotations

import torch
from torch import Tensor


def solve_positive(matrix: Tensor, right: Tensor) -> Tensor:
    """Return x (..., P, C) with `matrix @ x = right` for symmetric positive definite (..., P,
    P)."""
    solved: Tensor = torch.cholesky_solve(right, torch.linalg.cholesky(matrix))
    return solved
