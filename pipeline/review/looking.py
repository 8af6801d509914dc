"""Looking at a target beside its clip: both are decoded once, and what is seen is kept as data."""

from __future__ import annotations

import base64
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from ..doubts import Doubt, behind, in_analysis, worst
from ..errors import VideoError
from ..identity import Pair, pair_of, to_look_at, told
from ..imaging.color import frame_to_rgb
from ..imaging.likeness import cells_from_text
from ..loading import FaceRecogniser
from ..media.opening import open_source
from ..pictures import Picture, difference, fit
from ..report import Report
from ..session import Session
from ..types import Box, FaceTrack, Frame
from ..viewing import aspect, face_window, present
from .figures import Figures
from .findings import Finding, few, in_words, of_doubts, of_figures, of_identity, of_reports
from .strips import columns, strip_of

REVIEW_VERSION: Final = 1
TILE_PX: Final = 144
"""Height of a picture; three lie side by side."""
_QUALITY: Final = 70
_GAIN: Final = 4.0
_MARGIN: Final = 0.3
"""Of a face's box, left around it."""
_DOUBTS: Final = 3
"""Frames that are named as doubtful; the worst is shown."""


@dataclass(frozen=True, slots=True)
class _Look:
    """A frame to be shown."""

    what: str
    frame: int
    face: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Beside:
    """One frame of the clip, and of the target."""

    before: Frame
    after: Frame


def review(
    sessions: Sequence[Session],
    reports: Sequence[Report],
    target: Path,
    cells: Sequence[str],
    *,
    recogniser: FaceRecogniser | None = None,
    more: Iterable[Finding] = (),
) -> dict[str, Any]:
    """Compare a target with its clip; return all there is to show of it, as plain data.

    Args:
        sessions: one an edit, with their plans; of one clip and range.
        reports: what became of each edit.
        target: the finished file.
        cells: one a frame, where its edits changed it, see `likeness.cells_to_text`.
        recogniser: says how far faces are from who they were; None: nobody does.
        more: findings of the caller's.

    Returns:
        `counts`, `strips` (see `strips.strip_of`), `figures` (see `Figures.to_json`), `identity`
        (one a face, see `identity.identity_of`; of the target's own pixels, by all edits together),
        `pictures` (what it shows, frame, why, size, JPEG in base64), `findings`.
    """
    plan = sessions[0].plan
    doubts = _doubts(sessions, reports)
    looks = [_first(sessions, plan.start), *_worst(doubts)]
    faces = {} if recogniser is None else _faces_to_tell(sessions, reports)
    seen = _Seen(sessions, looks, faces)
    findings = [*more, *of_reports(reports), *of_doubts(doubts)]
    try:
        seen.go_through(target, cells)
    except VideoError as e:
        findings.append(Finding("frames-differ", str(e)))
    identity = [] if recogniser is None else seen.identity(recogniser)
    figures = seen.figures.to_json()
    findings += [*of_figures(figures), *of_identity(identity)]
    said = [finding.to_json() for finding in few(findings)]
    return {
        "review_version": REVIEW_VERSION,
        "first_frame": plan.start,
        "counts": _counts(reports),
        "strips": [strip_of(r, s.plan) for r, s in zip(reports, sessions, strict=True)],
        "jitter": _jitter(seen.figures, plan.start, plan.stop),
        "figures": figures,
        **({"identity": identity} if identity else {}),
        "pictures": seen.pictures(),
        "findings": said,
        "in_words": in_words(said),
    }


def _faces_to_tell(
    sessions: Sequence[Session], reports: Sequence[Report]
) -> dict[int, tuple[FaceTrack, list[int]]]:
    """Return the faces that any edit changed, each with the frames in which it is looked at."""
    edited: dict[int, set[int]] = {}
    for report in reports:
        for name, frames in report.edited_of_track().items():
            edited.setdefault(name, set()).update(frames)
    tracks = {track.track_id: track for one in sessions for track in one.plan.tracks}
    return {
        name: (tracks[name], to_look_at(tracks[name], sorted(frames)))
        for name, frames in sorted(edited.items())
    }


def _counts(reports: Sequence[Report]) -> dict[str, Any]:
    """Return how many frames there are, in how many any edit changed a face, and why faces were
    skipped."""
    edited = [
        any(any(face["edited"] for face in entry["faces"]) for entry in entries)
        for entries in zip(*(report.frames for report in reports), strict=True)
    ]
    skipped: Counter[str] = Counter()
    for report in reports:
        skipped += report.skipped()
    return {"frames": len(edited), "edited": sum(edited), "skipped": dict(skipped)}


