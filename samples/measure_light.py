"""Judge what a light did to a clip, at the points of a face mesh that visagist has never seen.

    mesh/bin/python samples/measure_light.py SOURCE EDITED     # mesh: see measure_edit.py

Prints, of luma at the points of the face: by how much the picture's left half grew against the
right one, how much brighter the whole face is, how much the change flickers (median second
difference over time of the log ratio of edited and source) beside how much the source's own luma
does, and what share of the points is white before and after.
"""

from __future__ import annotations

import sys

import av
import cv2
import numpy as np
from measure_edit import LEFT_EYE, RIGHT_EYE, Mesh, in_face, jitter, mesh_of  # type: ignore[import-not-found]  # it lies beside this file
from numpy.typing import NDArray

FACE = tuple(range(468))
"""Points of the mesh without the irises."""
SOFT = 0.03
"""Sigma over which luma is averaged at a point [eye distances]."""
WHITE = 0.995


def luma_at(path: str, mesh: Mesh) -> NDArray[np.float64]:
    """Return luma (T, 468) 0–1 at the points of a mesh (T, 478, 2); NaN without a face."""
    out = []
    with av.open(path) as container:
        for frame, points in zip(container.decode(video=0), mesh, strict=True):
            if not np.isfinite(points).all():
                out.append(np.full(len(FACE), np.nan))
                continue
            unit = float(np.linalg.norm(points[LEFT_EYE] - points[RIGHT_EYE]))
            luma = frame.to_ndarray(format="gray").astype(np.float32) / 255
            soft = cv2.GaussianBlur(luma, (0, 0), SOFT * unit)
            x, y = points[list(FACE)].T.astype(np.float32)
            out.append(cv2.remap(soft, x, y, cv2.INTER_LINEAR).ravel())
    return np.array(out, np.float64)


def flicker(values: NDArray[np.float64]) -> float:
    """Return the median second difference over time of values (T, P)."""
    return float(np.nanmedian(np.abs(np.diff(values, n=2, axis=0))))


def main(source_path: str, edited_path: str) -> None:
    """Print the comparison."""
    mesh = mesh_of(source_path)
    before, after = (luma_at(path, mesh) for path in (source_path, edited_path))
    left = in_face(mesh, FACE)[:, :, 0] < 0
    sides = [
        [np.nanmean(np.where(half, luma, np.nan), 1) for half in (left, ~left)]
        for luma in (before, after)
    ]
    balance = (sides[1][0] / sides[1][1]) / (sides[0][0] / sides[0][1]) - 1
    whole = np.nanmean(after, 1) / np.nanmean(before, 1) - 1
    print(
        f"left against right: {np.nanmean(balance):+.1%} ({np.nanmin(balance):+.1%} at least, "
        f"{np.nanmax(balance):+.1%} at most)"
    )
    print(f"whole face: {np.nanmean(whole):+.1%}")
    change = np.log((after + 0.02) / (before + 0.02))
    print(
        f"flicker: {flicker(change):.5f} of the change, "
        f"{flicker(np.log(before + 0.02)):.5f} of the source"
    )
    print(f"white: {np.nanmean(before > WHITE):.2%} before, {np.nanmean(after > WHITE):.2%} after")
    print(f"jitter, edited / source: {jitter(mesh_of(edited_path)) / jitter(mesh):.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
