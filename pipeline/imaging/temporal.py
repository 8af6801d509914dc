"""Smoothing, gap filling and gates over time: zero phase, in seconds, whatever the frame rate.

Every function takes the times of its samples, so it does not matter whether the frame rate is
constant. None looks across a cut: callers pass one shot at a time. Landmarks are smoothed relative
to the face: in picture coordinates a smoother would fight a hand-held camera (measured: it more
than doubles the mouth's error on such clips).
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from .geometry import (
    EYES,
    MOUTH,
    NON_MOUTH,
    Affine,
    Points,
    fit_similarity,
    invert,
    similarity,
    transform,
    translation,
)

Times = NDArray[np.float64]
"""(T,) strictly rising [s]."""
Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]

REACH = 3.0
"""Samples further than this many sigmas away have no weight."""
_BLOCK = 256
"""Samples smoothed in one go: intermediate results need fifteen times their memory."""
SPEED_REACH_S = 0.2
"""A face's speed before and after a gap is taken from frames within this time [s]."""


def smooth(
    values: NDArray[np.floating], times: Times, *, strength_s: float, valid: Flags | None = None
) -> Floats:
    """(T, ...) values, each replaced by a parabola fitted to its neighbours, seen at its own time.

    Args:
        values: (T, ...).
        strength_s: sigma of the neighbours' Gaussian weights [s]; 0 is exactly the identity.
        valid: (T,) samples to believe; the others get a value but give none.

    Local quadratic regression (Cleveland, 1979, with Gaussian weights): zero phase, exact for any
    parabola, at the ends too; on even spacing it damps noise to about 0.69·(rate·sigma)^-½ of
    itself. Where the believed neighbours are too few for a parabola, a line or a mean takes its
    place.
    """
    data = np.asarray(values, np.float64)
    if strength_s <= 0 or len(data) < 2:
        return data.copy()
    flat = data.reshape(len(data), -1)
    believed = np.ones(len(data)) if valid is None else np.asarray(valid, np.float64)
    out = np.empty_like(flat)
    for first in range(0, len(flat), _BLOCK):
        rows = slice(first, min(first + _BLOCK, len(flat)))
        reach = REACH * strength_s
        low = int(np.searchsorted(times, times[rows.start] - reach))
        high = int(np.searchsorted(times, times[rows.stop - 1] + reach, side="right"))
        near = np.where(believed[low:high, None] > 0, flat[low:high], 0.0)
        own = slice(rows.start - low, rows.stop - low)
        moments, sums = _moments(near, times[low:high], believed[low:high], strength_s)
        out[rows] = _centre_of_parabola(moments[own], sums[own], flat[rows])
    return out.reshape(data.shape)


def _moments(flat: Floats, times: Times, believed: Floats, sigma: float) -> tuple[Floats, Floats]:
    """(T, 5) sums of w·u^k and (T, 3, D) sums of w·u^k·value, u = time difference ÷ sigma."""
    count = len(flat)
    moments, sums = np.zeros((count, 5)), np.zeros((count, 3, flat.shape[1]))
    reach = REACH * sigma
    last = np.searchsorted(times, times + reach, side="right")
    furthest = int((last - np.arange(count)).max())
    for step in range(-furthest, furthest + 1):
        here = np.arange(max(0, -step), min(count, count - step))
        there = here + step
        u = (times[there] - times[here]) / sigma
        weight = np.where(np.abs(u) <= REACH, np.exp(-0.5 * u * u), 0.0) * believed[there]
        powers = weight[:, None] * u[:, None] ** np.arange(5)
        moments[here] += powers
        sums[here] += powers[:, :3, None] * flat[there, None, :]
    return moments, sums


def _centre_of_parabola(moments: Floats, sums: Floats, fallback: Floats) -> Floats:
    """(T, D) value at u = 0 of the fit of the highest degree (2, 1 or 0) that is well posed."""
    m0, m1, m2, m3, m4 = moments.T
    out = np.where(m0[:, None] > 1e-9, sums[:, 0] / np.maximum(m0, 1e-9)[:, None], fallback)
    spread = m0 * m2 - m1 * m1
    line = spread > 1e-3 * np.maximum(m0, 1e-9) ** 2
    if line.any():
        a, b = (m2 / np.where(line, spread, 1.0)), (-m1 / np.where(line, spread, 1.0))
        fit = a[:, None] * sums[:, 0] + b[:, None] * sums[:, 1]
        out = np.where(line[:, None], fit, out)
    c0, c1, c2 = m2 * m4 - m3 * m3, m2 * m3 - m1 * m4, m1 * m3 - m2 * m2
    determinant = m0 * c0 + m1 * c1 + m2 * c2
    parabola = determinant > 1e-3 * np.maximum(m0, 1e-9) ** 3
    if parabola.any():
        scale = np.where(parabola, determinant, 1.0)
        fit = sum(c[:, None] * sums[:, k] for k, c in enumerate((c0, c1, c2))) / scale[:, None]
        out = np.where(parabola[:, None], fit, out)
    return np.asarray(out)


