"""Make the pictures of the README from the sample clip: `python samples/make_pictures.py`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a checkout

from pipeline import EditRequest, inspect, preview
from pipeline.config import RenderOptions
from pipeline.files import write_whole

HERE = Path(__file__).resolve().parent
CLIP = HERE / "astronaut.mp4"
PICTURES = HERE / "pictures"
ATTRIBUTES = ("smile", "weight")
MINI_ATTRIBUTES = ("smile", "age", "gender")
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 88]


def sheet(attributes: tuple[str, ...], options: RenderOptions, scratch: Path) -> np.ndarray:
    """One frame of the sample at four strengths of each attribute, (H, W, 3) uint8 BGR."""
    rows = []
    for attribute in attributes:
        picture = preview(
            EditRequest(CLIP, (attribute,), render=options),
            scratch / f"{options.pack}-{attribute}.png",
            count=1,
            factors=(-1.5, 0.0, 1.0, 2.0),
        )
        rows.append(cv2.imread(str(picture)))
    return np.vstack(rows)


def write_jpeg(path: Path, picture: np.ndarray) -> None:
    """Write a picture, (H, W, 3) uint8 BGR."""
    write_whole(path, cv2.imencode(".jpg", picture, JPEG)[1].tobytes())


def main() -> None:
    """Write `sample-sheet.jpg`, `mini-sheet.jpg` and `how-it-works.jpg`."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        portrait = sheet(ATTRIBUTES, RenderOptions(), scratch)
        mini = sheet(MINI_ATTRIBUTES, RenderOptions(pack="mini"), scratch)
        write_jpeg(PICTURES / "sample-sheet.jpg", portrait)
        write_jpeg(PICTURES / "mini-sheet.jpg", mini)
        stages = inspect(EditRequest(CLIP, ("smile=1.5",)), 20, scratch / "frame")
        overview = cv2.imread(str(stages / "face0-overview.png"))
        write_jpeg(PICTURES / "how-it-works.jpg", overview)


if __name__ == "__main__":
    main()
