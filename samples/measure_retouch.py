"""Measure what a retouch costs, and how steady it is.

    python samples/measure_retouch.py CLIP [--frames 40] [--attr NAME=STRENGTH …]

Prints a line for each retouch and colour of skin, lips and teeth, or for those named:

* `ms`: processor time of the editor alone for a frame, on one thread (the least of three medians);
* `seen`: by how many grey levels luma changes where it changes by one at least, the mean;
* `jitter`: how that change trembles in the face's own frame, as a share of how the source itself
  does there. Of both, the second difference over time, root mean square over the frames and median
  over the texels; that of noise is its standard deviation;
* `result`: the edited picture's jitter over the source's. Below 1 it is steadier.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a checkout

from pipeline.imaging.face_frame import seen_in_frame
from pipeline.passes.render import Group
from pipeline.pictures import rgb_of
from pipeline.request import Edit, EditRequest
from pipeline.session import Session, open_session
from pipeline.stages.edit import apply
from pipeline.types import AlignedBatch, Frame
from pipeline.viewing import frames_at

ALL = (
    "wrinkles=-1", "wrinkles=1", "eye-bags=-1", "eye-bags=1", "shine=-1", "shine=1",
    "blemishes=-1", "blemishes=1", "skin-tone=1", "skin-tone=-0.7", "smooth-skin=1",
    "smooth-skin=-0.8", "teeth-white=1", "teeth-white=-1", "lip-colour=1", "lip-colour=-1",
)  # fmt: skip
SIDE, TIMED, ROUNDS = 256, 8, 3
Floats = NDArray[np.float32]


def luma_in_face(session: Session, frames: Sequence[Frame]) -> Floats:
    """(T, SIDE, SIDE) luma [grey levels] of frames as the largest face's own frame shows it."""
    track = max(session.plan.tracks, key=lambda one: float(np.ptp(one.landmarks[:, :, 0])))
    out = []
    for frame in frames:
        points = torch.from_numpy(track.landmarks[frame.index - track.first_frame])[None].float()
        grey = cv2.cvtColor(rgb_of(frame), cv2.COLOR_RGB2GRAY)
        picture = torch.from_numpy(grey)[None, None].float()
        out.append(seen_in_frame(picture, points, SIDE)[0, 0].numpy())
    return np.stack(out)


def jitter(values: Floats) -> Floats:
    """(SIDE, SIDE) how values (T, SIDE, SIDE) tremble over time."""
    second = np.diff(values, n=2, axis=0)
    return np.asarray(np.sqrt(np.square(second).mean(0) / 6), np.float32)


def cost(session: Session, edit: Edit, frames: Sequence[Frame]) -> float:
    """Processor time of the editor for a frame [ms]."""
    rendering = session.rendering(session.plan.with_edits([edit]))
    (group,) = rendering.groups
    crops = [crop for frame in frames for crop in cut(group, session, frame)]
    rounds: list[list[float]] = []
    with torch.inference_mode():
        for _ in range(ROUNDS):
            times = []
            for crop in crops:
                start = time.process_time()
                apply(group.steps, crop)
                times.append(time.process_time() - start)
            rounds.append(times)
    return 1e3 * min(float(np.median(times)) for times in rounds)


def cut(group: Group, session: Session, frame: Frame) -> list[AlignedBatch]:
    """The crops of one frame, with what they show where."""
    _, batches, _ = group.cutter(session.plan.tracks)([frame])
    return [group.crops.parsed(batch) for batch in batches]


def main(arguments: Sequence[str]) -> None:
    """Print the lines."""
    parser = argparse.ArgumentParser()
    parser.add_argument("clip", type=Path)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--attr", action="append")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        attributes = tuple(options.attr or ALL)
        request = EditRequest(options.clip, attributes, cache=Path(folder))
        session = open_session(request)
        frames = frames_at(session, range(min(options.frames, session.plan.frame_count)))
        before = luma_in_face(session, frames)
        for name, edit in zip(attributes, session.edits, strict=True):
            after = luma_in_face(session, [session.look(f, [edit]).result.frame for f in frames])
            change = after - before
            there = np.abs(change).mean(0) > 1
            ms = cost(session, edit, frames[:TIMED])
            if not there.any():
                print(f"{name:17} {ms:5.1f} ms   nothing seen")
                continue
            of_change, of_source, of_result = (
                float(np.median(jitter(v)[there])) for v in (change, before, after)
            )
            print(
                f"{name:17} {ms:5.1f} ms   seen {np.abs(change).mean(0)[there].mean():4.1f}   "
                f"jitter {of_change / of_source:4.2f}   result {of_result / of_source:4.2f}"
            )


if __name__ == "__main__":
    main(sys.argv[1:])