FAST_POINTS = np.concatenate([EYES, MOUTH])
"""Lids and lips: they move within a tenth of a second, so they are smoothed half as strongly."""


def smooth_landmarks(
    landmarks: Points, times: Times, *, strength_s: float, pinned: Flags | None = None
) -> Floats:
    """(T, 68, 2) landmarks, smoothed relative to the mean of the 48 points beside the mouth.

    The mean itself is not smoothed: it is the steadiest thing in a face, and what shakes it is
    mostly the camera. Nothing is smoothed over a frame in which the picture was turned or resized
    at once. `pinned` (T,) frames were set by hand and come back unchanged, bit for bit.
    """
    points = np.asarray(landmarks, np.float64)
    if strength_s <= 0:
        return points.copy()
    centre = points[:, NON_MOUTH].mean(1, keepdims=True)
    relative = points - centre
    out = np.empty_like(relative)
    around = relative[:, NON_MOUTH] @ np.array([1, 1j])
    spread = np.maximum((np.abs(around[:-1]) ** 2).sum(1), 1e-9)
    steps = (around[1:] * around[:-1].conj()).sum(1) / spread
    for rows in runs_between(_is_jump(steps)):
        face, at = relative[rows], times[rows]
        out[rows] = smooth(face, at, strength_s=strength_s)
        out[rows, FAST_POINTS] = smooth(face[:, FAST_POINTS], at, strength_s=0.5 * strength_s)
    out += centre
    if pinned is not None:
        out[pinned] = points[pinned]
    return np.asarray(out)


def smooth_quads(quads: Points, times: Times, *, strength_s: float) -> Floats:
    """(T, 4, 2) squares NW, SW, SE, NE, smoothed in centre, size and turn to stay squares.

    Nothing is smoothed over a frame in which the square moved, turned or grew at once.
    """
    corners = np.asarray(quads, np.float64)
    centre = corners.mean(1)
    x = 0.5 * (corners[:, 3] + corners[:, 2]) - centre
    pose = np.column_stack(
        [centre, np.log(np.hypot(x[:, 0], x[:, 1])), np.unwrap(np.arctan2(x[:, 1], x[:, 0]))]
    )
    across = x @ np.array([1, 1j])
    moved = np.linalg.norm(np.diff(centre, axis=0), axis=1) > _JUMP_MOVE * np.abs(across[:-1])
    jumps = moved | _is_jump(across[1:] / across[:-1])
    parts = [smooth(pose[r], times[r], strength_s=strength_s) for r in runs_between(jumps)]
    pose = np.concatenate(parts)
    half = np.exp(pose[:, 2:3]) * np.column_stack([np.cos(pose[:, 3]), np.sin(pose[:, 3])])
    down = half[:, ::-1] * (-1, 1)
    c = pose[:, :2]
    return np.stack([c - half - down, c - half + down, c + half + down, c + half - down], 1)


_JUMP_TURN, _JUMP_SIZE, _JUMP_MOVE = 0.35, 1.15, 0.25
"""[rad], ratio, [halves of the square]: a face that turns, grows or moves by more than this between
two frames did not move by itself: the picture was turned, cut within a room, or pulled aside."""


def _is_jump(steps: NDArray[np.complexfloating]) -> Flags:
    """(T - 1,) whether steps (growth and turn as a complex number) are jumps, not motion."""
    growth = np.abs(np.log(np.maximum(np.abs(steps), 1e-9)))
    return np.asarray((np.abs(np.angle(steps)) > _JUMP_TURN) | (growth > np.log(_JUMP_SIZE)))


_LEAST_OFF = 0.08
"""An outlier lies further off than this [distances between the eyes]."""


def outliers(
    landmarks: Points, times: Times, *, reach_s: float = 0.12, threshold: float = 6.0
) -> Flags:
    """(T,) frames whose face stands apart from its neighbours in time on both sides.

    Each frame is compared with the line between the medians of its neighbours within `reach_s`
    before and after. It is an outlier when it lies further off than `threshold` times the scaled
    median absolute deviation of all frames (Hampel's identifier) and than 8 % of the distance
    between the eyes, less half of the face's movement between those medians: a quick nod is no
    error. Blinks and speech move few points, so a frame's residual is the median over them.
    """
    points = np.asarray(landmarks, np.float64)
    count = len(points)
    if count < 5:
        return np.zeros(count, bool)
    size = np.median(np.linalg.norm(points[:, 45] - points[:, 36], axis=-1))
    if not (_off_neighbours(points, times) > _LEAST_OFF * size).any():
        return np.zeros(count, bool)  # the residuals below are never larger
    residual = np.zeros(count)
    for t in range(count):
        first = np.searchsorted(times, times[t] - reach_s)
        last = np.searchsorted(times, times[t] + reach_s, side="right")
        first, last = min(first, max(t - 2, 0)), max(last, min(t + 3, count))
        around = np.r_[first:t, t + 1 : last]
        residual[t] = _stands_apart(points, times, t, around)
    deviation = np.abs(residual - np.median(residual))
    scale = 1.4826 * np.median(deviation)
    return np.asarray(
        (residual - np.median(residual) > threshold * scale) & (residual > _LEAST_OFF * size)
    )


