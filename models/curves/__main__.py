"""Draw attribute curves."""

from __future__ import annotations

import sys

from .attribute_curves import main

if __name__ == "__main__":
    sys.exit(main())
