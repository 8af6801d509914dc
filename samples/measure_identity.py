"""Measure how far every attribute moves people from who they are.

    python samples/measure_identity.py CLIP ... [--attr NAME ...] [--frames 3]

For strengths -2, -1, 1 and 2 of each attribute, as far as its range goes, prints the mean distance
between faces before and after, over the faces that are edited in frames spread over the clips, by
the recogniser of the extra `identity` (0.6: another person): `pip install 'visagist[identity]'`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a checkout

from pipeline.edits import moved_by
from pipeline.identity import compared
from pipeline.loading import FaceRecogniser, load_recogniser
from pipeline.request import EditRequest
from pipeline.session import open_session
from pipeline.viewing import frames_at

ATTRIBUTES = (
    *("smile", "toothy-smile", "age", "gender", "weight", "jaw", "nose", "eyes-size", "lips"),
    *("wrinkles", "eye-bags", "smooth-skin", "skin-tone", "hair-colour", "turn"),
)
STRENGTHS = (-2.0, -1.0, 1.0, 2.0)


def moved(
    clip: Path, names: tuple[str, ...], count: int, judge: FaceRecogniser
) -> dict[tuple[str, float], list[float]]:
    """Return the distances of all faces seen, by attribute and strength."""
    request = EditRequest(clip, tuple(f"{name}=1" for name in names))
    session = open_session(request)
    places = np.linspace(0, session.plan.frame_count - 1, count + 2)[1:-1]
    frames = frames_at(session, places.astype(int).tolist())
    found: dict[tuple[str, float], list[float]] = {}
    for edit in session.edits:
        attribute = session.catalogue[edit.attribute]
        for strength in (s for s in STRENGTHS if attribute.low <= s <= attribute.high):
            edits = [moved_by(edit, strength, session.catalogue)]
            pairs = [p for frame in frames for p in compared(session, frame, edits).values()]
            told = [judge.distances(before[None], after[None]) for before, after in pairs]
            found[edit.attribute, strength] = [float(distance) for distance in told]
    return found


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--attr", nargs="+", default=list(ATTRIBUTES))
    parser.add_argument("--frames", type=int, default=3)
    options = parser.parse_args()
    judge = load_recogniser()
    if judge is None:
        print("the extra is missing: pip install 'visagist[identity]'", file=sys.stderr)
        return 1
    everything: dict[tuple[str, float], list[float]] = {}
    for clip in options.clips:
        for key, told in moved(clip, tuple(options.attr), options.frames, judge).items():
            everything.setdefault(key, []).extend(told)
    print("| attribute |", " | ".join(f"{s:+g}" for s in STRENGTHS), "|")
    print("|---|" + "---|" * len(STRENGTHS))
    for name in options.attr:
        cells = [everything.get((name, s), []) for s in STRENGTHS]
        print(f"| {name} |", " | ".join(f"{np.mean(c):.2f}" if c else "–" for c in cells), "|")
    return 0


if __name__ == "__main__":
    sys.exit(main())
