"""The frames of glasses, found as closed dark lines round the eyes."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .regions import BROWS, EYES, Mask, grown, polygon

ANGLES: Final = 96
RADII: Final = 48
OUTER: Final = ((33, 127), (263, 356))


def darkness(light: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """How much darker a pixel is than what lies on both sides of the thin thing it belongs to."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    smooth = cv2.GaussianBlur(light, (0, 0), 1.0)
    return cv2.morphologyEx(smooth, cv2.MORPH_CLOSE, disc) - smooth


def closed_path(gain: NDArray[np.float32], steepest: int = 1) -> NDArray[np.int64]:
    """Index along axis 1 for each row of gain (A, R), a closed path of the largest sum."""

    def run(start: int | None) -> tuple[NDArray[np.int64], float]:
        rows, cols = gain.shape
        best = gain[0].copy()
        if start is not None:
            best[:] = -1e9
            best[start] = gain[0, start]
        back = np.zeros((rows, cols), np.int64)
        for k in range(1, rows):
            shifted = np.full((2 * steepest + 1, cols), -1e9, np.float32)
            for s in range(-steepest, steepest + 1):
                lo, hi = max(0, s), cols + min(0, s)
                shifted[s + steepest, lo:hi] = best[lo - s : hi - s] - 1.2 * abs(s)
            back[k] = shifted.argmax(0) - steepest
            best = gain[k] + shifted.max(0)
        end = int(best.argmax())
        if start is not None:
            near = slice(max(0, start - steepest), start + steepest + 1)
            end = near.start + int(best[near].argmax())
        path = np.zeros(rows, np.int64)
        path[-1] = end
        for k in range(rows - 1, 0, -1):
            path[k - 1] = path[k] - back[k, path[k]]
        return path, float(best[end])

    free, _ = run(None)
    middle = int(free[len(free) // 2])
    # turn the rows so that the seam lies where the free path is surest
    tried = [run(c)[0] for c in {int(free[0]), int(free[-1]), middle}]
    return max(tried, key=lambda p: gain[np.arange(len(p)), p].sum())


def lens(evidence: NDArray[np.float32], points: NDArray[np.float32], which: int, span: float):
    """Rim of one lens: ring points (A, 2), evidence on it (A,)."""
    eye = points[list(EYES[which])]
    inner, outer = eye[eye[:, 0].argsort()[[0, -1]]]
    centre = eye.mean(0) + np.array([0.0, 0.06 * span])
    turn = np.arctan2(*(points[263] - points[33])[::-1])
    angles = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False)
    half_w, half_h = 0.36 * span, 0.30 * span
    # radius grows with the ellipse of an average lens: 0.45 ... 1.25 of it
    base = half_w * half_h / np.sqrt((half_h * np.cos(angles)) ** 2 + (half_w * np.sin(angles)) ** 2)
    scales = np.linspace(0.5, 1.3, RADII)
    radius = base[:, None] * scales[None]
    x = centre[0] + radius * np.cos(angles + turn)[:, None]
    y = centre[1] + radius * np.sin(angles + turn)[:, None]
    seen = cv2.remap(evidence, (x - 0.5).astype(np.float32), (y - 0.5).astype(np.float32), cv2.INTER_LINEAR)
    gain = np.minimum(seen, 30.0) - 3.0 * np.abs(scales - 0.9)[None]
    start = int(gain.max(1).argmax())
    rolled = np.roll(gain, -start, 0)
    path = np.roll(closed_path(rolled), start)
    pick = np.arange(ANGLES)
    return np.stack([x[pick, path], y[pick, path]], -1), seen[pick, path]


def frame(picture: NDArray[np.uint8], points: NDArray[np.float32], span: float) -> tuple[Mask, Mask, float]:
    """(rims, doubtful, sureness) of a picture (S, S, 3) with its mesh points [px]."""
    side = len(picture)
    lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    size = max(9, round(0.13 * span)) | 1
    dark = darkness(np.ascontiguousarray(lab[..., 0]), size)
    bright = darkness(np.ascontiguousarray(100 - lab[..., 0]), size)
    evidence = np.maximum(dark, 0.5 * bright).astype(np.float32)
    eyes = np.any([polygon(points, e, side) for e in EYES], 0)
    evidence[grown(eyes, round(0.04 * span))] = 0
    brows = np.any([polygon(points, b, side) for b in BROWS], 0)
    brows |= grown(brows, round(0.05 * span))
    raw = evidence.copy()
    evidence[brows] *= 0.05
    raw[grown(brows, -round(0.03 * span))] *= 0.5
    rims = np.zeros((side, side), bool)
    doubt = np.zeros((side, side), bool)
    scores, rings = [], []
    for which in (0, 1):
        ring, guided = lens(evidence, points, which, span)
        seen = cv2.remap(raw, (ring - 0.5).astype(np.float32)[None], None, cv2.INTER_LINEAR)[0]
        rings.append(ring)
        scores.append(float(np.mean(seen > 9)))
        line = np.zeros((side, side), np.uint8)
        weak = np.zeros((side, side), np.uint8)
        smooth = cv2.blur(np.concatenate([seen[-4:], seen, seen[:4]])[None], (5, 1))[0, 4:-4]
        for k in range(ANGLES):
            a, b = ring[k], ring[(k + 1) % ANGLES]
            to = line if smooth[k] > 7 else weak
            cv2.line(to, tuple(np.round(a - 0.5).astype(int)), tuple(np.round(b - 0.5).astype(int)), 1, 1)
        near = grown(line.astype(bool), round(0.035 * span))
        level = np.where(near, raw, 0)
        local = cv2.dilate(level.astype(np.float32), np.ones((9, 9)))
        rims |= (near & (raw > 0.6 * local) & (raw > 6)) | line.astype(bool)
        doubt |= grown(weak.astype(bool), round(0.02 * span))
    # bridge and temples: dark lines joined to the rims, between and beside the lenses
    ys, xs = np.mgrid[0:side, 0:side] + 0.5
    top = np.concatenate(rings)[:, 1].min()
    inner_l, inner_r = rings[0][:, 0].max(), rings[1][:, 0].min()
    nose_y = points[195, 1]
    between = (xs > inner_l - 2) & (xs < inner_r + 2) & (ys > top - 2) & (ys < nose_y)
    beside = np.zeros_like(between)
    for ring, edge, sign in ((rings[0], points[127, 0], -1), (rings[1], points[356, 0], 1)):
        far = ring[:, 0].min() if sign < 0 else ring[:, 0].max()
        high, low = ring[:, 1].min() - 0.03 * span, ring[:, 1].min() + 0.55 * np.ptp(ring[:, 1])
        lo, hi = sorted((far, edge))
        beside |= (xs > lo - 2) & (xs < hi + 2) & (ys > high) & (ys < low) & ((xs - far) * sign > -3)
    weak = (between | beside) & (dark > 8)
    count, blobs, stats, _ = cv2.connectedComponentsWithStats((weak | rims).astype(np.uint8))
    extra = np.zeros_like(rims)
    for k in np.unique(blobs[rims]):
        if k:
            extra |= (blobs == k) & weak
    # of the bridge only the upper, wide part: a nose's shades are tall
    rims |= extra
    # near brows and lashes a dark line may be either; what is dark nearby but in no rim is left out
    doubt |= grown(brows, round(0.02 * span)) & rims
    ring_zone = grown(rims, round(0.08 * span)) & (ys < nose_y + 0.1 * span)
    doubt |= ring_zone & (raw > 12) & ~rims
    return rims, doubt, min(scores)
