"""The seam: the only folder that imports `models`, and where tensors meet the pipeline's types.

`models` is found beside this package wherever that is: `models` in a checkout, `visagist.models`
once installed.
"""

from __future__ import annotations

from .bench import time_generator
from .device import resolve_device
from .finder import finder_hash, load_finder
from .movers import found_movers, mover_kinds
from .networks import Network, load_network
from .packs import load_pack
from .parser import FaceParser, load_parser
from .recogniser import FaceRecogniser, load_recogniser
from .store import (
    ImportReport,
    ImportRequest,
    embedded_weights,
    import_weights,
    remove_stored,
    store_folder,
    stored_packs,
    stored_weights,
    unread_names,
    verify_stored,
    weight_folders,
)

__all__ = [
    "FaceParser",
    "FaceRecogniser",
    "ImportReport",
    "ImportRequest",
    "Network",
    "embedded_weights",
    "finder_hash",
    "found_movers",
    "import_weights",
    "load_finder",
    "load_network",
    "load_pack",
    "load_parser",
    "load_recogniser",
    "mover_kinds",
    "remove_stored",
    "resolve_device",
    "store_folder",
    "stored_packs",
    "stored_weights",
    "time_generator",
    "unread_names",
    "verify_stored",
    "weight_folders",
]
