"""New faces from labelled ones: the face mesh is moved and the picture follows its triangles.

Training faces are near-frontal, mostly smiling and never blink. Each render moves the mesh of one
picture (another face's shape, jaw, lips, lids, brows, then a 3-D turn), draws its triangles from
far to near and looks every pixel up in the picture, so the labels stay exact. What a closed mouth
hides is painted in.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .mesh import (
    EYE_INSIDE,
    EYES_LOWER,
    EYES_UPPER,
    INNER_LOWER,
    INNER_UPPER,
    MOUTH_INSIDE,
    SKIN,
    VERTICES,
    Mesh,
    Points,
    move,
    random_pose,
    surround,
)
from .topology import mesh_to_68


def draw(
    image: NDArray[np.uint8],
    mesh: Mesh,
    source: Points,
    target: Points,
    eyeballs: Points,
    *,
    size: int,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Return the picture (size, size, 3) uint8 with the mesh moved from `source` to `target`.

    `image` is (H, W, 3) uint8 RGB; the vertices (V, 3) are in image widths; `eyeballs` are the
    target's vertices with open lids, by which the eyes are textured so that lids cover instead of
    squeezing them.
    """
    index = _rasterize(mesh, target, size)
    affine = _affines(mesh, source, target, eyeballs, image.shape[1], size)
    v, u = np.mgrid[0:size, 0:size].astype(np.float32)
    a = affine[index]
    map_x = a[..., 0, 0] * u + a[..., 0, 1] * v + a[..., 0, 2]
    map_y = a[..., 1, 0] * u + a[..., 1, 1] * v + a[..., 1, 2]
    out = cv2.remap(image, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    kind = mesh.kinds[index]
    _paint_mouth(out, kind == MOUTH_INSIDE, source, target, size, rng)
    _paint_lashes(out, kind == EYE_INSIDE, eyeballs, target, size, rng)
    return np.asarray(out, dtype=np.uint8)


def _rasterize(mesh: Mesh, target: Points, size: int) -> NDArray[np.int32]:
    """Return (size, size) int32: the triangle nearest to the viewer at each pixel."""
    corners = target[mesh.triangles]
    depth = corners[..., 2].mean(axis=1)
    depth[mesh.kinds != SKIN] += 0.02  # what is inside lies behind the lips and lids
    depth[(mesh.triangles >= VERTICES).any(axis=1)] += 1.0  # hair and background behind the face
    pixels = np.round((corners[..., :2] * size - 0.5) * 16).astype(np.int32)
    index = np.zeros((size, size), np.int32)
    for i in np.argsort(-depth):
        cv2.fillConvexPoly(index, pixels[i], int(i), lineType=8, shift=4)
    return index


def _affines(
    mesh: Mesh, source: Points, target: Points, eyeballs: Points, width: int, size: int
) -> NDArray[np.float32]:
    """Return (M, 2, 3) float32 from target pixel to source pixel, per triangle."""
    ones = np.ones((len(mesh.triangles), 1, 3))
    corners = np.where(
        (mesh.kinds == EYE_INSIDE)[:, None, None], eyeballs[mesh.triangles], target[mesh.triangles]
    )
    to = np.concatenate([(corners[..., :2] * size - 0.5).transpose(0, 2, 1), ones], axis=1)
    frm = (source[mesh.triangles][..., :2] * width - 0.5).transpose(0, 2, 1)
    flat = np.abs(np.linalg.det(to)) < 1e-3
    to[flat] = np.eye(3)
    affine: NDArray[np.float32] = (frm @ np.linalg.inv(to)).astype(np.float32)
    return affine


def _paint_mouth(
    out: NDArray[np.uint8],
    inside: NDArray[np.bool_],
    source: Points,
    target: Points,
    size: int,
    rng: np.random.Generator,
) -> None:
    """Paint dark, tongue and teeth where a mouth opened that was closed in the picture."""
    gap_before = source[14, 1] - source[13, 1]
    if gap_before > 0.012 or not inside.any():
        return
    fine = 4
    h, w = inside.shape
    paint = np.empty((h, w, 3), np.uint8)
    paint[:] = rng.uniform([25, 8, 8], [95, 45, 45])
    scale = size * fine
    upper = np.round((target[INNER_UPPER, :2] * size - 0.5) * fine).astype(np.int32)
    lower = np.round((target[INNER_LOWER, :2] * size - 0.5) * fine).astype(np.int32)
    if rng.random() < 0.5:
        middle = lower[2:9].mean(axis=0) + np.array([0, 0.01 * scale])
        axes = (int(0.06 * scale), int(rng.uniform(0.01, 0.035) * scale))
        tone = rng.uniform([130, 50, 50], [200, 110, 110])
        centre = (int(middle[0]), int(middle[1]))
        cv2.ellipse(paint, centre, axes, 0, 0, 360, tone.tolist(), -1, cv2.LINE_AA, 2)
    white = rng.uniform([165, 150, 125], [240, 235, 225])
    if rng.random() < 0.75:
        band = _teeth_along(upper, rng.uniform(0.004, 0.03) * scale)
        cv2.fillPoly(paint, [band], white.tolist(), cv2.LINE_AA, 2)
    if rng.random() < 0.3:
        band = _teeth_along(lower, -rng.uniform(0.003, 0.015) * scale)
        cv2.fillPoly(paint, [band], (white * 0.9).tolist(), cv2.LINE_AA, 2)
    paint = cv2.GaussianBlur(paint, (0, 0), 0.8)
    alpha = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 0.6)[..., None]
    out[:] = np.round(out * (1 - alpha) + paint * alpha)


