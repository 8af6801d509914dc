"""Draw attribute curves: `python -m models.curves --pack PACK --data DATA --out PICTURE.png`."""

from __future__ import annotations

import sys

from .attribute_curves import main

if __name__ == "__main__":
    sys.exit(main())
