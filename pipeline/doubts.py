"""Doubts: the frames of an edit that the program itself trusts least, to be looked at first.

Every measure is brought to one scale: 0 says nothing, 1 is what goes wrong now and then.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .causes import PLACES, Shares
from .imaging.geometry import eye_distance, head_pose
from .imaging.temporal import runs
from .ledger import Ledger
from .plan import Plan
from .tracking.track import RawTrack
from .types import PARTS, FaceOutcome, FaceState, FaceTrack

Floats = NDArray[np.floating]

SCORE: Final = (0.9, 0.5)
"""Scores of landmarks that say nothing, and that go wrong now and then …"""
PART: Final = (0.6, 0.1)
"""… of a part's landmarks alone …"""
COVERED: Final = (0.1, 0.6)
"""… shares of the edited place that something lies before …"""
TURN_DEG: Final = (15.0, 45.0)
"""… turns of the head …"""
STEP: Final = (0.05, 0.3)
"""… changes of an edit's share from frame to frame …"""
SHAKE: Final = (0.02, 0.06)
"""… and second differences of landmarks, beside the face's own movement [eye distances]."""
_MOST: Final = 1.5
"""What any doubt counts at most."""
_LEAST_SHARE: Final = 0.02
"""Share of an edit below which there is nothing to go wrong."""
_AGAIN: Final = 0.4
"""What a doubt counts after another one of the same face for the same reason."""
_LEAST: Final = 0.02
"""What is not worth looking at."""
_APART_S: Final = 0.5
"""Least time between two frames of a face [s], where the clip is long enough for it."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A frame to be looked at, and why."""

    frame: int
    face: int
    reason: str
    size: float
    """How much there is to doubt: 1 is what goes wrong now and then."""

    def __str__(self) -> str:
        return f"frame {self.frame}, face {self.face}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Measure:
    """One reason to doubt a face, over its track of T frames."""

    text: str
    """Says with the value of a frame what was measured, `landmark score {:.2f}`."""
    values: Floats
    """(T,) what was measured."""
    span: tuple[float, float]
    """Values that say nothing, and that go wrong now and then."""

    def sizes(self) -> Floats:
        """Return how much there is to doubt, (T,) 0 to 1.5."""
        nothing, wrong = self.span
        return np.asarray(np.clip((self.values - nothing) / (wrong - nothing), 0, _MOST))


def measured(
    track: FaceTrack, raw: RawTrack, shares: Mapping[str, Shares], *, pixel_aspect: float = 1.0
) -> list[Measure]:
    """Return what can be doubted of a face, from how it was found alone.

    Args:
        track: the face.
        raw: as it was found.
        shares: by attribute, what each frame takes of it (T,) 0–1.
        pixel_aspect: width ÷ height of a pixel.
    """
    there = track.states != FaceState.ABSENT
    turn = np.zeros(len(track))
    turn[there] = np.abs(head_pose(track.landmarks[there], pixel_aspect=pixel_aspect)[:, 0])
    found = [
        Measure("landmark score {:.2f}", np.where(there, track.scores, 1.0), SCORE),
        Measure("head turned by {:.0f} degrees", turn, TURN_DEG),
        Measure("landmarks jump by {:.1%} of the eyes' distance", _shake(raw), SHAKE),
    ]
    for part, scores in zip(PARTS, raw.region_scores.T, strict=True):
        found.append(Measure(f"{part} hardly seen, score {{:.2f}}", scores, PART))
    for name, share in shares.items():
        found.append(Measure(f"{name} changes by {{:.0%}} at once", _steps(share), STEP))
    return found


