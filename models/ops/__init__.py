"""Operations shared by network families; every fast path has a plain twin under `impl="ref"`."""

from __future__ import annotations

from typing import Literal

Impl = Literal["fast", "ref"]
"""`ref` follows the definition step by step; `fast` gives the same numbers up to rounding."""
