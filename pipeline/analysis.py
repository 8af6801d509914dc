"""The analysis file: where the faces of one clip are, stored to be read, corrected and reused.

A JSON file, one line per face and frame, so that it can be read and edited by hand and compared
line by line. Version 1:

    {"visagist_analysis": 1,                  version of this format
     "fingerprint": "…",                      of the video's packets; another video is refused
     "video": {"width": 1920, …},             facts for the reader; not used
     "time_base": [1, 12800],                 seconds per tick, numerator and denominator
     "pts": [0, 512, …],                      of every frame, in ticks
     "cuts": [240, …],                        first frames of new shots
     "options": {…},                          how it was made; not used
     "warnings": ["…"],                       what could not be read of the video; not used
     "damage": [{"kind": "…", …}],            the same, one by one; `--on-damage fail` refuses it
     "tracks": [
      {"id": 0, "shot": 0, "appearance": "…", base64 of float16; "" if unknown
       "frames": [
        {"frame": 0, "state": "detected", "score": 0.98, "mouth": 1, "eyes": 1,
         "box": [x0, y0, x1, y1], "landmarks": [[x, y], … 68]},
        …]}]}

Coordinates are pixels of the upright frame (see `imaging/geometry.py`), rounded to 1/100. To
correct a frame, move its landmarks and write `"state": "manual"`: such a frame is used as it is,
never judged by its score and never smoothed; `"state": "excluded"` keeps a frame from being
edited. A frame may be added to a track or removed from it: frames without a line have no face, and
gaps no longer than `--max-gap` are filled. `box` is for the reader and follows from the landmarks.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import AnalysisError
from .files import write_whole
from .imaging.geometry import landmark_box, may_be_face
from .media.base import MAX_SIDE_PX, Fingerprint
from .media.damage import Damage, damage_of
from .side_files import DAMAGE, FACES_BYTES, in_words, is_missing, read_text, shown
from .targets import output_errors
from .tracking.track import RawTrack
from .types import FaceState

VERSION = 1
LANDMARKS_HASH = "landmarks_sha256"
"""Option under which the hash of the landmark weights is noted."""
_STATES = {
    "detected": FaceState.DETECTED,
    "manual": FaceState.MANUAL,
    "excluded": FaceState.EXCLUDED,
}


@dataclass(frozen=True, slots=True, repr=False)
class Analysis:
    """What the analyze pass found in one clip."""

    fingerprint: str
    video: Mapping[str, str | int | float]
    pts: NDArray[np.int64]
    """(frames,) int64 [ticks]."""
    time_base: Fraction
    """[s/tick]"""
    cuts: tuple[int, ...]
    options: Mapping[str, str | int | float | bool | None]
    tracks: tuple[RawTrack, ...]
    warnings: tuple[str, ...] = ()
    damage: tuple[Damage, ...] = ()
    """What could not be read of the video, in words and one by one."""

    @property
    def times(self) -> NDArray[np.float64]:
        """(frames,) float64 [s]."""
        return np.asarray(self.pts * float(self.time_base))

    def __repr__(self) -> str:
        return f"Analysis({len(self.pts)} frames, {len(self.tracks)} tracks)"


def save(analysis: Analysis, path: Path, *, overwrite: bool = True) -> None:
    """Write the file; at `path` stands the old content or the whole new one, whatever happens.

    Raises:
        OutputError: the file cannot be written, or is there and `overwrite` is off.
    """
    with output_errors(path, "the analysis file"):
        write_whole(path, _lines(analysis), overwrite=overwrite)


def _lines(analysis: Analysis) -> Iterator[str]:
    yield f'{{"visagist_analysis": {VERSION},\n'
    base = analysis.time_base
    for name, value in (
        ("fingerprint", analysis.fingerprint),
        ("video", dict(analysis.video)),
        ("time_base", [base.numerator, base.denominator]),
        ("pts", [int(t) for t in analysis.pts]),
        ("cuts", [int(t) for t in analysis.cuts]),
        ("options", dict(analysis.options)),
        ("warnings", list(analysis.warnings)),
        ("damage", [dataclasses.asdict(damage) for damage in analysis.damage]),
    ):
        yield f" {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)},\n"
    yield ' "tracks": [\n'
    for i, track in enumerate(analysis.tracks):
        yield from _track_lines(track)
        yield ",\n" if i + 1 < len(analysis.tracks) else "\n"
    yield " ]}\n"


def _track_lines(track: RawTrack) -> Iterator[str]:
    numbers = np.ascontiguousarray(track.appearance, "<f2")
    look = base64.b64encode(numbers.tobytes()).decode("ascii")
    yield f'  {{"id": {track.track_id}, "shot": {track.shot}, "appearance": "{look}", "frames": [\n'
    rows = np.flatnonzero(track.states != FaceState.ABSENT)
    names = {state: name for name, state in _STATES.items()}
    boxes = landmark_box(np.round(track.landmarks, 2))  # of what is written
    for i, row in enumerate(rows):
        # Two decimals and no spaces: half the size of the default.
        points = ",".join(f"[{x:.2f},{y:.2f}]" for x, y in track.landmarks[row].tolist())
        box = ",".join(f"{v:.1f}" for v in boxes[row].tolist())
        mouth, eyes = track.region_scores[row].tolist()
        yield (
            f'   {{"frame": {track.first_frame + row}, "state": '
            f'"{names[FaceState(track.states[row])]}", "score": {track.scores[row]:.3f}, '
            f'"mouth": {mouth:.2f}, "eyes": {eyes:.2f}, "box": [{box}], "landmarks": [{points}]}}'
        )
        yield ",\n" if i + 1 < len(rows) else "\n"
    yield "  ]}"


def load(
    path: Path,
    fingerprint: Fingerprint | None = None,
    *,
    size: tuple[int, int] | None = None,
) -> Analysis:
    """Read a file that `save` wrote, corrected by hand or not.

    Args:
        path: of the file.
        fingerprint: of the video it is to be used with; not checked when left out.
        size: width and height of the video [px], as far from which no face can be; not checked when
            left out.

    Raises:
        AnalysisError: missing, damaged (with the line), of another version, or of another video.
    """
    if is_missing(path):
        raise AnalysisError(f"there is no analysis file {path}; `analyze` makes one")
    text = read_text(path, "cannot read the analysis file", most=FACES_BYTES, error=AnalysisError)
    try:
        document = json.loads(text, object_pairs_hook=_compact)
    except json.JSONDecodeError as e:
        raise AnalysisError(
            f"the analysis file {path} is damaged at line {e.lineno}, column {e.colno}: {e.msg}; "
            "mend that line or make the file again with `analyze`"
        ) from e
    except DAMAGE as e:
        raise _damaged(path, e) from e
    version = document.get("visagist_analysis") if isinstance(document, dict) else None
    if version is None:
        raise AnalysisError(f"{path} is not an analysis file: it has no 'visagist_analysis'")
    if version != VERSION:
        raise AnalysisError(
            f"the analysis file {path} has version {version}, this program reads "
            f"version {VERSION}; make the file again with `analyze`"
        )
    if fingerprint is not None:
        document["fingerprint"] = fingerprint.checked(path, document.get("fingerprint"))
    try:
        return _analysis(document, _Clip(text, size or (MAX_SIDE_PX, MAX_SIDE_PX)))
    except DAMAGE as e:
        raise _damaged(path, e) from e


def _damaged(path: Path, error: Exception) -> AnalysisError:
    return AnalysisError(
        f"the analysis file {path} is damaged: {in_words(error)}; mend it or make it again with "
        "`analyze`"
    )


def _compact(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a part of the file with its landmarks, if they are numbers, as an array: a tenth of
    the memory of lists."""
    entry = dict(pairs)
    if len(entry) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"{shown(twice)} stands twice in one pair of braces")
    if isinstance(entry.get("landmarks"), list):
        # What is too large for a float32 becomes infinite, and is refused as that.
        with suppress(ArithmeticError, TypeError, ValueError), np.errstate(over="ignore"):
            entry["landmarks"] = np.array(entry["landmarks"], np.float32)
    return entry


