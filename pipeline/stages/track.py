"""Track: faces of single frames in, people over time out.

`link` joins what was found, frame by frame, into raw tracks, one shot at a time; these are what the
analysis file stores. `refine` makes of a raw track what the render pass needs: wrong frames thrown
out, short gaps filled, points smoothed, and a weight for every frame that fades the edit where the
face comes, goes, turns away or is not seen well enough. `select` chooses among tracks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..imaging import temporal
from ..imaging.appearance import Descriptor, distance
from ..imaging.geometry import NON_MOUTH, face_size, head_pose, yaw_weight
from ..imaging.linking import SAME_LOOK, RawTrack, TrackOptions, link, shot_bounds
from ..types import FaceState, FaceTrack

__all__ = ["RawTrack", "TrackOptions", "link", "refine", "select", "shot_bounds"]

Times = NDArray[np.float64]

ALIKE = 0.8
"""Appearance distance to a reference picture, taken elsewhere, up to which a face is meant."""
MOUTH_LOST, MOUTH_BACK = 0.25, 0.45
"""Scores of the mouth's landmarks at which an edit goes, and at which it comes back.

Measured: clean frames of grimacing, speaking faces stay above 0.39; a mouth behind a cup or a
microphone is mostly below 0.25, often 0.
"""


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
        cuts: as for `link`: at a cut, and where the clip begins or ends, nothing fades.
        pixel_aspect: width ÷ height of a pixel, to measure the head's turn.
    """
    options = options or TrackOptions()
    own = times[raw.first_frame : raw.end_frame]
    manual = raw.states == FaceState.MANUAL
    valid = manual | ((raw.states == FaceState.DETECTED) & (raw.scores >= options.min_score))
    points = raw.landmarks.astype(np.float64)
    believed = np.flatnonzero(valid)
    wrong = temporal.outliers(points[believed], own[believed]) & ~manual[believed]
    valid[believed[wrong]] = False
    points, filled = temporal.fill(points, valid, own, max_gap_s=options.max_gap_s)
    filled &= raw.states != FaceState.EXCLUDED
    present = valid | filled
    for rows in temporal.runs(present):
        points[rows] = temporal.smooth_landmarks(
            points[rows], own[rows], strength_s=options.smoothing_s, pinned=manual[rows]
        )
    states = np.where(valid, raw.states, np.where(filled, FaceState.INTERPOLATED, FaceState.ABSENT))
    weights = _weights(raw, points, present, times, cuts, pixel_aspect, options)
    if present.any():
        weights *= _mouth_seen(raw, valid, own, options)
    return FaceTrack(
        track_id=raw.track_id,
        shot=raw.shot,
        first_frame=raw.first_frame,
        landmarks=np.where(present[:, None, None], points, 0.0).astype(np.float32),
        states=states.astype(np.uint8),
        scores=raw.scores,
        weights=weights.astype(np.float32),
    )


def _weights(
    raw: RawTrack,
    points: NDArray[np.float64],
    present: NDArray[np.bool_],
    times: Times,
    cuts: Sequence[int],
    pixel_aspect: float,
    options: TrackOptions,
) -> NDArray[np.float64]:
    """(T,) 0–1 share of the edit: fades at gaps, falls as the head turns away."""
    own = times[raw.first_frame : raw.end_frame]
    first, end = shot_bounds(cuts, len(times))[raw.shot]
    # The track may begin or end with frames that are not believed: what counts is the seen part.
    weights = temporal.fade(
        present,
        own,
        ramp_s=options.fade_s,
        start_fades=raw.first_frame > first,
        end_fades=raw.end_frame < end,
    )
    if not present.any():
        return weights
    yaw = np.zeros(len(own))
    yaw[present] = head_pose(points[present], pixel_aspect=pixel_aspect)[:, 0]
    steady = temporal.smooth(yaw, own, strength_s=0.1, valid=present)
    return weights * yaw_weight(steady, full=options.yaw_full_deg, none=options.yaw_none_deg)


ORDERS = ("left-right", "right-left", "top-bottom", "bottom-top", "large-small", "small-large")
ACCEPTED = (
    "all, largest, " + ", ".join(f"{order}[:N]" for order in ORDERS) + ", N (as left-right:N), "
    "reference:FRAME:N (the N-th face from the left in that frame), reference:PICTURE"
)


def _mouth_seen(
    raw: RawTrack, valid: NDArray[np.bool_], own: Times, options: TrackOptions
) -> NDArray[np.float64]:
    """(T,) 0–1: 0 while the mouth is covered, because its landmarks then mean nothing."""
    believed = np.flatnonzero(valid)
    scores = np.where(raw.states == FaceState.MANUAL, 1.0, raw.region_scores[:, 0])
    scores = np.interp(own, own[believed], scores[believed])
    seen = temporal.hold(scores, own, low=MOUTH_LOST, high=MOUTH_BACK, min_duration_s=0.2)
    return temporal.soften_states(seen, own, ramp_s=options.fade_s)


