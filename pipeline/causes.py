"""Why a face takes less of an edit than was asked for: the words for it, and what a track knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .types import PARTS, FaceState, FaceTrack, Needs, columns_of

Shares = NDArray[np.float32]
"""(T,) float32 0–1, of an edit in every frame of a track."""

NOT_FOUND: Final = "face not found"
UNCLEAR: Final = "face not seen well enough"
SMALL: Final = "face too small"
ELSEWHERE: Final = "face not where it was expected"
EXCLUDED: Final = "excluded in the analysis file"
TURNED: Final = "face turned away"
COMES: Final = "face comes or goes"
COVERED: Final = {part: f"{part} covered" for part in PARTS}
SMILES: Final = "expression already near its limit"
MOUTH_BUSY: Final = "mouth open, pursed or showing teeth"
WEARS_GLASSES: Final = "face already wears glasses"
IN_FRONT: Final = "something in front of the face"
NEARER: Final = "a nearer face covers it"
FADED: Final = "picture dark or faded"
NOTHING: Final = "the edit changes nothing"
NOT_ASKED: Final = "strength 0 here, as asked"
HELD_OUT: Final = "kept by a matte, as asked"
AS_ASKED: Final = frozenset({NOT_ASKED, HELD_OUT})
"""What takes from an edit because the user said so."""
NO_FACE: Final = "no face found"
NO_CHOSEN: Final = "no chosen face"

GONE: Final = frozenset({NOT_FOUND, UNCLEAR, SMALL, ELSEWHERE, EXCLUDED, FADED})
"""Where nothing of a face can be edited; before and after it, edits fade."""
PLACES: Final = frozenset({IN_FRONT, NEARER})
"""What takes an edit from some places of a face and leaves it whole at the others."""

UNSEEN = 0.05
"""A face with a lower score was looked for in vain (see `tracking.linking.with_unseen`)."""
SMALL_EYES_PX = 18.0
"""Outer eye distance [px] below which faces are not found anew (measured: found from 20 px on, not
at 16)."""
_AROUND = 256
"""Frames before and after in which a lost face is looked for: more than a track bridges."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What one edit takes of a face."""

    needs: Needs = frozenset()
    """Parts without which nothing of it is done."""
    asked: NDArray[np.bool_] | None = None
    """(frames of the clip,) where its strength is not 0; None: everywhere."""

    def wanted(self, track: FaceTrack) -> NDArray[np.bool_] | bool:
        """Return in which frames of a track (T,) it is asked for."""
        return True if self.asked is None else self.asked[track.first_frame : track.end_frame]


def in_track(track: FaceTrack) -> dict[str, Shares]:
    """Return what share of any edit frames take, by cause; their product are the track's weights.

    Causes that take nothing are not named, and covered parts are not among them: these take only
    from edits that need them.
    """
    there = np.ones(len(track), np.float32)
    np.divide(track.weights, track.turned, out=there, where=track.turned > 0)
    words = np.array([COMES if share else _why_gone(track, row) for row, share in enumerate(there)])
    found = {word: np.where(words == word, there, 1.0) for word in np.unique(words[there < 1])}
    found[TURNED] = track.turned
    return {
        str(word): np.asarray(share, np.float32)
        for word, share in found.items()
        if (share < 1).any()
    }


def why_not(track: FaceTrack, row: int, demands: Sequence[Demand]) -> str:
    """Return why a frame of a track takes nothing of any edit."""
    wanted = [d.needs for d in demands if np.broadcast_to(d.wanted(track), len(track))[row]]
    if not wanted:
        return NOT_ASKED
    needs: Needs = frozenset().union(*wanted)
    missing = [PARTS[column] for column in columns_of(needs) if not track.parts[row, column]]
    if track.weights[row] and missing:
        return " and ".join(missing) + " covered"
    return TURNED if not track.turned[row] else _why_gone(track, row)


def _why_gone(track: FaceTrack, row: int) -> str:
    """Return why there is no face to edit in a frame of a track."""
    if row in track.excluded:
        return EXCLUDED
    score = track.scores[row]
    if track.states[row] == FaceState.INTERPOLATED and score >= UNSEEN:
        return ELSEWHERE
    if _size_near(track, row) < SMALL_EYES_PX:
        return SMALL
    return NOT_FOUND if score < UNSEEN else UNCLEAR


def _size_near(track: FaceTrack, row: int) -> float:
    """Return the outer eye distance [px] in the nearest frame that has the face; infinite if none
    of those around has it."""
    first = max(0, row - _AROUND)
    near = first + np.flatnonzero(track.states[first : row + _AROUND] != FaceState.ABSENT)
    if not len(near):
        return np.inf
    right, left = track.landmarks[near[np.abs(near - row).argmin()], [36, 45]]
    return float(np.linalg.norm(left - right))
