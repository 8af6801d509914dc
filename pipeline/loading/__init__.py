"""The seam: the only folder that imports `models`, and where tensors meet the pipeline's types.

`models` is found beside this package wherever that is: `models` in a checkout, `visagist.models`
once installed.
"""

from __future__ import annotations

from .device import resolve_device
from .finder import finder_hash, load_finder
from .listing import embedded_weights
from .packs import load_pack

__all__ = ["embedded_weights", "finder_hash", "load_finder", "load_pack", "resolve_device"]
