"""The account of one run: what was asked, what was done to every face of every frame, how long."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import math
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .analysis import LANDMARKS_HASH
from .causes import HELD_OUT, PLACES, UNSEEN
from .config import AnalyzeOptions
from .edit_options import LATENT
from .editors import plugin_versions
from .editors._levels import Reached
from .editors.latent import LatentOptions
from .edits import cautions
from .files import write_whole
from .keyframes import Curve
from .lapses import Lapse, summary
from .ledger import Ledger, is_blank
from .media.damage import Damage
from .progress import counted
from .targets import output_errors
from .tracking.track import shot_bounds
from .types import EditResult, FaceOutcome, FaceState, FaceTrack

if TYPE_CHECKING:
    from .editors import Pack
    from .media.base import Sink
    from .plan import Plan
    from .request import Edit, EditRequest
    from .session import Session

REPORT_VERSION = 1

UNEDITED = "no face could be edited: the output shows what the input shows"
"""A warning."""


@dataclass(slots=True)
class Report:
    """The account of one run; `save` writes it as JSON."""

    input: str
    output: str
    """The file that was written; empty if none was."""
    options: dict[str, Any]
    """Resolved options, defaults included; those of the analysis are those it was made with."""
    versions: dict[str, str]
    weights: dict[str, str]
    """SHA-256 by weight file."""
    video: dict[str, Any] = field(default_factory=dict)
    tracks: list[dict[str, Any]] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)
    """One entry a frame: its index, pts and faces, each with `edited` or the `skipped` reason, and
    the `weight` 0–1 that the strength was multiplied by (fading at gaps and with the head's turn).
    A face whose place was not read in this frame, but lies between its places before and after, is
    `interpolated`. Where strengths are curves, `strengths` has those of the frame.
    Where less than that was done, because a part of the face was covered, the picture dark or for
    reasons of the editor, `weights` has what is left of every attribute; `causes` says of each
    attribute that took less what took most of the rest. `seen` is the share of the edited place
    that nothing lay before, if anything did; `left_by_mattes` what the user's mattes leave.
    """
    warnings: list[str] = field(default_factory=list)
    """What could not be kept or decoded, in words."""
    damage: list[Damage] = field(default_factory=list)
    """What of the input could not be read as it was meant, one by one."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall-clock seconds by stage."""
    identity: list[dict[str, Any]] = field(default_factory=list)
    """By track, how far its edit moves it from who it is; see `identity.identity_of`."""
    lapses: list[Lapse] = field(default_factory=list)
    """Stretches of frames in which less than half of an edit was done, and why."""
    followed: Mapping[int, FaceTrack] = field(default_factory=dict, repr=False)
    """The tracks by id, for the weights of their frames; not written."""
    ledger: Ledger | None = field(default=None, repr=False)
    """What every face took of every attribute; not written."""
    unchosen: frozenset[int] = field(default=frozenset(), repr=False)
    """Frames that show a face that was not chosen to be edited; not written."""
    curves: Mapping[str, NDArray[np.float32]] = field(default_factory=dict, repr=False)
    """By attribute, the strengths (F,) of those whose strength changes; not written."""

    def add(self, result: EditResult) -> None:
        """Count one frame."""
        frame, faces = result.frame, result.faces
        self.count(frame.index, frame.pts, faces, blank=is_blank(frame, faces))

    def count(self, index: int, pts: int, outcomes: Sequence[FaceOutcome], *, blank: bool) -> None:
        """Count one frame that was rendered elsewhere; `blank`: see `ledger.is_blank`."""
        if self.ledger is not None:
            self.ledger.count(index, outcomes, blank=blank)
        faces = [self._face(outcome, index) for outcome in outcomes]
        self.frames.append({"frame": index, "pts": pts, "faces": faces})

    def close(self) -> None:
        """Sum up, after the last frame."""
        if self.ledger is not None:
            self.lapses = self.ledger.lapses()

    def _face(self, outcome: FaceOutcome, frame_index: int) -> dict[str, Any]:
        track = self.followed[outcome.track_id]
        row = frame_index - track.first_frame
        weight = round(float(track.weights[row]), 3)
        entry: dict[str, Any] = {
            "track": outcome.track_id,
            "weight": weight,
            "edited": outcome.edited,
        }
        if self.curves:
            strengths = {name: values[frame_index] for name, values in self.curves.items()}
            entry["strengths"] = {name: round(float(s), 4) for name, s in strengths.items()}
        if track.states[row] == FaceState.INTERPOLATED:
            entry["interpolated"] = True
        if not outcome.edited:
            entry["skipped"] = outcome.reason
        taken = {} if self.ledger is None else self.ledger.at(frame_index, outcome.track_id)
        shares = {name: round(share, 3) for name, (share, _) in taken.items()}
        if any(share != weight for share in shares.values()):
            entry["weights"] = shares
        causes = {name: cause for name, (share, cause) in taken.items() if round(share, 3) < 1}
        seen = math.prod(outcome.left.get(cause, 1.0) for cause in PLACES)
        if causes:
            entry["causes"] = causes
        if seen < 1:
            entry["seen"] = round(seen, 3)
        if HELD_OUT in outcome.left:
            entry["left_by_mattes"] = round(outcome.left[HELD_OUT], 3)
        return entry

    @property
    def edited_frames(self) -> int:
        """Frames in which at least one face was edited."""
        return sum(any(f["edited"] for f in frame["faces"]) for frame in self.frames)

    def edited_of_track(self) -> dict[int, list[int]]:
        """Return the frames in which a face was edited, by track."""
        found: dict[int, list[int]] = {}
        for frame in self.frames:
            for face in frame["faces"]:
                if face["edited"]:
                    found.setdefault(face["track"], []).append(frame["frame"])
        return found

    def skipped(self) -> Counter[str]:
        """Return how many faces were skipped, by reason."""
        return Counter(
            face["skipped"]
            for frame in self.frames
            for face in frame["faces"]
            if not face["edited"]
        )

    @property
    def interpolated(self) -> int:
        """Edited faces whose place was not read in their frame, but taken from those around it."""
        faces = (face for frame in self.frames for face in frame["faces"])
        return sum(face["edited"] and face.get("interpolated", False) for face in faces)

    def untouched(self) -> tuple[int, int]:
        """Return how many frames show no face at all, and how many none that was chosen."""
        frames = [frame["frame"] for frame in self.frames if not frame["faces"]]
        others = sum(index in self.unchosen for index in frames)
        return len(frames) - others, others

    def summary(self) -> str:
        """Return a few lines for a person."""
        total = len(self.frames)
        tracks = counted(len(self.tracks), "face track")
        lines = [f"edited {self.edited_frames} of {counted(total, 'frame')}, {tracks}"]
        if between := self.interpolated:
            lines.append(f"{counted(between, 'face')} edited between places read before and after")
        asked = [edit["attribute"] for edit in self.options["attributes"] if edit["strength"]]
        return "\n".join([*lines, *summary(self.lapses, asked, len(self.tracks))])

    def _counts(self) -> dict[str, Any]:
        """Return the sums; those of rare things only where there are any."""
        rare: dict[str, Any] = {
            "without_chosen_face": self.untouched()[1],
            "interpolated": self.interpolated,
        }
        return {
            "frames": len(self.frames),
            "edited": self.edited_frames,
            "skipped": dict(self.skipped()),
            **{name: count for name, count in rare.items() if count},
        }

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {
            "report_version": REPORT_VERSION,
            "input": self.input,
            "output": self.output,
            "options": self.options,
            "versions": self.versions,
            "weights": self.weights,
            "video": self.video,
            "counts": self._counts(),
            "seconds": self.seconds,
            "warnings": self.warnings,
            "damage": [dataclasses.asdict(damage) for damage in self.damage],
            "tracks": self.tracks,
            **({"identity": self.identity} if self.identity else {}),
            "lapses": [dataclasses.asdict(lapse) for lapse in self.lapses],
            "frames": self.frames,
        }

    def save(self, path: Path, *, overwrite: bool = True) -> None:
        """Write the report; it is there as a whole or not at all.

        Raises:
            OutputError: the file cannot be written, or is there and `overwrite` is off.
        """
        with output_errors(path, "the report"):
            write_whole(path, json.dumps(self.to_json(), indent=1) + "\n", overwrite=overwrite)


def versions() -> dict[str, str]:
    """Return the versions a result depends on, by distribution name; those of other packages that
    bring editors come last."""
    names = ("visagist", "av", "dlib-bin", "numpy", "opencv-python", "scipy", "torch")
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found | plugin_versions()


def open_report(session: Session, output: Sink) -> Report:
    """Return a report with everything that is known before the first frame is rendered."""
    request, plan, pack = session.request, session.plan, session.pack
    unchosen, levels = _unchosen(plan), levels_reached(session)
    options = {
        "attributes": [edit_facts(edit, session) for edit in plan.edits],
        "faces_from": str(request.analysis_path) if request.analysis_path else None,
        "analyze": dict(plan.analysis.options),
        "render": dataclasses.asdict(request.render),
        "encode": dict(output.facts),
        "on_damage": request.analyze.on_damage,
        "device": str(session.device),
        "pack": {"name": pack.name, **pack.settings},
        **_matte_facts(request),
    }
    info = session.source.info
    video = {name: getattr(info, name) for name in info.__slots__}
    return Report(
        input=str(request.input),
        output=str(output.path),
        options=options,
        versions=versions(),
        weights=_weights(plan, pack),
        video={k: str(v) if isinstance(v, Fraction) else v for k, v in video.items()},
        tracks=[
            {
                "track": t.track_id,
                "shot": t.shot,
                "first_frame": t.first_frame,
                "frames": len(t),
                "mean_score": round(float(t.scores.mean()), 3),
                **_levels(levels.get(t.track_id, {})),
            }
            for t in plan.tracks
        ],
        warnings=[
            *_ignored(request, plan),
            *cautions(plan.edits, pack),
            *session.catalogue.skipped,
            *_short(levels),
        ],
        followed={track.track_id: track for track in plan.tracks},
        unchosen=unchosen,
        ledger=ledger_of(session, unchosen),
        curves=plan.curves(),
    )


def levels_reached(session: Session) -> dict[int, dict[str, Reached]]:
    """Return how far edits with levels move each face, by track and attribute."""
    plan, catalogue, editor = session.plan, session.catalogue, session.face_editor
    latent = [e for e in plan.edits if catalogue.editors_of(e.attribute) == (LATENT,)]
    edits = [edit for edit in latent if LatentOptions.of(edit).level]
    codes = session.codes(plan) if edits else {}
    return {
        track: {edit.attribute: editor.reached(edit, known) for edit in edits}
        for track, known in codes.items()
    }


def _levels(found: Mapping[str, Reached]) -> dict[str, Any]:
    """Return, of a track, what was read of it and which strength leads to the level asked for."""
    if not found:
        return {}
    return {
        "levels": {
            name: {fact: round(value, 4) for fact, value in dataclasses.asdict(one).items()}
            for name, one in found.items()
        }
    }


def _short(reached: Mapping[int, Mapping[str, Reached]]) -> list[str]:
    """Return sentences on faces that do not come to the level that was asked for."""
    return [
        f"{name}->{one.level:g}: the face of track {track} is read as {one.before:.2f} and comes "
        f"to {one.after:.2f}, with strength {one.strength:.2g}; no strength that looks like a "
        "photograph leads farther"
        for track, found in reached.items()
        for name, one in found.items()
        if one.is_short
    ]


def _matte_facts(request: EditRequest) -> dict[str, list[str]]:
    """Return the mattes of a request, if it has any, as they are typed."""
    named = {"holdout": request.holdout, "only": request.only}
    return {name: [str(file) for file in files] for name, files in named.items() if files}


def ledger_of(session: Session, unchosen: frozenset[int] = frozenset()) -> Ledger:
    """Return a ledger for the plan of a session; `unchosen`: frames without a chosen face."""
    plan = session.plan
    return Ledger(
        plan.tracks,
        session.needs(plan.edits),
        session.limits(plan),
        times=plan.analysis.times,
        shots=shot_bounds(plan.analysis.cuts, plan.frame_count),
        others=unchosen,
        asked={
            name: plan.asked([e for e in plan.edits if e.attribute == name])
            for name in {edit.attribute for edit in plan.edits}
        },
    )


def edit_facts(edit: Edit, session: Session) -> dict[str, Any]:
    """Return what an edit of a session is, for people."""
    own = edit.strength
    strength = str(own) if isinstance(own, Curve) else own
    facts: dict[str, Any] = {"attribute": edit.attribute, "strength": strength}
    if edit.options:
        facts["options"] = dict(edit.options)
    if edit.exemplar is not None:
        of_file = {
            "path": str(edit.exemplar.path),
            "sha256": session.exemplars.sha256(edit.exemplar),
        }
        facts["exemplar"] = dataclasses.asdict(edit.exemplar) | of_file
    return facts


def _unchosen(plan: Plan) -> frozenset[int]:
    """Return the frames that show somebody who is not to be edited."""
    chosen = {track.track_id for track in plan.tracks}
    others = [track for track in plan.analysis.tracks if track.track_id not in chosen]
    return frozenset(
        track.first_frame + int(row)
        for track in others
        for row in np.flatnonzero((track.states != FaceState.ABSENT) & (track.scores >= UNSEEN))
    )


def _weights(plan: Plan, pack: Pack) -> dict[str, str]:
    """SHA-256 of all weights that had a part in the result."""
    landmarks = plan.analysis.options.get(LANDMARKS_HASH)
    used = dict(pack.hashes)
    return {**used, "landmarks/landmarks.safetensors": str(landmarks)} if landmarks else used


def _ignored(request: EditRequest, plan: Plan) -> list[str]:
    """Sentences on analysis options that were asked for but not used: the file was made before."""
    asked, usual = dataclasses.asdict(request.analyze), dataclasses.asdict(AnalyzeOptions())
    made = plan.analysis.options
    return [
        f"{name} {asked[name]} is not used: the analysis file {request.analysis_path} was made "
        f"with {made[name]}; remove it to have the clip analyzed again"
        for name in ("landmarks", "detect_every_s")
        if asked[name] not in (usual[name], made.get(name, asked[name]))
    ]
