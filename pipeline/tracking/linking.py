"""Joining faces of single frames into raw tracks.

Position alone continues a face from one frame to the next, but after a gap it takes position *and*
appearance, and a face that fits two tracks goes to the one it fits better over all pairs at once
(Hungarian assignment). So a lost track is never handed to a neighbour.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..imaging.geometry import NON_MOUTH, face_size
from ..imaging.temporal import fill
from ..types import Face, FaceState, Track
from .appearance import Descriptor, distance

Times = NDArray[np.float64]

SAME_LOOK = 0.62
"""Appearance distance below which a face may be the same person after a gap (see `appearance`)."""
CLEARLY_OTHER = 1.0
"""Appearance distance above which even a face in the right place is somebody else."""
JUMP = 4.0
"""How far a face that looks the same may jump between two frames [face sizes]: about two eye
distances, as in shaken or speeded-up pictures."""
MEMORY_S = 2.0
"""How long a lost face is remembered [s]; later it begins a new track."""
_FORGETS_S = 1.7
"""Time in which the memory of what a person looks like is renewed [s]."""


@dataclass(frozen=True, slots=True)
class TrackOptions:
    """How faces are joined over time and how an edit fades with them."""

    max_gap_s: float = 0.5
    """Gaps up to this long [s] are filled by interpolation."""
    min_length_s: float = 0.2
    """Tracks seen for less than this [s] are dropped (unless the shot itself is shorter)."""
    min_score: float = 0.5
    """Faces with a lower score count as not seen."""
    smoothing_s: float = 0.0
    """Sigma of the zero-phase smoothing [s]; what a user gets is a default of the render pass."""
    fade_s: float = 0.2
    """How long an edit takes to fade in and out at gaps [s]."""
    yaw_full_deg: float = 25.0
    """Up to this head turn [deg] an edit has its full strength …"""
    yaw_none_deg: float = 45.0
    """… and from this turn on none."""


@dataclass(frozen=True, slots=True, repr=False)
class RawTrack(Track):
    """A track as it was found, nothing smoothed; landmarks and scores are 0 where ABSENT."""

    region_scores: NDArray[np.float32]
    """(T, 2) float32 0–1: mouth, eyes."""
    appearance: Descriptor = field(default_factory=lambda: np.zeros(0, np.float32))
    """(D,) float32 mean descriptor of the well-seen frames; empty if none was given."""

    def __post_init__(self) -> None:
        Track.__post_init__(self)  # a class with slots is made anew: super() would miss it
        if self.region_scores.shape != (len(self.states), 2):
            raise ValueError(
                f"RawTrack of {len(self)} frames, region scores {self.region_scores.shape}"
            )


def shot_bounds(cuts: Sequence[int], frame_count: int) -> list[tuple[int, int]]:
    """(first frame, frame after the last) of every shot."""
    edges = [0, *cuts, frame_count]
    return [(a, b) for a, b in itertools.pairwise(edges) if b > a]


@dataclass(slots=True)
class _Thread:
    """A track while it is being followed."""

    frames: list[int]
    faces: list[Face]
    look: Descriptor | None = None
    looks: int = 0
    looked_at: float = 0.0
    """When the face was last described [s]."""

    def expected(self, time: float, times: Times) -> NDArray[np.float64]:
        """(68, 2) where the face should be if it goes on at its last speed for a moment."""
        last = self.faces[-1].landmarks.astype(np.float64)
        if len(self.frames) < 2:
            return last
        before = self.faces[-2].landmarks
        span = times[self.frames[-1]] - times[self.frames[-2]]
        ahead = min(time - times[self.frames[-1]], 0.12)
        speed = (last[NON_MOUTH].mean(0) - before[NON_MOUTH].mean(0)) / max(span, 1e-6)
        return np.asarray(last + speed * ahead)

    def is_seen(self, options: TrackOptions) -> bool:
        """Whether any frame shows the face well enough to edit it."""
        return any(face.score >= options.min_score for face in self.faces)

    def take(
        self, frame: int, face: Face, look: Descriptor | None, time: float, min_score: float
    ) -> None:
        """Add a face; well-seen faces shape the memory of what the person looks like."""
        self.frames.append(frame)
        self.faces.append(face)
        if look is None or face.score < min_score:
            return
        # A running mean that forgets: an expression or a turn of some seconds is followed.
        self.looks += 1
        share = max(1.0 / self.looks, 1.0 - math.exp((self.looked_at - time) / _FORGETS_S))
        self.looked_at = time
        self.look = look if self.look is None else (1 - share) * self.look + share * look


def link(
    faces: Sequence[Sequence[Face]],
    *,
    times: Times,
    cuts: Sequence[int] = (),
    appearances: Sequence[Sequence[Descriptor | None]] | None = None,
    options: TrackOptions | None = None,
) -> list[RawTrack]:
    """Raw tracks, numbered in order of appearance, from the left.

    Args:
        faces: those found in each frame of the clip.
        times: (frames,) [s], rising.
        cuts: indices of the frames that begin a new shot; no track goes over one.
        appearances: a descriptor for each face (see `appearance.describe`), or None for one that
            stays where it was in the frame before. Without them a face that was lost for longer
            than `max_gap_s` begins a new track.
    """
    options = options or TrackOptions()
    out: list[RawTrack] = []
    for shot, (first, end) in enumerate(shot_bounds(cuts, len(faces))):
        threads = _rejoined(_follow(faces, times, appearances, options, first, end), times)
        duration = float(times[end - 1] - times[first])
        for thread in threads:
            length_s = times[thread.frames[-1]] - times[thread.frames[0]]
            if length_s >= min(options.min_length_s, duration) - 1e-9 and thread.is_seen(options):
                out.append(_raw(thread, len(out), shot))
    return out


def with_unseen(track: RawTrack, times: Times, max_gap_s: float) -> RawTrack:
    """Return a track that marks every frame in its gaps as searched in vain.

    Such a frame is DETECTED with score 0, at the place that `refine` would fill in: for finders
    that look for a lost face again and again, and follow one that is found back through the frames
    before. Gaps longer than `max_gap_s` stay as they are.
    """
    at = times[track.first_frame : track.end_frame]
    points, gaps = fill(track.landmarks, track.states != FaceState.ABSENT, at, max_gap_s=max_gap_s)
    if not gaps.any():
        return track
    return dataclasses.replace(
        track,
        landmarks=np.where(gaps[:, None, None], points, track.landmarks).astype(np.float32),
        states=np.where(gaps, FaceState.DETECTED, track.states).astype(np.uint8),
    )


def _follow(
    faces: Sequence[Sequence[Face]],
    times: Times,
    appearances: Sequence[Sequence[Descriptor | None]] | None,
    options: TrackOptions,
    first: int,
    end: int,
) -> list[_Thread]:
    """The threads of one shot, in order of their first frame, then from the left."""
    threads: list[_Thread] = []
    unused: dict[int, list[Face]] = {}
    for t in range(first, end):
        here = list(faces[t])
        looks = [None] * len(here) if appearances is None else list(appearances[t])
        live = [x for x in threads if times[t] - times[x.frames[-1]] <= MEMORY_S]
        cost = np.array(
            [
                [
                    _misfit(x, face, look, t, times, options)
                    for face, look in zip(here, looks, strict=True)
                ]
                for x in live
            ]
        ).reshape(len(live), len(here))
        taken = set()
        # Pairs that may not be joined cost more than any sum of pairs that may.
        for i, j in _cheapest_pairs(np.where(np.isfinite(cost), cost, 1e6)):
            if np.isfinite(cost[i, j]):
                live[i].take(t, here[j], looks[j], float(times[t]), options.min_score)
                taken.add(j)
        fresh = [j for j in range(len(here)) if j not in taken]
        for j in sorted(fresh, key=lambda j: float(here[j].box[0])):
            if here[j].score >= options.min_score:
                thread = _Thread([], [])
                for at, face in _lead(unused, t, here[j]):
                    thread.take(at, face, None, float(times[at]), options.min_score)
                thread.take(t, here[j], looks[j], float(times[t]), options.min_score)
                threads.append(thread)
        unused[t] = [here[j] for j in fresh if here[j].score < options.min_score]
    return threads


def _lead(unused: dict[int, list[Face]], frame: int, face: Face) -> list[tuple[int, Face]]:
    """Faces seen badly in the frames right before `frame` that lead up to a face in it, each with
    its frame; they are taken out of the `unused` ones of every frame."""
    lead: list[tuple[int, Face]] = []
    while around := unused.get(frame - 1):
        frame -= 1
        size = float(face_size(face.landmarks))
        off = [
            float(np.linalg.norm((f.landmarks - face.landmarks)[NON_MOUTH].mean(0))) for f in around
        ]
        nearest = int(np.argmin(off))
        if off[nearest] > 0.8 * size:
            break
        face = around.pop(nearest)
        lead.append((frame, face))
    return lead[::-1]


def _rejoined(threads: Sequence[_Thread], times: Times) -> list[_Thread]:
    """The threads of one shot, those of one person in one.

    A face that comes back may at first look unlike the remembered one: half covered, or with
    another expression. So a thread that began soon after another was lost is compared with it once
    more, using all that was seen of both.
    """
    people: list[_Thread] = []
    for thread in threads:
        lost = [(_unlike(x, thread, times), i) for i, x in enumerate(people)]
        unlike, nearest = min(lost, default=(np.inf, 0))
        if unlike > SAME_LOOK:
            people.append(thread)
            continue
        people[nearest].frames += thread.frames
        people[nearest].faces += thread.faces
        people[nearest].look = thread.look
    return people


def _unlike(lost: _Thread, back: _Thread, times: Times) -> float:
    """How unlike two threads look; infinite if one cannot go on with the other."""
    if lost.look is None or back.look is None or lost.frames[-1] >= back.frames[0]:
        return np.inf
    gap = float(times[back.frames[0]] - times[lost.frames[-1]])
    before, after = lost.faces[-1].landmarks, back.faces[0].landmarks
    sizes = float(face_size(before)), float(face_size(after))
    shift = float(np.linalg.norm(before[NON_MOUTH].mean(0) - after[NON_MOUTH].mean(0)))
    far = shift > (JUMP + 3.0 * gap) * 0.5 * sum(sizes)
    if gap > MEMORY_S or far or not 0.5 < sizes[1] / max(sizes[0], 1e-6) < 2.0:
        return np.inf
    return distance(lost.look, back.look)


def _cheapest_pairs(cost: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return the pairs (row, column) of (R, C) finite costs whose sum is smallest; each row and
    column at most once."""
    if not cost.size:
        return []
    if 1 in cost.shape:
        row, column = np.unravel_index(int(cost.argmin()), cost.shape)
        return [(int(row), int(column))]
    # Loading scipy takes longer than all assignments of a clip: a clip of one face needs none.
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(cost)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def _misfit(
    thread: _Thread,
    face: Face,
    look: Descriptor | None,
    frame: int,
    times: Times,
    options: TrackOptions,
) -> float:
    """How badly a face continues a thread, in face sizes; infinite if it may not."""
    gap = float(times[frame] - times[thread.frames[-1]])
    before = thread.expected(float(times[frame]), times)
    size = 0.5 * float(face_size(before) + face_size(face.landmarks))
    ratio = float(face_size(face.landmarks) / max(float(face_size(before)), 1e-6))
    # Where it would have gone, or where it was: after a wrong frame the speed is wrong too.
    shift = min(
        np.median(np.linalg.norm(face.landmarks[NON_MOUTH] - place[NON_MOUTH], axis=-1))
        for place in (before, thread.faces[-1].landmarks)
    )
    distance_sizes = float(shift) / max(size, 1e-6)
    one_step = thread.frames[-1] == frame - 1
    # A head crosses about two of its own sizes in a second before a cameraman loses it; the first
    # term is what a jump from frame to frame may be.
    stayed = distance_sizes <= 0.8 + 3.0 * gap
    if distance_sizes > JUMP + 3.0 * gap or not 0.5 < ratio < 2.0:
        return np.inf
    if thread.look is None:
        return distance_sizes if stayed and (one_step or gap <= options.max_gap_s) else np.inf
    if look is None:  # it stayed where it was
        return distance_sizes if stayed and one_step else np.inf
    unlike = distance(look, thread.look)
    if unlike > (CLEARLY_OTHER if stayed and one_step else SAME_LOOK):
        return np.inf
    return distance_sizes + unlike


def _raw(thread: _Thread, track_id: int, shot: int) -> RawTrack:
    """The thread as arrays over all its frames, holes included."""
    first = thread.frames[0]
    count = thread.frames[-1] - first + 1
    rows = np.array(thread.frames) - first
    landmarks = np.zeros((count, 68, 2), np.float32)
    states, scores = np.zeros(count, np.uint8), np.zeros(count, np.float32)
    region_scores = np.zeros((count, 2), np.float32)
    landmarks[rows] = [face.landmarks for face in thread.faces]
    states[rows] = FaceState.DETECTED
    scores[rows] = [face.score for face in thread.faces]
    region_scores[rows] = [face.region_scores for face in thread.faces]
    look = np.zeros(0, np.float32) if thread.look is None else thread.look.astype(np.float32)
    return RawTrack(track_id, shot, first, landmarks, states, scores, region_scores, look)
