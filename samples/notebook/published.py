"""Nearer to the published video procedure: `python samples/notebook/published.py [VIDEO [OUTPUT]]`.

Where `visagist edit` differs from it and why: `docs/published-procedure.md`. Here every frame has a
code of its own, all rows of it, and only what lies within jaw and brows is replaced: no frame knows
of the frames beside it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run from a checkout

from pipeline import EditedCrop, FaceCrop, open_clip

SAMPLE = Path(__file__).resolve().parents[1] / "astronaut.mp4"
ATTRIBUTE, STRENGTH = "smile", 1.0
GROWN = 0.07
"""Of the polygon, outwards, in distances of the outer eye corners: about 20 px at 1024 px."""


def main(arguments: list[str]) -> None:
    """Write a clip with the faces of every frame edited by themselves."""
    video = arguments[0] if arguments else SAMPLE
    output = Path(arguments[1] if len(arguments) > 1 else "published.mp4")
    # `mini` stands for a pack with the published weights.
    clip = open_clip(video, pack="mini", transfer="replace", faces="largest")
    areas = []

    def edited(number: int) -> Iterator[EditedCrop]:
        for face in clip.faces(number):
            moved = clip.move(clip.invert(face), ATTRIBUTE, STRENGTH)
            drawn = clip.render(face, None, moved, [ATTRIBUTE])
            mask = np.minimum(drawn.mask, polygon(face))
            areas.append(mask.sum() / max(drawn.mask.sum(), 1e-6))
            yield face.edited(drawn.image, mask)

    clip.write(output, edited, overwrite=True)
    print(f"{len(areas)} faces, {np.mean(areas):.0%} of what `edit` would replace: {output}")


def polygon(face: FaceCrop) -> NDArray[np.float32]:
    """Return a mask (S, S), 1 within jaw and brows."""
    side, points = face.image.shape[0], face.landmarks
    grown = round(GROWN * float(np.linalg.norm(points[45] - points[36])))
    outline = cv2.convexHull(np.round(points[:27]).astype(np.int32))
    mask = cv2.fillConvexPoly(np.zeros((side, side), np.uint8), outline, 1)
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * grown + 1, 2 * grown + 1))
    return np.asarray(cv2.dilate(mask, around), np.float32)


if __name__ == "__main__":
    main(sys.argv[1:])