def _teeth_along(lip: NDArray[np.int32], depth: float) -> NDArray[np.int32]:
    """Return the outline (22, 2) of a row of teeth that hangs `depth` below a lip line (11, 2)."""
    ends = lip + np.array([[0, 1]]) * (depth * np.sin(np.linspace(0.2, np.pi - 0.2, 11)))[:, None]
    return np.concatenate([lip, ends[::-1].astype(np.int32)])


def _paint_lashes(
    out: NDArray[np.uint8],
    inside: NDArray[np.bool_],
    open_eyes: Points,
    target: Points,
    size: int,
    rng: np.random.Generator,
) -> None:
    """Fill a nearly closed slit with the dark of the lashes instead of a sliver of eyeball."""
    for eye in range(2):
        upper, lower = np.array(EYES_UPPER[eye]), np.array(EYES_LOWER[eye])
        before = np.abs(open_eyes[lower, 1] - open_eyes[upper, 1]).sum()
        after = np.abs(target[lower, 1] - target[upper, 1]).sum()
        closed = 1 - after / max(before, 1e-6)
        if closed < 0.75:
            continue
        line = (
            (((target[upper] + target[lower])[:, :2] / 2 * size - 0.5) * 16)
            .round()
            .astype(np.int32)
        )
        lash = np.zeros((size, size), np.uint8)
        cv2.polylines(lash, [line], False, 255, 1, cv2.LINE_AA, 4)
        box = cv2.dilate(lash, np.ones((5, 5), np.uint8)) > 0
        alpha = np.maximum((inside & box).astype(np.float32), lash / 255.0 * rng.uniform(0.2, 0.9))
        alpha = cv2.GaussianBlur(alpha, (0, 0), 0.6)[..., None]
        tone = rng.uniform(10, 80) * np.array([1.0, 0.85, 0.75])
        out[:] = np.round(out * (1 - alpha) + tone * alpha)


def render(
    image: NDArray[np.uint8],
    mesh_points: NDArray[np.float32],
    other: NDArray[np.float32],
    mesh: Mesh,
    *,
    size: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return one new face: picture (size, size, 3) uint8 RGB and its (68, 2) float32 points [px].

    `mesh_points` and `other` are (478, 3) in image widths: the picture's mesh, and another face's
    whose shape and expression it takes over in part.
    """
    source = surround(mesh_points)
    share = float(rng.uniform(0.0, 0.7)) if rng.random() < 0.5 else 0.0
    shaped = surround((1 - share) * mesh_points + share * other)
    target, eyeballs = move(mesh, shaped, random_pose(rng))
    picture = draw(image, mesh, source, target, eyeballs, size=size, rng=rng)
    return picture, (mesh_to_68(target.astype(np.float32))[:, :2] * size - 0.5)
