"""Select: which of the people in a clip are meant, in the words users type (`--faces`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import UsageError
from ..imaging.geometry import NON_MOUTH, face_size
from ..side_files import expanded_path
from ..types import FaceState
from .appearance import Descriptor, distance
from .linking import SAME_LOOK, RawTrack

ALIKE = 0.8
"""Appearance distance to a reference picture, taken elsewhere, up to which a face is meant."""
ORDERS = ("left-right", "right-left", "top-bottom", "bottom-top", "large-small", "small-large")
ACCEPTED = (
    "all, largest, " + ", ".join(f"{order}[:N]" for order in ORDERS) + ", N (as left-right:N), "
    "reference:FRAME:N (the N-th face from the left in that frame), reference:PICTURE"
)


@dataclass(frozen=True, slots=True)
class FaceChoice:
    """What a user's words say about whom to edit; all fields empty: everybody."""

    text: str
    """As it was typed, for messages."""
    order: str = ""
    """One of `ORDERS`, or empty."""
    number: int | None = None
    """Place in the order, or from the left in the reference frame, counted from 0."""
    frame: int | None = None
    """Reference frame."""
    picture: Path | None = None
    """Reference picture."""

    @classmethod
    def parse(cls, text: str) -> FaceChoice:
        """Return the choice that one of the `ACCEPTED` forms means.

        Raises:
            UsageError: it is none of them.
        """
        kind, _, rest = text.strip().partition(":")
        kind = kind.lower()
        frame, _, number = rest.partition(":")
        if kind in ("all", "largest") and not rest:
            return cls(text, "large-small", 0) if kind == "largest" else cls(text)
        if kind.isdecimal() and not rest:
            return cls(text, "left-right", int(kind))
        if kind in ORDERS and (not rest or rest.isdecimal()):
            return cls(text, kind, int(rest) if rest else None)
        if kind == "reference" and frame.isdecimal() and (number or "0").isdecimal():
            return cls(text, number=int(number or 0), frame=int(frame))
        if kind == "reference" and rest and not frame.isdecimal():
            return cls(text, picture=expanded_path(rest))
        raise UsageError(f"cannot choose faces by {text!r}; accepted: {ACCEPTED}")


def select(
    tracks: Sequence[RawTrack], choice: FaceChoice, *, person: Descriptor | None = None
) -> list[RawTrack]:
    """Return the tracks that are meant, in their order.

    Args:
        tracks: of the whole clip.
        choice: N chooses per shot: positions mean something only among faces seen together. A
            reference frame chooses that person in every shot, as far as appearance can tell.
        person: descriptor of the face in the reference picture.

    Raises:
        UsageError: the choice names a face that is not there.
    """
    if choice.picture is not None:
        assert person is not None, "the reference picture was not described"
        return [t for t in tracks if t.appearance.size and distance(t.appearance, person) < ALIKE]
    if choice.frame is not None:
        return _person_at(tracks, choice, choice.frame)
    if not choice.order:
        return list(tracks)
    by_shot: dict[int, list[RawTrack]] = {}
    for track in sorted(tracks, key=lambda track: _order_key(track, choice.order)):
        by_shot.setdefault(track.shot, []).append(track)
    n = choice.number
    chosen = [t for s in sorted(by_shot) for i, t in enumerate(by_shot[s]) if n is None or i == n]
    if n is not None and tracks and not chosen:
        most = max(map(len, by_shot.values()))
        raise UsageError(
            f"--faces {choice.text}: no shot has that many faces; N must be below {most}"
        )
    return chosen


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


def _person_at(tracks: Sequence[RawTrack], choice: FaceChoice, frame: int) -> list[RawTrack]:
    """Tracks of the person who is the N-th from the left in a frame."""
    there = [t for t in tracks if _is_seen_at(t, frame)]
    there.sort(key=lambda t: float(t.landmarks[frame - t.first_frame, :, 0].mean()))
    number = choice.number or 0
    if tracks and not there:
        raise UsageError(
            f"--faces {choice.text}: frame {frame} shows no face; {_nearest(tracks, frame)}"
        )
    if tracks and number >= len(there):
        raise UsageError(
            f"--faces {choice.text}: frame {frame} has {len(there)} face"
            f"{'s' if len(there) > 1 else ''}; N counts from 0 and must be below {len(there)}"
        )
    if not there:
        return []
    meant = there[number]
    return [t for t in tracks if t is meant or _is_same_person(t, meant)]


def _nearest(tracks: Sequence[RawTrack], frame: int) -> str:
    frames = np.concatenate([t.first_frame + np.flatnonzero(t.states) for t in tracks])
    return f"the nearest that does is {frames[np.abs(frames - frame).argmin()]}"


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
