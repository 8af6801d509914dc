"""Codes to a file, changed there, and back: `python samples/notebook/codes_out_and_in.py [VIDEO
[OUTPUT]]`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run from a checkout

from pipeline import EditedCrop, load_codes, open_clip, save_codes

SAMPLE = Path(__file__).resolve().parents[1] / "astronaut.mp4"


def main(arguments: list[str]) -> None:
    """Write the codes of a clip, change them with NumPy, and write the clip they stand for."""
    video = arguments[0] if arguments else SAMPLE
    output = Path(arguments[1] if len(arguments) > 1 else "changed.mp4")
    file, changed = output.with_suffix(".npz"), output.with_suffix(".changed.npz")
    clip = open_clip(video, pack="mini", faces="largest")

    # Out: w (N, L, D), state (N, G) and files (N,) "TRACK/FRAME".
    faces = [face for number in range(clip.frame_count) for face in clip.faces(number)]
    save_codes(file, {face.name: clip.codes(face) for face in faces}, overwrite=True)

    # Any program may change them. Here: twice as far from what the face looks like on average.
    with np.load(file) as archive:
        arrays = dict(archive)
    arrays["w"] = 2 * arrays["w"] - arrays["w"].mean(0)
    np.savez(changed, **arrays)

    # In: what lies between the codes of the clip and those supplied.
    before, after = load_codes(file), load_codes(changed)

    def change(number: int) -> Iterator[EditedCrop]:
        for face in clip.faces(number):
            yield clip.render(face, before[face.name], after[face.name])

    clip.write(output, change, overwrite=True)
    print(f"{len(before)} codes {tuple(before[faces[0].name].w.shape[1:])}: {file}, {output}")


if __name__ == "__main__":
    main(sys.argv[1:])
