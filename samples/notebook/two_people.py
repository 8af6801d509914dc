"""Half-way to another person: `python samples/notebook/two_people.py ONE OTHER [PICTURE]`.

The first clip keeps its pose, expression and light; its code goes to that of the other's face.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run from a checkout

from pipeline import between, open_clip

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def main(arguments: list[str]) -> None:
    """Write a frame of the first clip on its way to the person of the second."""
    one, other = (open_clip(video, faces="largest") for video in arguments[:2])
    output = arguments[2] if len(arguments) > 2 else "two-people.png"
    number = one.frame_count // 2
    (face,), (theirs,) = one.faces(number), other.faces(other.frame_count // 2)
    start, end = one.codes(face), other.codes(theirs)

    pictures = []
    for share in SHARES:
        codes = between(start, end, share)
        pictures.append(one.blend(number, [one.render(face, start, codes)]))
    cv2.imwrite(str(output), np.hstack(pictures)[..., ::-1])
    print(f"{', '.join(map(str, SHARES))} of the way: {output}")


if __name__ == "__main__":
    main(sys.argv[1:])
