"""How far the square that the published video script cuts out lies from the one cut out here.

    python samples/measure_published_square.py CLIP_landmarks478.npz [...]

The published one takes the mean of two corners for the centre of an eye, FFHQ's and ours the mean
of six points, which move with the lids.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from models.topology68 import MESH_TO_68
from pipeline.imaging.geometry import ffhq_quad

Floats = NDArray[np.float64]


def with_corner_eyes(points: Floats) -> Floats:
    """Return landmarks (T, 68, 2) whose six points of an eye all lie between its two corners."""
    out = points.copy()
    for first, last in ((36, 39), (42, 45)):
        middle = 0.5 * (points[:, first] + points[:, last])
        out[:, first : first + 6] = middle[:, None]
    return out


def measures(quads: Floats) -> tuple[Floats, Floats, Floats]:
    """Return centre (T, 2) [px], side (T,) [px] and turn (T,) [degrees] of squares (T, 4, 2)."""
    across = quads[:, 3] - quads[:, 0]
    turn = np.degrees(np.arctan2(across[:, 1], across[:, 0]))
    return quads.mean(1), np.linalg.norm(across, axis=1), turn


def jitter(centre: Floats, side: Floats) -> float:
    """Return how much a square trembles: median second difference of its centre in % of side."""
    return float(100 * np.median(np.linalg.norm(np.diff(centre, 2, axis=0), axis=1) / side[1:-1]))


def main() -> None:
    """Print one line per file."""
    print("clip     centre %   (95 %)   side %   turn deg   tremble six  two corners, % of side")
    for name in sys.argv[1:]:
        with np.load(name) as found:
            points = found["points"][:, list(MESH_TO_68), :2].astype(np.float64)
        centre, side, turn = measures(ffhq_quad(points))
        other, large, lean = measures(ffhq_quad(with_corner_eyes(points)))
        apart = 100 * np.linalg.norm(other - centre, axis=1) / side
        print(
            f"{Path(name).stem.partition('_')[0]:8} {np.median(apart):8.2f} "
            f"{np.percentile(apart, 95):8.2f} {100 * np.median(large / side - 1):8.2f} "
            f"{np.median(np.abs(lean - turn)):10.2f} {jitter(centre, side):13.3f} "
            f"{jitter(other, large):12.3f}"
        )


if __name__ == "__main__":
    main()