def as_stored(analysis: Analysis) -> Analysis:
    """Return an analysis without codes as it would be read back from its file.

    Numbers are rounded there; used everywhere, a run gives the same result stored or not.
    """
    return dataclasses.replace(analysis, tracks=tuple(_rounded(t) for t in analysis.tracks))


def _rounded(track: RawTrack) -> RawTrack:
    seen = track.states != FaceState.ABSENT

    def as_written(values: NDArray[np.float32], decimals: int) -> NDArray[np.float32]:
        # Times a power of ten a float32 is still exact in double, so this rounds as printing does.
        exact = np.round(values.astype(np.float64), decimals)
        exact[~seen] = 0.0
        return exact.astype(np.float32)

    return dataclasses.replace(
        track,
        landmarks=as_written(track.landmarks, 2),
        scores=as_written(track.scores, 3),
        region_scores=as_written(track.region_scores, 2),
        appearance=track.appearance.astype(np.float16).astype(np.float32),
    )


@dataclass(frozen=True, slots=True)
class _Clip:
    """What the parts of a file are compared with."""

    text: str
    """The whole file, to find lines in."""
    size: tuple[int, int]
    """Width and height of a frame [px]."""
    cuts: tuple[int, ...] = ()
    count: int = 0
    """Frames."""


def _analysis(document: Mapping[str, Any], clip: _Clip) -> Analysis:
    pts = np.array(document["pts"], np.int64)
    cuts = tuple(int(t) for t in document["cuts"])
    if pts.ndim != 1 or (np.diff(pts) <= 0).any():
        raise ValueError("'pts' must be a list of rising numbers")
    if any(not 0 < c < len(pts) for c in cuts) or list(cuts) != sorted(set(cuts)):
        raise ValueError(f"'cuts' must be rising frame numbers from 1 to {len(pts) - 1}")
    ids = [int(entry["id"]) for entry in document["tracks"]]
    if len(set(ids)) < len(ids):
        raise ValueError(f"track ids must be distinct, got {shown(ids)}")
    if any(not 0 <= number < 1 << 31 for number in ids):
        raise ValueError(f"track ids must be whole numbers from 0 on, got {shown(ids)}")
    numerator, denominator = (int(number) for number in document["time_base"])
    if numerator <= 0 or denominator <= 0:
        raise ValueError("'time_base' must be two numbers above 0")
    _check_times(pts, Fraction(numerator, denominator))
    clip = dataclasses.replace(clip, cuts=cuts, count=len(pts))
    return Analysis(
        fingerprint=str(document["fingerprint"]),
        video=document["video"],
        pts=pts,
        time_base=Fraction(numerator, denominator),
        cuts=cuts,
        options=dict(document["options"]),
        tracks=tuple(_track(entry, clip) for entry in document["tracks"]),
        warnings=tuple(str(text) for text in document.get("warnings", [])),
        damage=tuple(damage_of(entry) for entry in document.get("damage", [])),
    )


