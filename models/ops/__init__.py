"""Operations shared by network families; every fast path has a plain twin under `impl="ref"`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor

Impl = Literal["fast", "ref"]
"""`ref` follows the definition step by step; `fast` gives the same numbers up to rounding."""

Move = Callable[[Tensor, Tensor], Tensor]
"""Codes (N, L, D) and strengths (N,) to moved codes (N, L, D); the identity at strength 0."""
