"""Movers: what moves codes by a strength. ONE FILE HERE = ONE KIND, found by its file.

A file (not starting with `_`, and not `files.py`, which reads and writes their weights) declares
`SPEC`, a `MoverSpec`, and `build(material)`, which returns the mover. Another package adds one by
an entry point in the group `visagist.movers` that names such a module.
"""

from __future__ import annotations

from ._kept import Kept
from ._kinds import Kind, Material, Mover, MoverSpec, add, kinds
from ._rows import RowMover

__all__ = ["Kept", "Kind", "Material", "Mover", "MoverSpec", "RowMover", "add", "kinds"]
