"""The parsing network of the program, opened by the name of its folder.

It needs no place in a pack: a parser that a user brings (BiSeNet) has one, role "parsing" there.
"""

from __future__ import annotations

from .model import build

__all__ = ["build"]
