"""Strengths of an attribute side by side: `python samples/notebook/sweep.py [VIDEO [PICTURE]]`."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run from a checkout

from pipeline import open_clip

STRENGTHS = np.linspace(-2, 2, 5)

SAMPLE = Path(__file__).resolve().parents[1] / "astronaut.mp4"


def main(arguments: list[str]) -> None:
    """Write a frame with five strengths of a smile, and say how much of the picture each moves."""
    video = arguments[0] if arguments else SAMPLE
    output = arguments[1] if len(arguments) > 1 else "sweep.png"
    clip = open_clip(video, faces="largest")
    number = clip.frame_count // 2
    source = clip.frame(number)

    # `edited` takes what `--attr` takes, of all editors: several attributes in a row, too.
    pictures = [clip.edited(number, f"smile={strength}") for strength in STRENGTHS]
    for strength, picture in zip(STRENGTHS, pictures, strict=True):
        change = np.abs(picture.astype(float) - source).mean()
        print(f"smile={strength:+.1f}: {change:.3f} levels on average")
    cv2.imwrite(str(output), np.hstack(pictures)[..., ::-1])
    print(output)


if __name__ == "__main__":
    main(sys.argv[1:])