def _check_times(pts: NDArray[np.int64], time_base: Fraction) -> None:
    """Refuse times that no video has: what is smoothed over time would never end."""
    duration = int(pts[-1] - pts[0]) * time_base if len(pts) > 1 else Fraction(1)
    if not len(pts) / _MOST_HZ <= duration <= _LONGEST_S:
        raise ValueError(
            f"'pts' and 'time_base' say that {len(pts)} frames take {float(duration):g} s"
        )


_MOST_HZ = 1_000_000
"""Frames per second."""
_LONGEST_S = 10_000_000
"""Four months."""


def _track(entry: Mapping[str, Any], clip: _Clip) -> RawTrack:
    track_id, shot = int(entry["id"]), int(entry["shot"])
    edges = [0, *clip.cuts, clip.count]
    if not 0 <= shot < len(edges) - 1:
        raise ValueError(f"track {track_id}: there is no shot {shot}")
    frames = sorted(entry["frames"], key=lambda line: int(line["frame"]))
    if not frames:
        raise ValueError(f"track {track_id} has no frames; remove the track")
    index = np.array([int(line["frame"]) for line in frames])
    if index[0] < edges[shot] or index[-1] >= edges[shot + 1] or (np.diff(index) == 0).any():
        raise ValueError(
            f"track {track_id}: its frames must be distinct and lie in shot {shot}, "
            f"{edges[shot]} to {edges[shot + 1] - 1}"
        )
    first, rows, length = int(index[0]), index - index[0], int(index[-1] - index[0]) + 1
    landmarks = np.zeros((length, 68, 2), np.float32)
    states, scores = np.zeros(length, np.uint8), np.zeros(length, np.float32)
    regions = np.zeros((length, 2), np.float32)
    for row, line in zip(rows, frames, strict=True):
        landmarks[row], states[row], scores[row], regions[row] = _face(line, track_id, clip)
    look = np.frombuffer(base64.b64decode(entry.get("appearance", ""), validate=True), "<f2")
    return RawTrack(
        track_id, shot, first, landmarks, states, scores, regions, look.astype(np.float32)
    )


def _face(
    line: Mapping[str, Any], track_id: int, clip: _Clip
) -> tuple[NDArray[np.float32], FaceState, float, tuple[float, float]]:
    """landmarks, state, score, (mouth, eyes) of one line."""
    with np.errstate(over="ignore"):  # infinite then, and refused as that
        points = np.array(line["landmarks"], np.float32)
    score, mouth, eyes = (float(line.get(k, 1.0)) for k in ("score", "mouth", "eyes"))
    state = _STATES.get(line.get("state", "detected"))
    wrong = ""
    if points.shape != (68, 2) or not np.isfinite(points).all():
        wrong = f"'landmarks' must be 68 pairs of numbers, got shape {points.shape}"
    elif np.ptp(points, axis=0).min() < 1.0:
        wrong = "'landmarks' must spread over a face, got points on one spot or line"
    elif not may_be_face(points, clip.size):
        wrong = f"'landmarks' must lie about a frame of {clip.size[0]}x{clip.size[1]} px"
    elif state is None:
        wrong = f"'state' must be one of {', '.join(_STATES)}, got {shown(line.get('state'))}"
    elif not all(0.0 <= value <= 1.0 for value in (score, mouth, eyes)):
        wrong = f"scores must be 0–1, got {score:g}, {mouth:g}, {eyes:g}"
    if wrong or state is None:
        where = _line_of(clip.text, track_id, int(line["frame"]))
        raise ValueError(f"track {track_id}, frame {line['frame']}{where}: {wrong}")
    return points, state, score, (mouth, eyes)


def _line_of(text: str, track_id: int, frame: int) -> str:
    """` (line N)` of a face in a file laid out as `save` does; else nothing."""
    inside = False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith('{"id":'):
            inside = f'"id": {track_id},' in line
        elif inside and line.lstrip().startswith(f'{{"frame": {frame},'):
            return f" (line {number})"
    return ""
