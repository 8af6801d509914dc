"""A frame edited step by step: `python samples/notebook/step_by_step.py [VIDEO [PICTURE]]`."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run from a checkout

from pipeline import open_clip

SAMPLE = Path(__file__).resolve().parents[1] / "astronaut.mp4"


def main(arguments: list[str]) -> None:
    """Make everybody in the middle frame smile, and write it beside what it was made of."""
    video = arguments[0] if arguments else SAMPLE
    output = arguments[1] if len(arguments) > 1 else "smile.png"

    # 1. A clip, a pack. `analysis="shot.faces.json"` keeps where the faces are.
    clip = open_clip(video, pack="portrait")
    number = clip.frame_count // 2
    frame = clip.frame(number)  # (H, W, 3) uint8 RGB
    print(f"frame {number} of {clip.frame_count}: {frame.shape} {frame.dtype}")

    # 2. Its faces, each cut out as the pack wants it.
    made = []
    for face in clip.faces(number):
        print(f"{face}: image {face.image.shape}, eyes {face.landmarks[36:48].mean(0).round()} px")

        # 3. Codes: `invert` of this crop alone, `codes` as an edit uses them, steadied in time.
        alone, before = clip.invert(face), clip.codes(face)
        print(
            f"  w {tuple(before.w.shape)}, {float((alone.w - before.w).norm()):.2f} from the shot's"
        )

        # 4. w' = w + strength T(w). `share` is less than 1 where the mouth is covered, say.
        after = clip.move(before, "smile", 1.0 * clip.share(face, "smile"))

        # 5. What lies between the codes, on the clip's own pixels; hands and hair stay in front.
        edited = clip.render(face, before, after, ["smile"])
        print(f"  {float((edited.mask > 0).mean()):.0%} of the crop may change")
        made.append(edited)

    # 6. Back into the frame. It is what `visagist edit --attr smile=1` makes of it.
    result = clip.blend(number, made)
    assert np.array_equal(result, clip.edited(number, "smile=1"))
    cv2.imwrite(str(output), np.hstack([frame, result])[..., ::-1])
    print(f"before | after: {output}")


if __name__ == "__main__":
    main(sys.argv[1:])
