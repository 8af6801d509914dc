"""Judge an edited clip with a face mesh that visagist has never seen.

    python -m venv mesh
    mesh/bin/pip install mediapipe==0.10.14 av    # the last wheels with a model inside
    mesh/bin/python samples/measure_edit.py SOURCE EDITED

Prints, over the frames with a near-frontal face: the share with a wider mouth and higher corners,
by how much (in distances between the outer eye corners), how far the head was turned, and the
temporal jitter of the result against the source's (median second difference of mouth and cheek
points).
"""

from __future__ import annotations

import sys

import av
import numpy as np
from mediapipe.python.solutions.face_mesh import FaceMesh
from numpy.typing import NDArray

Mesh = NDArray[np.float64]
"""(T, 478, 2) [px]; NaN in frames without a face."""

RIGHT_EYE, LEFT_EYE = 33, 263
CORNERS = (61, 291)
LIPS = (0, 17)
JAW_ENDS, NOSE_TIP = (234, 454), 1
MOVING = [61, 291, 0, 17, 13, 14, 152, 205, 425, 37, 267]
"""Mouth, cheeks, chin: what a smile moves."""
RIGID = [10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 1, 33, 133, 362, 263, 234, 454, 127, 356]
"""Forehead, nose, corners of the eyes, before the ears: what no expression moves."""


def mesh_of(path: str) -> Mesh:
    """Return the face mesh of every frame of a clip."""
    return solid_mesh_of(path)[..., :2]


def solid_mesh_of(path: str) -> NDArray[np.float64]:
    """Return the same with depth, (T, 478, 3) [px], z away from the camera."""
    finder = FaceMesh(max_num_faces=1, refine_landmarks=True, min_detection_confidence=0.3)
    frames = []
    with av.open(path) as container:
        for frame in container.decode(video=0):
            found = finder.process(frame.to_ndarray(format="rgb24")).multi_face_landmarks
            size = (frame.width, frame.height, frame.width)
            points = (
                [(p.x, p.y, p.z) for p in found[0].landmark] if found else [(np.nan,) * 3] * 478
            )
            frames.append(np.array(points) * size)
    return np.array(frames)


def in_face(mesh: Mesh, points: tuple[int, ...] | int) -> Mesh:
    """Return points in the frame of the eyes: origin between them, unit their distance."""
    right, left = mesh[:, RIGHT_EYE], mesh[:, LEFT_EYE]
    axis = left - right
    unit = np.linalg.norm(axis, axis=1, keepdims=True)
    x_axis = axis / unit
    y_axis = np.stack([-x_axis[:, 1], x_axis[:, 0]], axis=1)
    chosen = mesh[:, np.atleast_1d(points)] - ((right + left) / 2)[:, None]
    local = np.stack([(chosen * x_axis[:, None]).sum(-1), (chosen * y_axis[:, None]).sum(-1)], -1)
    return np.asarray(local / unit[:, None])


def smile_of(mesh: Mesh) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mouth width and height of the corners over the eye line's level, per frame."""
    corners = in_face(mesh, CORNERS)
    return np.linalg.norm(corners[:, 0] - corners[:, 1], axis=1), -corners[:, :, 1].mean(axis=1)


def near_frontal(mesh: Mesh) -> NDArray[np.bool_]:
    """Return where the nose lies in the middle 40 % between the jaw's ends."""
    ends, nose = in_face(mesh, JAW_ENDS)[:, :, 0], in_face(mesh, NOSE_TIP)[:, 0, 0]
    place = (nose - ends[:, 0]) / (ends[:, 1] - ends[:, 0])
    return (place > 0.3) & (place < 0.7)


def turn_between(source: NDArray[np.float64], edited: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how many degrees each head (T,) was turned, above 0 to the picture's right: the
    rotation between the points of solid meshes that no expression moves (Kabsch 1976)."""
    turns = []
    for before, after in zip(source[:, RIGID], edited[:, RIGID], strict=True):
        centred = [p - p.mean(0) for p in (before, after)]
        u, _, vt = np.linalg.svd(centred[1].T @ centred[0])
        rotation = u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt
        turns.append(np.degrees(np.arctan2(-rotation[0, 2], np.hypot(*rotation[:2, 0]))))
    return np.array(turns)


def jitter(mesh: Mesh) -> float:
    """Return the median second difference of the moving points [% of the eye distance]."""
    unit = np.nanmedian(np.linalg.norm(mesh[:, LEFT_EYE] - mesh[:, RIGHT_EYE], axis=1))
    second = np.diff(mesh[:, MOVING], n=2, axis=0)
    return float(100 * np.nanmedian(np.linalg.norm(second, axis=-1)) / unit)


def main(source_path: str, edited_path: str) -> None:
    """Print the comparison."""
    solids = solid_mesh_of(source_path), solid_mesh_of(edited_path)
    source, edited = (solid[..., :2] for solid in solids)
    if len(source) != len(edited):
        raise SystemExit(f"{len(source)} frames in {source_path}, {len(edited)} in {edited_path}")
    judged = near_frontal(source) & np.isfinite(edited).all(axis=(1, 2))
    if not judged.any():
        raise SystemExit(f"no frame of {source_path} shows a near-frontal face in both clips")
    wider, higher = (b - a for a, b in zip(smile_of(source), smile_of(edited), strict=True))
    both = ((wider > 0) & (higher > 0))[judged].mean()
    print(f"{judged.sum()} of {len(source)} frames near-frontal")
    print(f"mouth wider and corners higher: {both:.1%}")
    print(f"width {wider[judged].mean():+.3f}, corners {higher[judged].mean():+.3f} eye distances")
    turns = turn_between(*(solid[judged] for solid in solids))
    low, middle, high = np.percentile(turns, [10, 50, 90])
    print(f"turned by {middle:+.1f} degrees ({low:+.1f} to {high:+.1f} in 80 %)")
    within = (np.abs(turns) >= 6) & (np.abs(turns) <= 12)
    print(f"turned by 6 to 12 degrees: {within.mean():.1%}")
    print(f"jitter, edited / source: {jitter(edited) / jitter(source):.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
