"""Finding a face among all test faces: ranks, and how often the right one is near the top.

Vectors are of length 1 and compared by Euclidean distance, so the nearest has the largest product.
A query's rank is the number of wrong faces at least as near as its nearest right one: a tie counts
against us.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Ints = NDArray[np.int64]
DEPTHS: Final = (1, 5, 20)
"""Recall is told within so many of the nearest."""


@dataclass(frozen=True, slots=True)
class Faces:
    """Who is on pictures, and how: one number per picture, (N,) each."""

    face: Ints
    yaw: Ints
    light: Ints

    def rows(self, which: slice | Ints) -> Faces:
        """Return some of the pictures."""
        return Faces(self.face[which], self.yaw[which], self.light[which])


def unit(vectors: Tensor) -> Tensor:
    """Return vectors (N, D) float32 of length 1 of anything (N, …)."""
    return F.normalize(vectors.flatten(1).float(), dim=1)


def similarities(queries: Tensor, pool: Iterable[Tensor]) -> Tensor:
    """Return products (Q, P) of unit vectors (Q, D) with a pool that comes in blocks (B, D)."""
    return torch.cat([queries @ unit(block).T for block in pool], 1)


def right(wanted: Faces, pool: Faces, *, light_too: bool) -> Tensor:
    """Return (Q, P) whether a face of the pool is the one that a query wants: the same person in
    the wanted pose; by the second criterion under the same light, too."""
    same = (wanted.face[:, None] == pool.face) & (wanted.yaw[:, None] == pool.yaw)
    if light_too:
        same &= wanted.light[:, None] == pool.light
    return torch.from_numpy(same)


def ranks(similar: Tensor, correct: Tensor, allowed: Tensor | None = None) -> Tensor:
    """Return how many wrong faces are at least as near as the nearest right one, (Q,) int64.

    Args:
        similar: (Q, P) larger is nearer.
        correct: (Q, P) the right ones.
        allowed: (Q, P) faces that a first step has let through; None: all. A query none of whose
            right faces is among them has rank P.
    """
    allowed = torch.ones_like(correct) if allowed is None else allowed
    best = similar.masked_fill(~(correct & allowed), -torch.inf).amax(1, keepdim=True)
    wrong = (allowed & ~correct & (similar >= best)).sum(1)
    lost = torch.isneginf(best[:, 0])
    return torch.where(lost, torch.full_like(wrong, similar.shape[1]), wrong)


def recalls(rank: Tensor) -> dict[str, float]:
    """Return the share of queries [%] with a right face among the first 1, 5 and 20."""
    shares = {depth: float((rank < depth).double().mean()) for depth in DEPTHS}
    return {f"R@{depth}": round(100 * share, 2) for depth, share in shares.items()}
