"""Make the pictures of the README from the sample clip: `python samples/make_pictures.py`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a checkout

from pipeline import EditRequest, inspect, preview

HERE = Path(__file__).resolve().parent
CLIP = HERE / "astronaut.mp4"
PICTURES = HERE / "pictures"
ATTRIBUTES = ("smile", "weight")
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 88]


def main() -> None:
    """Write `sample-sheet.jpg` and `how-it-works.jpg`."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        rows = []
        for attribute in ATTRIBUTES:
            sheet = preview(
                EditRequest(CLIP, (attribute,)),
                Path(scratch) / f"{attribute}.png",
                count=1,
                factors=(-1.5, 0.0, 1.0, 2.0),
            )
            rows.append(cv2.imread(str(sheet)))
        cv2.imwrite(str(PICTURES / "sample-sheet.jpg"), np.vstack(rows), JPEG)
        folder = inspect(EditRequest(CLIP, ("smile=1.5",)), 20, Path(scratch) / "frame")
        overview = cv2.imread(str(folder / "face0-overview.png"))
        cv2.imwrite(str(PICTURES / "how-it-works.jpg"), overview, JPEG)


if __name__ == "__main__":
    main()
