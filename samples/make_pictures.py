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
        rows.append(read_picture(picture))
    return np.vstack(rows)


def read_picture(path: Path) -> np.ndarray:
    """Return a picture that was just written, (H, W, 3) uint8 BGR."""
    picture = cv2.imread(str(path))
    assert picture is not None, path
    return np.asarray(picture)


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
        write_jpeg(PICTURES / "how-it-works.jpg", read_picture(stages / "face0-overview.png"))


if __name__ == "__main__":
    main()
