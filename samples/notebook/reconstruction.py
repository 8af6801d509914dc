"""What an encoder and a generator know of a face: `python samples/notebook/reconstruction.py [VIDEO
[OUTPUT]]`.

No edit: the inverted face is put into the clip, frame by frame. What differs from the source is
what inversion loses.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run from a checkout

from pipeline import EditedCrop, open_clip

SAMPLE = Path(__file__).resolve().parents[1] / "astronaut.mp4"


def main(arguments: list[str]) -> None:
    """Write the reconstruction of a clip as a video, and one drawn face as a picture."""
    video = arguments[0] if arguments else SAMPLE
    output = Path(arguments[1] if len(arguments) > 1 else "reconstruction.mp4")
    # `mini` stands for a pack of yours; a whole face is only drawn with transfer="replace".
    clip = open_clip(video, pack="mini", transfer="replace", faces="largest")
    errors = []

    def drawn(number: int) -> Iterator[EditedCrop]:
        for face in clip.faces(number):
            edited = clip.render(face, None, clip.invert(face))
            errors.append(np.abs(edited.image - face.image)[edited.mask > 0.5].mean())
            yield edited

    clip.write(output, drawn, overwrite=True)
    (face,) = clip.faces(0)
    (picture,) = clip.draw(clip.invert(face))  # (S, S, 3) in [0, 1]: the square that FFHQ cuts out
    cv2.imwrite(str(output.with_suffix(".png")), np.uint8(255 * picture[..., ::-1]))
    print(f"{len(errors)} faces, {np.mean(errors):.3f} of the range off on average: {output}")


if __name__ == "__main__":
    main(sys.argv[1:])
