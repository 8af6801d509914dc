"""How good the cascade is: errors on held-out faces, and on clips against a face mesh tracked over
them.

All errors are % of the distance between the outer eye corners, so they do not depend on the size of
the face. These functions take arrays; opening pictures and clips is left to the caller.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from . import crops
from .cascade import Estimate, LandmarkCascade
from .dataset import Faces, Image
from .net import PartName
from .topology import (
    BROWS,
    JAW,
    LEFT_EYE,
    LID_PAIRS,
    LIP_PAIRS,
    MOUTH,
    NOSE,
    RIGHT_EYE,
    outer_eye_distance,
)

Points = NDArray[np.float32]
_REGIONS = {
    "overall": np.arange(68),
    "mouth": MOUTH,
    "corners": np.array([48, 54]),
    "eyes": np.concatenate([RIGHT_EYE, LEFT_EYE]),
    "brows": BROWS,
    "nose": NOSE,
    "jaw": JAW,
}


def errors_percent(points: Points, truth: Points) -> dict[str, float]:
    """Return mean distances per region between (N, 68, 2) points [% of outer-eye distance]."""
    distance = (
        np.linalg.norm(points - truth[..., :2], axis=-1) / outer_eye_distance(truth)[..., None]
    )
    return {
        name: round(float(100 * distance[..., ids].mean()), 3) for name, ids in _REGIONS.items()
    }


def openings_percent(points: Points, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (T,): mean distance between paired points (P, 2) [% of outer-eye distance]."""
    gap = np.linalg.norm(points[:, pairs[:, 0], :2] - points[:, pairs[:, 1], :2], axis=-1).mean(
        axis=1
    )
    opening: NDArray[np.float64] = 100 * gap / outer_eye_distance(points)
    return opening


def shake_percent(points: Points, ids: NDArray[np.int64]) -> float:
    """Return the median length of the second difference over time of some points, (T, 68, 2)."""
    second = np.diff(points[:, ids, :2], n=2, axis=0)
    return float(
        100 * np.median(np.linalg.norm(second, axis=-1)) / np.median(outer_eye_distance(points))
    )


def evaluate_faces(
    cascade: LandmarkCascade, faces: Faces, *, seed: int = 0, batch: int = 32
) -> tuple[dict[str, float], Estimate]:
    """Return errors on labelled pictures and the estimates.

    Each face is found as in a clip's first frame, from a box as loosely placed round its true
    points as the detector's are (0.10 in scale, 0.05 in place), by two passes and the closer looks.
    """
    rng = np.random.default_rng(seed)
    parts: list[Estimate] = []
    for start in range(0, len(faces.images), batch):
        ids = range(start, min(start + batch, len(faces.images)))
        boxes = np.stack([_loose_box(faces.points[i], rng) for i in ids])
        parts.append(cascade.from_boxes([np.asarray(faces.images[i]) for i in ids], boxes))
    fields = ("points", "sigma", "score", "mouth_score", "eyes_score")
    estimate = Estimate(**{f: np.concatenate([getattr(p, f) for p in parts]) for f in fields})
    return errors_percent(estimate.points, faces.points), estimate


def typical_scales(cascade: LandmarkCascade, faces: Faces) -> dict[PartName, float]:
    """Return each network's median expected error [crop px] on labelled pictures."""
    images = [np.asarray(i) for i in faces.images]
    scales = cascade.expected_errors(images, faces.points)
    return {part: round(float(np.median(s)), 4) for part, s in scales.items()}


def label_shift(cascade: LandmarkCascade, faces: Faces) -> float:
    """Return how far right of the estimates the labels lie [outer-eye distances]."""
    _, estimate = evaluate_faces(cascade, faces)
    across = faces.points[:, 45] - faces.points[:, 36]
    across = across / (across**2).sum(axis=-1, keepdims=True)
    error = (faces.points - estimate.points).mean(axis=1)
    return round(float(np.median((error * across).sum(axis=-1))), 5)


def _loose_box(points: Points, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the box whose crop is the true one, but for the detector's spread."""
    square = crops.face_crop(points, 2)
    middle = crops.apply(square, np.array([0.5, 0.5]))
    width = np.linalg.norm(square[:, 0]) * 2 / crops.BOX_SIDE * np.exp(rng.normal(0, 0.1))
    centre = middle - [0, crops.BOX_DOWN * width] + rng.normal(0, 0.05, 2) * width
    return np.concatenate([centre - width / 2, centre + width / 2])


def follow(
    cascade: LandmarkCascade, frames: Iterable[Image], first: Points
) -> tuple[Points, NDArray[np.float32]]:
    """Return points (T, 68, 2) and scores (T,) of one face followed from `first` (68, 2)."""
    points, scores, last = [], [], first[None]
    for frame in frames:
        estimate = cascade.from_points([frame], last)
        last = estimate.points
        points.append(last[0])
        scores.append(estimate.score[0])
    return np.stack(points), np.array(scores, np.float32)


def compare_clip(points: Points, scores: NDArray[np.float32], truth: Points) -> dict[str, object]:
    """Compare points (T, 68, 2) found over a clip with the mesh's (T, 68, 2), for JSON.

    Lengths are in % of the outer-eye distance. Pairs are the mesh's value and ours: `shake_*`;
    the mean opening of the lids while the mesh blinks (below 0.6 of its median) and while not; the
    mean gap of the lips while the mesh's is below 1 %. `score`: median and lowest.
    """
    both = truth, points
    true_lids, lids = (openings_percent(p, LID_PAIRS) for p in both)
    true_lips, lips = (openings_percent(p, LIP_PAIRS) for p in both)
    true_width, width = (
        np.linalg.norm(p[:, 48] - p[:, 54], axis=-1) / outer_eye_distance(p) for p in both
    )
    blink = true_lids < 0.6 * np.median(true_lids)
    shut = true_lips < 1.0
    off = np.linalg.norm(points - truth, axis=-1).mean(axis=1)
    return {
        "frames": len(points),
        "errors": errors_percent(points, truth),
        "shake_mouth": [_round(shake_percent(p, MOUTH)) for p in both],
        "shake_all": [_round(shake_percent(p, np.arange(68))) for p in both],
        "lids_correlation": _correlation(lids, true_lids),
        "lips_correlation": _correlation(lips, true_lips),
        "blink_opening": [_mean(true_lids, blink), _mean(lids, blink)],
        "open_eye_opening": [_mean(true_lids, ~blink), _mean(lids, ~blink)],
        "closed_lips_gap": [_mean(true_lips, shut), _mean(lips, shut)],
        "width_correlation": _correlation(width, true_width),
        "lost_frames": int((off > 0.08 * outer_eye_distance(truth)).sum()),
        "score": [_round(float(np.median(scores))), _round(float(scores.min()))],
    }


def _round(value: float) -> float:
    return round(value, 3)


def _mean(values: NDArray[np.float64], chosen: NDArray[np.bool_]) -> float:
    return _round(float(values[chosen].mean())) if chosen.any() else float("nan")


def _correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    return _round(float(np.corrcoef(a, b)[0, 1])) if len(a) > 1 else float("nan")