def _shake(raw: RawTrack) -> Floats:
    """(T,) mean second difference of a face's landmarks as they were found, without the movement of
    the face as a whole [outer eye distances]; 0 where a neighbour is missing."""
    out = np.zeros(len(raw))
    own = raw.landmarks - raw.landmarks.mean(1, keepdims=True)
    for rows in runs(raw.states == FaceState.DETECTED):
        part = own[rows].astype(np.float64)
        if len(part) > 2:
            bent = part[2:] - 2 * part[1:-1] + part[:-2]
            eyes = eye_distance(part[1:-1])
            out[rows.start + 1 : rows.stop - 1] = np.linalg.norm(bent, axis=-1).mean(1) / eyes
    return out


def _steps(share: Shares) -> Floats:
    """(T,) the larger change of a share to the frame before or after."""
    steps = np.abs(np.diff(share.astype(np.float64)))
    return np.asarray(np.maximum(np.append(steps, 0.0), np.insert(steps, 0, 0.0)))


def doubts(
    track: FaceTrack, measures: Sequence[Measure], shares: Mapping[str, Shares]
) -> Iterator[Doubt]:
    """Yield what there is to doubt in the frames of a track that are edited at all."""
    taken = np.max(np.stack([np.zeros(len(track), np.float32), *shares.values()]), axis=0)
    for measure in measures:
        # A share that comes or goes is seen on both sides of its step.
        sizes = np.where(taken > _LEAST_SHARE, measure.sizes(), 0.0)
        for row in np.flatnonzero(sizes):
            reason = measure.text.format(float(measure.values[row]))
            yield Doubt(track.first_frame + int(row), track.track_id, reason, float(sizes[row]))


def in_analysis(plan: Plan, ledger: Ledger, *, pixel_aspect: float) -> Iterator[Doubt]:
    """Yield what there is to doubt by how the faces were found, and by what they take of an edit.

    `ledger`: of the plan, whether its frames were rendered or not.
    """
    raws = {raw.track_id: raw for raw in plan.analysis.tracks}
    for track in plan.tracks:
        shares = {name: share for name, (share, _) in ledger.shares(track.track_id).items()}
        measures = measured(track, raws[track.track_id], shares, pixel_aspect=pixel_aspect)
        yield from doubts(track, measures, shares)


def in_rendered(frame: int, outcomes: Iterable[FaceOutcome]) -> Iterator[Doubt]:
    """Yield what there is to doubt in a frame once it was rendered."""
    for outcome in outcomes:
        if outcome.edited:
            seen = math.prod(outcome.left.get(cause, 1.0) for cause in PLACES)
            yield from behind(frame, outcome.track_id, seen)


def behind(frame: int, face: int, seen: float) -> Iterator[Doubt]:
    """Yield that something lies before an edited face, of which a share 0–1 is seen."""
    measure = Measure("something in front of {:.0%} of the face", np.array([1 - seen]), COVERED)
    if size := float(measure.sizes()[0]):
        yield Doubt(frame, face, measure.text.format(1 - seen), size)


def worst(found: Sequence[Doubt], count: int, seconds: Floats) -> list[Doubt]:
    """Return the frames to look at, at most `count`, in order: spread over the clip, and over the
    reasons.

    `seconds`: (frames of the clip,) [s].
    """
    chosen: list[Doubt] = []
    told: Counter[tuple[int, str]] = Counter()
    apart = min(_APART_S, float(seconds[-1] - seconds[0]) / max(2 * count, 1))

    def worth(doubt: Doubt) -> float:
        return doubt.size * _AGAIN ** told[doubt.face, _kind(doubt)]

    left = list(found)
    while left and len(chosen) < count:
        best = max(left, key=lambda doubt: (worth(doubt), -doubt.frame))
        if worth(best) < _LEAST:
            break
        chosen.append(best)
        told[best.face, _kind(best)] += 1
        near = np.abs(seconds - seconds[best.frame]) < apart
        left = [d for d in left if d.face != best.face or not near[d.frame]]
    return sorted(chosen, key=lambda doubt: (doubt.frame, doubt.face))


def _kind(doubt: Doubt) -> str:
    """Return a reason without its number."""
    return "".join(c for c in doubt.reason if not c.isdigit())
