"""Track: faces of single frames in, people over time out.

`link` joins what was found, frame by frame, into raw tracks, one shot at a time; these are what the
analysis file stores. `refine` makes of a raw track what the render pass needs: wrong frames thrown
out, short gaps filled, points smoothed, a weight for every frame that fades all edits where the
face comes, goes, turns away or is not seen well enough, and weights for its parts that fade the
edits which need a part while that is covered.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..causes import UNSEEN
from ..imaging import temporal
from ..imaging.geometry import NON_MOUTH, eye_distance, head_pose, yaw_weight
from ..types import PARTS, FaceState, FaceTrack, Part
from .linking import RawTrack, TrackOptions, link, shot_bounds, with_unseen

__all__ = ["RawTrack", "TrackOptions", "link", "refine", "shot_bounds", "with_unseen"]

Times = NDArray[np.float64]

LOST: dict[Part, float] = {"mouth": 0.25, "eyes": 0.1}
BACK: dict[Part, float] = {"mouth": 0.45, "eyes": 0.3}
"""Scores of a part's landmarks at which edits that need it go, and at which they come back.

Measured: clean frames of grimacing, speaking faces stay above 0.39; a mouth behind a cup or a
microphone is mostly below 0.25, often 0. Eyes behind a hand are mostly below 0.1, and shake, where
a turning head blurs them, round 0.2.
"""

ELSEWHERE = 0.2
"""A face found further than this [eye distances] from its filled-in place is elsewhere; faces read
badly are off by half of it."""


def refine(
    raw: RawTrack,
    *,
    times: Times,
    cuts: Sequence[int] = (),
    pixel_aspect: float = 1.0,
    options: TrackOptions | None = None,
) -> FaceTrack:
    """The track as the render pass uses it.

    Args:
        raw: from `link` or an analysis file; MANUAL frames are taken as they are.
        times: (frames of the clip,) [s].
        cuts: as for `link`: at a cut, and at the ends of the clip, nothing fades.
        pixel_aspect: width ÷ height of a pixel, to measure the head's turn.
    """
    options = options or TrackOptions()
    seconds = times[raw.first_frame : raw.end_frame]
    manual = raw.states == FaceState.MANUAL
    valid = manual | ((raw.states == FaceState.DETECTED) & (raw.scores >= options.min_score))
    points = raw.landmarks.astype(np.float64)
    believed = np.flatnonzero(valid)
    wrong = temporal.outliers(points[believed], seconds[believed]) & ~manual[believed]
    valid[believed[wrong]] = False
    points, filled = temporal.fill(points, valid, seconds, max_gap_s=options.max_gap_s)
    filled &= raw.states != FaceState.EXCLUDED
    present = valid | filled
    for rows in temporal.runs(present):
        points[rows] = temporal.smooth_landmarks(
            points[rows], seconds[rows], strength_s=options.smoothing_s, pinned=manual[rows]
        )
    states = np.where(valid, raw.states, np.where(filled, FaceState.INTERPOLATED, FaceState.ABSENT))
    shown = present & ~_is_elsewhere(raw, points, valid)
    there = _there(raw, shown, times, cuts, options)
    turned = _turned(points, shown, seconds, pixel_aspect, options)
    parts = [_seen(raw, part, valid, seconds, options) for part in PARTS]
    return FaceTrack(
        track_id=raw.track_id,
        shot=raw.shot,
        first_frame=raw.first_frame,
        landmarks=np.where(present[:, None, None], points, 0.0).astype(np.float32),
        states=states.astype(np.uint8),
        scores=raw.scores,
        weights=(there * turned).astype(np.float32),
        turned=turned.astype(np.float32),
        excluded=frozenset(np.flatnonzero(raw.states == FaceState.EXCLUDED).tolist()),
        parts=np.stack(parts, axis=1).astype(np.float32),
    )


def _is_elsewhere(
    raw: RawTrack, points: NDArray[np.float64], valid: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """(T,) frames that show the face elsewhere than at `points` (T, 68, 2), or not at all.

    A face may be read too badly to edit, or stand apart from the frames around it, and still tell
    where it is. Next to a frame set by hand, the filled-in place is what the user meant.
    """
    off = np.linalg.norm(raw.landmarks - points, axis=-1)[:, NON_MOUTH]
    far = np.median(off, axis=1) > ELSEWHERE * eye_distance(points)
    elsewhere = (raw.states == FaceState.DETECTED) & ~valid & (far | (raw.scores < UNSEEN))
    for rows in temporal.runs(elsewhere):
        beside = [
            *np.flatnonzero(valid[: rows.start])[-1:],
            *np.flatnonzero(valid[rows.stop :])[:1] + rows.stop,
        ]
        if (raw.states[beside] == FaceState.MANUAL).any():
            elsewhere[rows] = False
    return np.asarray(elsewhere)


def _there(
    raw: RawTrack,
    present: NDArray[np.bool_],
    times: Times,
    cuts: Sequence[int],
    options: TrackOptions,
) -> NDArray[np.float64]:
    """(T,) 0–1 share of the edit that the face's coming and going leaves: it fades at gaps."""
    first, end = shot_bounds(cuts, len(times))[raw.shot]
    # The track may begin or end with frames that are not believed: what counts is the seen part.
    return temporal.fade(
        present,
        times[raw.first_frame : raw.end_frame],
        ramp_s=options.fade_s,
        start_fades=raw.first_frame > first,
        end_fades=raw.end_frame < end,
    )


def _turned(
    points: NDArray[np.float64],
    present: NDArray[np.bool_],
    seconds: Times,
    pixel_aspect: float,
    options: TrackOptions,
) -> NDArray[np.float64]:
    """(T,) 0–1 share of the edit that the head's turn leaves."""
    if not present.any():
        return np.ones(len(seconds))
    yaw = np.zeros(len(seconds))
    yaw[present] = head_pose(points[present], pixel_aspect=pixel_aspect)[:, 0]
    steady = temporal.smooth(yaw, seconds, strength_s=0.1, valid=present)
    return yaw_weight(steady, full=options.yaw_full_deg, none=options.yaw_none_deg)


def _seen(
    raw: RawTrack, part: Part, valid: NDArray[np.bool_], seconds: Times, options: TrackOptions
) -> NDArray[np.float64]:
    """(T,) 0–1: 0 while a part is covered, because its landmarks then mean nothing."""
    believed = np.flatnonzero(valid)
    if not len(believed):
        return np.ones(len(seconds))
    scores = np.where(raw.states == FaceState.MANUAL, 1.0, raw.region_scores[:, PARTS.index(part)])
    scores = np.interp(seconds, seconds[believed], scores[believed])
    visible = temporal.hold(scores, seconds, low=LOST[part], high=BACK[part], min_duration_s=0.2)
    return temporal.soften_states(visible, seconds, ramp_s=options.fade_s)
