"""Networks over codes: the transformer that moves one attribute, its linear baseline, and the
classifier.

`w' = w + strength * unit * T(w)` with `T(w) = (c + MLP(w)) B`: B holds a few directions of the code
space, so T can only combine what a regression found to go with the attribute. One unit of strength
is one standard deviation of the rated attribute over the training faces.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..base import ModelInputError

_SLOWEST = 0.25
"""Share of a step that remains far above the ceiling."""


class LatentTransformer(nn.Module):
    """Low-rank T for one attribute."""

    basis: Tensor
    constant: Tensor
    unit: Tensor
    level: Tensor
    ceiling: Tensor

    def __init__(self, dimensions: int, rank: int, hidden: int = 64) -> None:
        """Allocate for codes of `dimensions`, `rank` directions and one hidden layer."""
        super().__init__()
        self.register_buffer("basis", torch.zeros(rank, dimensions))
        self.register_buffer("constant", torch.zeros(rank))
        self.register_buffer("unit", torch.ones(()))
        self.register_buffer("level", torch.zeros(dimensions + 1))
        self.register_buffer("ceiling", torch.tensor(10.0))
        self.mlp = nn.Sequential(
            nn.Linear(dimensions, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, rank)
        )

    def direction(self, w: Tensor) -> Tensor:
        """Return T(w) (N, D) for codes w (N, D); codes beyond 2.5 SD are read as 2.5."""
        coefficients = self.constant + self.mlp(w.clamp(-2.5, 2.5))
        moved: Tensor = coefficients @ self.basis
        return moved

    def forward(self, w: Tensor, strength: Tensor) -> Tensor:
        """Return moved codes (N, D) for codes w (N, D) and strength (N,); the identity at strength
        0.

        Raises:
            ModelInputError: shapes do not fit.
        """
        _check(w, strength, self.basis.shape[1])
        step = slowed(strength, w @ self.level[:-1] + self.level[-1], self.ceiling)
        return w + (step * self.unit)[:, None] * self.direction(w)


class Direction(nn.Module):
    """The linear baseline: one forward regression direction for everybody."""

    vector: Tensor

    def __init__(self, dimensions: int) -> None:
        """Allocate for codes of `dimensions`."""
        super().__init__()
        self.register_buffer("vector", torch.zeros(dimensions))

    def forward(self, w: Tensor, strength: Tensor) -> Tensor:
        """Return and raise what `LatentTransformer.forward` does."""
        _check(w, strength, len(self.vector))
        return w + strength[:, None] * self.vector


class LatentClassifier(nn.Module):
    """Reads the attributes of a code: an MLP with one logit per attribute."""

    def __init__(self, dimensions: int, attributes: int, hidden: int = 96) -> None:
        """Allocate for codes of `dimensions` and a number of attributes."""
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(dimensions, hidden),
            nn.LeakyReLU(0.2),
            nn.Dropout(0.2),
            nn.Linear(hidden, attributes),
        )
        self.linear = nn.Linear(dimensions, attributes)

    def forward(self, w: Tensor) -> Tensor:
        """Return logits (N, A) for codes w (N, D)."""
        logits: Tensor = self.linear(w) + self.net(w)
        return logits


def slowed(strength: Tensor, level: Tensor, ceiling: Tensor) -> Tensor:
    """Return strength (N,) reduced where it would push `level` (N,) beyond +-ceiling.

    Up to the ceiling a step counts fully, beyond it by a quarter; so a target level is approached,
    not overshot.
    """
    before = _bent(level, ceiling)
    share = (_bent(level + strength, ceiling) - before) / torch.where(strength == 0, 1.0, strength)
    return strength * share.clamp(_SLOWEST, 1.0)


def _bent(level: Tensor, ceiling: Tensor) -> Tensor:
    inside = torch.maximum(torch.minimum(level, ceiling), -ceiling)
    return inside + _SLOWEST * (level - inside)


def _check(w: Tensor, strength: Tensor, dimensions: int) -> None:
    if w.dim() != 2 or w.shape[1] != dimensions or strength.shape != w.shape[:1]:
        raise ModelInputError(
            f"expected codes (N, {dimensions}) and strength (N,), got {tuple(w.shape)} and "
            f"{tuple(strength.shape)}"
        )
