"""The writer of files, which the program shares with `models`: see `models/files.py`.

The second door to `models`, beside `loading/`: one file of it that needs nothing but the standard
library, so that whoever writes a file need not load the networks.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.files import (
        is_there,
        machine_name,
        placed,
        scratch_beside,
        write_whole,
        written_whole,
    )
else:
    # `models` lies beside this package: on its own in a checkout, in `visagist` once installed.
    _shared = importlib.import_module(__name__.removesuffix("pipeline.files") + "models.files")
    is_there, placed, scratch_beside = _shared.is_there, _shared.placed, _shared.scratch_beside
    machine_name = _shared.machine_name
    write_whole, written_whole = _shared.write_whole, _shared.written_whole

__all__ = ["is_there", "machine_name", "placed", "scratch_beside", "write_whole", "written_whole"]