def select(
    tracks: Sequence[RawTrack], how: str = "all", *, reference: Descriptor | None = None
) -> list[RawTrack]:
    """The tracks a user means, in their order.

    Args:
        how: one of `ACCEPTED`. N counts from 0 and chooses per shot: positions mean something only
            among faces seen together. A reference frame chooses that person in every shot, as far
            as appearance can tell.
        reference: descriptor of the face in the reference picture, for `reference`.

    Raises:
        UsageError: `how` is not one of the accepted forms, or names a face that is not there.
    """
    name, _, rest = how.strip().lower().partition(":")
    if name.isdecimal() and not rest:
        name, rest = "left-right", name
    if name == "all" and not rest:
        return list(tracks)
    if name == "largest" and not rest:
        name, rest = "large-small", "0"
    if name == "reference":
        return _by_reference(tracks, rest, reference)
    if name not in ORDERS or (rest and not rest.isdecimal()):
        raise UsageError(f"cannot choose faces by {how!r}; accepted: {ACCEPTED}")
    by_shot: dict[int, list[RawTrack]] = {}
    for track in sorted(tracks, key=lambda track: _order_key(track, name)):
        by_shot.setdefault(track.shot, []).append(track)
    chosen = [
        t for s in sorted(by_shot) for i, t in enumerate(by_shot[s]) if not rest or i == int(rest)
    ]
    if rest and tracks and not chosen:
        most = max(map(len, by_shot.values()))
        raise UsageError(f"--faces {how}: no shot has that many faces; N must be below {most}")
    return chosen


def check_selection(how: str) -> None:
    """Refuse what `select` cannot read, before any track is known.

    Raises:
        UsageError: `how` is not one of the accepted forms.
    """
    name, _, rest = how.strip().lower().partition(":")
    place = rest.partition(":")
    known = (
        ((name in ("all", "largest") or name.isdecimal()) and not rest)
        or (name in ORDERS and (not rest or rest.isdecimal()))
        or (name == "reference" and place[0].isdecimal() and (place[2] or "0").isdecimal())
    )
    if not known:
        raise UsageError(f"cannot choose faces by {how!r}; accepted: {ACCEPTED}")


def _order_key(track: RawTrack, order: str) -> float:
    """What a track is sorted by: its typical place or size."""
    points = track.landmarks[track.states != FaceState.ABSENT]
    x, y = np.median(points[:, NON_MOUTH].mean(1), axis=0)
    size = float(np.median(face_size(points)) * np.sqrt(len(points)))
    keys = {
        "left-right": x, "right-left": -x, "top-bottom": y, "bottom-top": -y,
        "large-small": -size, "small-large": size,
    }  # fmt: skip
    return float(keys[order])


def _by_reference(
    tracks: Sequence[RawTrack], place: str, reference: Descriptor | None
) -> list[RawTrack]:
    """Tracks of the person in a reference frame (`FRAME:N`) or picture (a descriptor)."""
    if not place:
        if reference is None:
            raise UsageError("--faces reference needs a picture with one face in it")
        return [
            t for t in tracks if t.appearance.size and distance(t.appearance, reference) < ALIKE
        ]
    frame, _, position = place.partition(":")
    if not frame.isdecimal() or not (position or "0").isdecimal():
        raise UsageError(
            f"cannot read 'reference:{place}'; use reference:FRAME:N, e.g. reference:120:0"
        )
    there = [t for t in tracks if _is_seen_at(t, int(frame))]
    there.sort(key=lambda t: float(t.landmarks[int(frame) - t.first_frame, :, 0].mean()))
    if int(position or 0) >= len(there):
        raise UsageError(
            f"reference:{place} asks for face {position or 0}, but frame {frame} has {len(there)}"
        )
    meant = there[int(position or 0)]
    return [t for t in tracks if t is meant or _is_same_person(t, meant)]


def _is_seen_at(track: RawTrack, frame: int) -> bool:
    inside = track.first_frame <= frame < track.end_frame
    return inside and track.states[frame - track.first_frame] != FaceState.ABSENT


def _is_same_person(track: RawTrack, meant: RawTrack) -> bool:
    """Whether a track may be the same person: alike, and never in the picture together."""
    if not track.appearance.size or not meant.appearance.size:
        return False
    together = any(
        _is_seen_at(track, f)
        for f in range(meant.first_frame, meant.end_frame)
        if _is_seen_at(meant, f)
    )
    return not together and distance(track.appearance, meant.appearance) < SAME_LOOK