def _off_neighbours(points: Floats, times: Times) -> Floats:
    """(T - 2,) median distance of a frame's points from the line between the frames beside it."""
    share = (times[1:-1] - times[:-2]) / (times[2:] - times[:-2])
    off = points[2:] - points[:-2]
    off *= share[:, None, None]
    off += points[:-2]
    off -= points[1:-1]
    return np.asarray(np.median(np.linalg.norm(off, axis=-1), axis=1))


def _stands_apart(points: Floats, times: Times, t: int, around: NDArray[np.intp]) -> float:
    """Median distance of a frame's points from where the neighbours' median line expects them."""
    dt = times[around] - times[t]
    before, after = around[dt < 0], around[dt > 0]
    if not len(before) or not len(after):
        return 0.0  # seen from one side only, motion cannot be told from error
    # A moving face is expected on the line between the two medians, not at their mean.
    a, b = np.median(points[before], axis=0), np.median(points[after], axis=0)
    moments = np.array([np.median(times[before]), times[t], np.median(times[after])])
    middle = _between(a, b, moments)
    # At the turning point of a nod only the nearest neighbours tell where the face is.
    near = _between(points[t - 1], points[t + 1], times[t - 1 : t + 2])
    off = min(np.median(np.linalg.norm(points[t] - m, axis=-1)) for m in (middle, near))
    moved = np.median(np.linalg.norm(b - a, axis=-1))
    return float(max(off - 0.5 * moved, 0.0))


