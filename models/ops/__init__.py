"""Operations shared by network families; every fast path has a plain twin under `impl="ref"`."""

from __future__ import annotations

from typing import Literal, Protocol

from torch import Tensor

Impl = Literal["fast", "ref"]
"""`ref` follows the definition step by step; `fast` gives the same numbers up to rounding."""


class Move(Protocol):
    """Moves codes along one attribute."""

    def __call__(self, w: Tensor, strength: Tensor) -> Tensor:
        """Return (N, L, D) codes from w (N, L, D) and strength (N,); identity at strength 0."""
        ...
