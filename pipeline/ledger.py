"""The ledger of a run: how much of every attribute each face took in each frame, and why less."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .causes import AS_ASKED, COVERED, FADED, NO_CHOSEN, NO_FACE, PLACES, Shares, in_track
from .lapses import Lapse, Piece, Words, overlapping, stretches
from .types import PARTS, FaceOutcome, FaceTrack, Frame, Needs

Limits = Mapping[tuple[int, str], Mapping[str, Shares]]
"""By track and attribute, what an editor itself leaves of an edit: shares (T,) by cause."""

_BLANK_SPREAD = 1.5 / 255
"""Standard deviation of luma up to which a picture shows nothing."""


class _Row:
    """One attribute on one face: the shares (T,) that causes leave of it."""

    def __init__(self, track: FaceTrack, causes: Iterable[tuple[str, Shares]]) -> None:
        self.track = track
        self.shares: dict[str, Shares] = {}
        for cause, share in causes:
            self.shares[cause] = self.shares.get(cause, 1.0) * share.astype(np.float32)

    def take(self, row: int, cause: str, share: float) -> None:
        """Note what a cause leaves in one frame."""
        if cause not in self.shares:
            self.shares[cause] = np.ones(len(self.track), np.float32)
        self.shares[cause][row] *= share

    def at(self, row: int) -> tuple[float, str]:
        """Return the strength taken in one frame, as a share, and what takes most of the rest; ''
        if nothing does."""
        lacking = {c: float(s[row]) for c, s in self.shares.items() if s[row] < 1}
        here = {cause: share for cause, share in lacking.items() if cause not in PLACES}
        return float(np.prod(list(here.values()))), min(here, key=here.__getitem__, default="")

    def all(self) -> tuple[Shares, Words]:
        """Return the share taken of every frame (T,), places that are covered taken off, too, and
        what takes most of the rest."""
        if not self.shares:
            return np.ones(len(self.track), np.float32), np.full(len(self.track), "", object)
        shares = np.stack(list(self.shares.values()))
        words = np.array(list(self.shares), object)[shares.argmin(0)]
        return shares.prod(0), np.where(shares.min(0) < 1, words, "")


class Ledger:
    """How much of every attribute every face took, frame by frame, and what took the rest.

    Args:
        tracks: of the faces to be edited.
        needs: by attribute, the parts of a face it needs.
        limits: what the editors leave.
        times: (frames of the clip,) [s].
        shots: first frame and frame after the last of every shot.
        others: frames that show only faces which were not chosen.
        asked: by attribute, the frames (F,) in which its strength is not 0; left out: all.
    """

    def __init__(
        self,
        tracks: Sequence[FaceTrack],
        needs: Mapping[str, Needs],
        limits: Limits,
        *,
        times: NDArray[np.float64],
        shots: Sequence[tuple[int, int]],
        others: frozenset[int] = frozenset(),
        asked: Mapping[str, NDArray[np.bool_]] | None = None,
    ) -> None:
        self._tracks, self._attributes, self._others = tracks, tuple(needs), others
        everywhere = np.ones(len(times), bool)
        self._asked = {name: (asked or {}).get(name, everywhere) for name in needs}
        self._seconds, self._shots = times - times[:1], shots
        self._rows = {
            (track.track_id, name): _Row(track, causes)
            for track in tracks
            for name, causes in _known(track, needs, limits)
        }
        self._rendered = np.zeros(len(times), bool)
        self._blank = np.zeros(len(times), bool)

    def add(self, frame: Frame, outcomes: Sequence[FaceOutcome]) -> None:
        """Note what became of the faces of a frame."""
        self.count(frame.index, outcomes, blank=is_blank(frame, outcomes))

    def count(self, index: int, outcomes: Iterable[FaceOutcome], *, blank: bool) -> None:
        """Note the same of a frame that is not at hand, and whether its picture shows nothing."""
        self._rendered[index] = True
        for outcome in outcomes:
            for name in self._attributes:
                row = self._rows[outcome.track_id, name]
                at = index - row.track.first_frame
                for cause, share in outcome.left.items():
                    if cause not in AS_ASKED:
                        row.take(at, cause, share)
                if not outcome.edited and outcome.reason not in AS_ASKED and row.at(at)[0]:
                    row.take(at, outcome.reason, 0.0)
        self._blank[index] = blank

    def at(self, frame_index: int, track_id: int) -> dict[str, tuple[float, str]]:
        """Return, by attribute, the share of its strength that a face took where it was edited, and
        what took most of the rest."""
        rows = {name: self._rows[track_id, name] for name in self._attributes}
        return {n: row.at(frame_index - row.track.first_frame) for n, row in rows.items()}

    def shares(self, track_id: int) -> dict[str, tuple[Shares, Words]]:
        """Return, by attribute, the share taken of every frame of a track (T,), places that are
        covered taken off, too, and what takes most of the rest."""
        return {name: self._rows[track_id, name].all() for name in self._attributes}

    def lapses(self) -> list[Lapse]:
        """Return all lapses of the frames rendered, in order."""
        if not self._attributes:
            return []
        found = [*self._without_a_face(), *self._of_faces()]
        return sorted(found, key=lambda lapse: (lapse.first_frame, lapse.face or 0))

    def _of_faces(self) -> Iterator[Lapse]:
        found: dict[tuple[int, str], list[Piece]] = {}
        for (face, name), row in self._rows.items():
            first, end = row.track.first_frame, row.track.end_frame
            shares, words = row.all()
            words[self._blank[first:end]] = FADED
            shares[self._blank[first:end]] = 0.0
            shares[~(self._rendered & self._asked[name])[first:end]] = 1.0
            for part, cause in stretches(shares, words, self._seconds[first:end]):
                begin, last = first + part.start, first + part.stop - 1
                found.setdefault((face, cause), []).append((begin, last, name, shares[part]))
        for (face, cause), pieces in found.items():
            for together in overlapping(pieces):
                yield self._lapse(face, cause, together)

    def _without_a_face(self) -> Iterator[Lapse]:
        for first, end in self._shots:
            count = np.zeros(end - first, int)
            for track in self._tracks:
                count[max(track.first_frame - first, 0) : max(track.end_frame - first, 0)] += 1
            most = int(count.max(initial=0))
            shown = (self._rendered & np.any(list(self._asked.values()), axis=0))[first:end]
            shares = np.where((count < max(most, 1)) & shown, 0.0, 1.0)
            words = np.array(
                [self._missing(first + t, int(n), most) for t, n in enumerate(count)], object
            )
            seconds = self._seconds[first:end]
            shares = shares.astype(np.float32)
            for part, cause in stretches(shares, words, seconds, brief_s=0.0):
                begin, last = first + part.start, first + part.stop - 1
                taken = [(begin, last, name, shares[part]) for name in self._attributes]
                yield self._lapse(None, cause, taken)

    def _missing(self, frame: int, count: int, most: int) -> str:
        if self._blank[frame]:
            return FADED
        if not count:
            return NO_CHOSEN if frame in self._others else NO_FACE
        return f"{count} of {most} faces found"

    def _lapse(self, face: int | None, cause: str, pieces: Sequence[Piece]) -> Lapse:
        first, last = min(p[0] for p in pieces), max(p[1] for p in pieces)
        start, end = float(self._seconds[first]), float(self._seconds[last])
        frame_s = float(np.median(np.diff(self._seconds))) if len(self._seconds) > 1 else 0.04
        missing = sum(float((1 - share).sum()) for *_, share in pieces)
        return Lapse(
            first_frame=first,
            last_frame=last,
            start_s=round(start, 3),
            end_s=round(end, 3),
            face=face,
            cause=cause,
            least={name: round(float(share.min()), 3) for *_, name, share in pieces},
            mean={name: round(float(share.mean()), 3) for *_, name, share in pieces},
            lost_s=round(missing * frame_s / len(self._attributes), 3),
        )


def _known(
    track: FaceTrack, needs: Mapping[str, Needs], limits: Limits
) -> Iterator[tuple[str, list[tuple[str, Shares]]]]:
    """Yield every attribute with what is known of a track before anything is rendered."""
    common = list(in_track(track).items())
    for name, parts in needs.items():
        covered = [(COVERED[p], track.parts[:, PARTS.index(p)]) for p in PARTS if p in parts]
        yield name, [*common, *covered, *limits.get((track.track_id, name), {}).items()]


def is_blank(frame: Frame, outcomes: Iterable[FaceOutcome]) -> bool:
    """Whether a picture in which no face was edited shows one level all over: black, say, between
    two fades."""
    if any(outcome.edited for outcome in outcomes):
        return False
    some = frame.planes[0][::8, ::8]
    return bool(some.std() <= _BLANK_SPREAD * (1 << frame.encoding.bits))