def runs(present: Flags) -> list[slice]:
    """Slices of consecutive True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], present, [False]]).astype(np.int8)))
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def runs_between(breaks: Flags) -> list[slice]:
    """Slices of T samples, parted where one of the T - 1 steps between them is a break."""
    edges = [0, *(np.flatnonzero(breaks) + 1).tolist(), len(breaks) + 1]
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def _between(a: Floats, b: Floats, times: Times) -> Floats:
    """The face at the second of three times when `a` stands at the first and `b` at the third."""
    return np.asarray(a + (b - a) * (times[1] - times[0]) / (times[2] - times[0]))


def fill(
    landmarks: Points, valid: Flags, times: Times, *, max_gap_s: float
) -> tuple[Floats, Flags]:
    """Landmarks (T, 68, 2) with short gaps filled, and which frames (T,) were filled.

    A gap is filled when known frames stand on both sides and it lasts at most `max_gap_s` from the
    one to the other. Position, log size and turn follow a cubic (Hermite) with the speeds on both
    sides, because a head keeps moving while it is hidden; the shape is interpolated linearly.
    """
    out = np.asarray(landmarks, np.float64).copy()
    filled = np.zeros(len(out), bool)
    valid_rows = np.flatnonzero(valid)
    for a, b in itertools.pairwise(valid_rows.tolist()):
        if b - a > 1 and times[b] - times[a] <= max_gap_s + 1e-9:
            rows = np.arange(a + 1, b)
            out[rows] = _bridge(out, valid_rows, times, a, b)
            filled[rows] = True
    return out, filled


def _bridge(points: Floats, valid_rows: NDArray[np.intp], times: Times, a: int, b: int) -> Floats:
    """(b - a - 1, 68, 2) faces between the known frames a and b."""
    span = times[b] - times[a]
    s = (times[a + 1 : b] - times[a])[:, None] / span
    # Every pose is relative to frame a, so that size and turn have one meaning.
    goal = _pose(points[a], points[b])
    chord = goal / span
    speeds = []
    for at, side in ((a, valid_rows[valid_rows < a]), (b, valid_rows[valid_rows > b])):
        near = side[np.abs(times[side] - times[at]) <= SPEED_REACH_S]
        far = near[0] if at == a and len(near) else near[-1] if len(near) else None
        if far is None:
            speeds.append(chord)
            continue
        moved = _pose(points[a], points[far]) - _pose(points[a], points[at])
        # Half the found speed, half the chord's: a speed from a few frames is noisy, and its noise
        # would grow with the length of the gap.
        speeds.append(0.5 * chord + 0.5 * moved / (times[far] - times[at]))
    pose = (3 * s**2 - 2 * s**3) * goal + span * (
        (s**3 - 2 * s**2 + s) * speeds[0] + (s**3 - s**2) * speeds[1]
    )
    end = transform(invert(_matrix(goal, points[a])), points[b])
    shape = points[a] + s[:, :, None] * (end - points[a])
    return np.stack([transform(_matrix(p, points[a]), f) for p, f in zip(pose, shape, strict=True)])


def _pose(reference: Floats, face: Floats) -> Floats:
    """(4,) shift of the centroid [px], log size, turn [rad] that take `reference` to `face`."""
    matrix = fit_similarity(reference[NON_MOUTH], face[NON_MOUTH])
    shift = face[NON_MOUTH].mean(0) - reference[NON_MOUTH].mean(0)
    scale = np.hypot(matrix[0, 0], matrix[1, 0])
    return np.array([*shift, np.log(scale), np.arctan2(matrix[1, 0], matrix[0, 0])])


def _matrix(pose: Floats, reference: Floats) -> Affine:
    """(3, 3): the similarity of a pose about the centroid of `reference`."""
    x, y = reference[NON_MOUTH].mean(0)
    turn = similarity(np.exp(pose[2]), np.degrees(pose[3]), x + pose[0], y + pose[1])
    return turn @ translation(-x, -y)


def fade(
    present: Flags,
    times: Times,
    *,
    ramp_s: float,
    start_fades: bool = True,
    end_fades: bool = True,
) -> Floats:
    """(T,) 0–1: 0 where absent, rising over `ramp_s` from every frame that is.

    `start_fades`, `end_fades`: also rise from the first and fall to the last frame, as for a face
    that comes or goes; not at a cut and not where the clip begins or ends.
    """
    present = np.asarray(present, bool)
    gaps = np.concatenate([times[~present], times[:0]])
    # One frame beyond the ends counts as absent where a face comes or goes.
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.04
    if start_fades:
        gaps = np.append(gaps, times[0] - step)
    if end_fades:
        gaps = np.append(gaps, times[-1] + step)
    if not len(gaps):
        return np.ones(len(times))
    gaps = np.sort(gaps)
    after = np.searchsorted(gaps, times)
    left = np.where(after > 0, times - gaps[np.maximum(after - 1, 0)], np.inf)
    right = np.where(after < len(gaps), gaps[np.minimum(after, len(gaps) - 1)] - times, np.inf)
    t = np.clip(np.minimum(left, right) / max(ramp_s, 1e-9), 0.0, 1.0)
    return np.where(present, t * t * (3.0 - 2.0 * t), 0.0)


def hold(
    values: NDArray[np.floating],
    times: Times,
    *,
    low: float,
    high: float,
    min_duration_s: float = 0.3,
) -> Flags:
    """(T,) on/off state of a noisy measure that never flickers.

    It switches on at `high` and off at `low`; between them it stays as it was (the first decided
    sample also decides those before it). Then the shortest run is flipped until every inner run
    lasts `min_duration_s`; the first and the last run may be shorter only if there is no other.
    """
    decided = np.where(np.asarray(values) >= high, 1, np.where(np.asarray(values) <= low, 0, -1))
    known = np.flatnonzero(decided >= 0)
    if not len(known):
        return np.full(len(decided), float(np.mean(values)) >= 0.5 * (low + high))
    held = known[np.maximum(np.searchsorted(known, np.arange(len(decided)), side="right") - 1, 0)]
    states = decided[held] == 1
    edges = np.append(times, times[-1] + (np.median(np.diff(times)) if len(times) > 1 else 0.0))
    while True:
        starts = np.flatnonzero(np.diff(states, prepend=~states[:1]))
        ends = np.append(starts[1:], len(states))
        lengths = edges[ends] - edges[starts]
        shortest = int(lengths.argmin())
        if len(starts) == 1 or lengths[shortest] >= min_duration_s - 1e-9:
            return np.asarray(states)
        states[starts[shortest] : ends[shortest]] ^= True


def soften_states(states: Flags, times: Times, *, ramp_s: float) -> Floats:
    """(T,) 0–1: on/off states with transitions spread evenly round the moment of the change."""
    signed = np.where(states, 1.0, -1.0)
    changes = np.flatnonzero(np.diff(signed))
    if not len(changes) or ramp_s <= 0:
        return 0.5 * (signed + 1.0)
    moments = 0.5 * (times[changes] + times[changes + 1])
    distance = np.abs(times[:, None] - moments).min(1)
    t = np.clip(0.5 + 0.5 * signed * np.minimum(distance / (0.5 * ramp_s), 1.0), 0.0, 1.0)
    t = np.round(t, 9)  # where a ramp ends exactly on a frame, rounding must not leave a remainder
    return np.asarray(t * t * (3.0 - 2.0 * t))