def _doubts(sessions: Sequence[Session], reports: Sequence[Report]) -> list[Doubt]:
    """Return the frames to be doubted most, in order."""
    found: list[Doubt] = []
    for session, report in zip(sessions, reports, strict=True):
        if report.ledger is not None and session.plan.asks:
            found += in_analysis(session.plan, report.ledger, pixel_aspect=aspect(session))
            for entry in report.frames:
                for face in entry["faces"]:
                    if face["edited"]:
                        found += behind(entry["frame"], face["track"], face.get("seen", 1.0))
    plan = sessions[0].plan
    asked = np.any([session.plan.asked(session.plan.edits) for session in sessions], axis=0)
    here = [
        doubt for doubt in found if plan.start <= doubt.frame < plan.stop and asked[doubt.frame]
    ]
    return worst(here, _DOUBTS, plan.analysis.times)


def _first(sessions: Sequence[Session], frame: int) -> _Look:
    there = [
        (float(np.ptp(track.landmarks[row][:, 1])), track.track_id)
        for session in sessions
        for track, row in present(session.plan.tracks, frame)
    ]
    return _Look("first", frame, max(there, default=(0.0, -1))[1])


def _worst(doubts: Sequence[Doubt]) -> list[_Look]:
    if not doubts:
        return []
    most = max(doubts, key=lambda doubt: doubt.size)
    return [_Look("worst", most.frame, most.face, most.reason)]


def _jitter(figures: Figures, start: int, stop: int) -> list[float]:
    """Return the largest jitter of every column of a strip [grey levels]."""
    values = [figures.jitters.get(frame, (0.0, 0.0))[0] for frame in range(start, stop)]
    return [round(float(max(part)), 2) for part in columns(values)]


class _Seen:
    """What was seen while a target and its clip were gone through."""

    def __init__(
        self,
        sessions: Sequence[Session],
        looks: Sequence[_Look],
        faces: Mapping[int, tuple[FaceTrack, Sequence[int]]],
    ) -> None:
        self.figures = Figures()
        self._session, self._looks, self._faces = sessions[0], looks, faces
        self._pixel_aspect = aspect(sessions[0])
        tracks = {track.track_id: track for one in sessions for track in one.plan.tracks}
        self._tracks: tuple[FaceTrack, ...] = tuple(tracks.values())
        self._kept: dict[int, _Beside] = {}
        self._strongest: _Beside | None = None
        self._people: dict[int, dict[int, Pair]] = {}
        """By face and frame, what is compared to tell whether it is still the same person."""

    def go_through(self, target: Path, cells: Sequence[str]) -> None:
        """Decode both.

        Raises:
            VideoError: the target cannot be decoded, or has not the frames of the clip.
        """
        wanted = {look.frame for look in self._looks}
        with ExitStack() as opened:
            clip = opened.enter_context(self._session.frames(self._session.plan))
            made = opened.enter_context(open_source(target).frames())
            for number, (before, after) in enumerate(itertools.zip_longest(clip, made)):
                if before is None or after is None:
                    which = "fewer" if after is None else "more"
                    raise VideoError(f"{which} frames can be decoded than the {len(cells)} written")
                changed = cells_from_text(cells[number], before.height, before.width)
                self.figures.add(before, after, changed, self._tracks)
                if before.index in wanted:
                    self._kept[before.index] = _Beside(before, after)
                if self.figures.strongest[1] == before.index:
                    self._strongest = _Beside(before, after)
                for name, (track, frames) in self._faces.items():
                    if before.index in frames:
                        pair = pair_of(track, before, after, self._pixel_aspect)
                        self._people.setdefault(name, {})[before.index] = pair

    def identity(self, recogniser: FaceRecogniser) -> list[dict[str, Any]]:
        """Return how far the faces that were seen are from who they were."""
        return [told(name, pairs, recogniser) for name, pairs in self._people.items()]

    def pictures(self) -> list[dict[str, Any]]:
        """Return the pictures, each before, after and what differs."""
        looks = [(look, self._kept.get(look.frame)) for look in self._looks]
        if self._strongest is not None:
            frame = self._strongest.before.index
            size, face = self.figures.sizes[frame]
            why = f"the face changes by {size:.1f} grey levels on average"
            looks.insert(1, (_Look("strongest", frame, face, why), self._strongest))
        return [self._picture(look, pair) for look, pair in looks if pair is not None]

    def _picture(self, look: _Look, pair: _Beside) -> dict[str, Any]:
        window = face_window(self._tracks, pair.before, look.face, _MARGIN)
        before, after = (self._tile(frame, window) for frame in (pair.before, pair.after))
        shown = np.hstack([before, after, difference(before, after, _GAIN)])
        height, width = shown.shape[:2]
        known = {"what": look.what, "frame": look.frame, "why": look.why}
        return {**known, "width": width, "height": height, "jpeg": _jpeg(shown)}

    def _tile(self, frame: Frame, window: Box) -> Picture:
        part = np.asarray(np.round(frame_to_rgb(frame, window) * 255), np.uint8)
        return fit(part, TILE_PX, pixel_aspect=self._pixel_aspect)


def _jpeg(picture: Picture) -> str:
    options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    done, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise RuntimeError("a picture could not be encoded")
    return base64.b64encode(data.tobytes()).decode()
