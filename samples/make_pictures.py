"""Make the pictures of the README and of `docs/` from the sample clip:
`python samples/make_pictures.py`.

Look at each of them at its full size before it is committed.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a checkout

from pipeline import EditRequest, Exemplar, inspect, preview
from pipeline.config import RenderOptions
from pipeline.files import write_whole
from pipeline.listings import attributes

ROOT = Path(__file__).resolve().parents[1]
CLIP = ROOT / "samples" / "astronaut.mp4"
PICTURES = ROOT / "docs" / "pictures"
PACKS = ("portrait", "mini")
FACTORS = (-1.5, 0.0, 1.0, 2.0)
COLUMNS = (("smile", 1), ("smile", 3), ("toothy-smile", 0), ("weight", 3))
"""Columns of the README's strip: of which attribute's sheet, and which of `FACTORS`."""
LABEL_PX, STEP_PX = 64, 304
"""Of a sheet: the words on its left, and from one picture to the next."""


def strip(attribute: str, pack: str, useful: str, scratch: Path) -> np.ndarray:
    """The first frame of the sample at four strengths of an attribute, none beyond its useful range
    (`low … high`), (H, W, 3) uint8 BGR."""
    low, high = (float(end) for end in useful.split(" … "))
    request = EditRequest(CLIP, (attribute,), render=RenderOptions(pack=pack))
    if attribute == "exemplar":
        somebody = Exemplar(another_face(scratch / "somebody"))
        region = ("exemplar.region=face",)
        request = dataclasses.replace(request, exemplar=somebody, settings=region)
    factors = tuple(float(np.clip(factor, low, high)) for factor in FACTORS)
    path = preview(request, scratch / f"{pack}-{attribute}.png", count=1, factors=factors)
    return read(path)


def another_face(folder: Path) -> Path:
    """A picture of somebody who is not the person of the sample, made of her: there is no other
    face that may be given away with the program."""
    request = EditRequest(CLIP, ("gender=1.5", "age=1.5", "lips=2", "nose=1.5", "jaw=1"))
    return inspect(request, 0, folder) / "composite.png"


def column(sheet: np.ndarray, index: int) -> np.ndarray:
    """One picture of a sheet of one row, with the words above it."""
    return sheet[:, LABEL_PX + STEP_PX * index : LABEL_PX + STEP_PX * (index + 1)]


def read(path: Path) -> np.ndarray:
    """A picture, (H, W, 3) uint8 BGR."""
    picture = cv2.imread(str(path))
    assert picture is not None, path
    return np.asarray(picture)


def write_jpeg(path: Path, picture: np.ndarray, quality: int = 58) -> None:
    """Write a picture, (H, W, 3) uint8 BGR."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
    write_whole(path, cv2.imencode(".jpg", picture, settings)[1].tobytes())


def main() -> None:
    """Write a strip per pack and attribute, the README's strip, and one frame's stages."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        strips, drawn = {}, []
        for pack in PACKS:
            rows = [row for row in attributes(pack) if row not in drawn]  # image editors: once
            drawn += rows
            for row in rows:
                name = f"{pack}-{row['attribute']}"
                strips[name] = strip(row["attribute"], pack, row["useful"], scratch)
                write_jpeg(PICTURES / f"{name}.jpg", strips[name])
        chosen = [column(strips[f"portrait-{name}"], i) for name, i in COLUMNS]
        write_jpeg(PICTURES / "before-after.jpg", np.hstack(chosen))
        stages = inspect(EditRequest(CLIP, ("smile=1.5",)), 20, scratch / "frame")
        write_jpeg(PICTURES / "how-it-works.jpg", read(stages / "face0-overview.png"), quality=50)


if __name__ == "__main__":
    main()
