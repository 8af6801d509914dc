"""The account of one run: what was asked, what was done to every face of every frame, how long."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import platform
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .analysis import LANDMARKS_HASH
from .config import AnalyzeOptions
from .edits import cautions
from .files import write_whole
from .progress import counted
from .targets import output_errors
from .types import EditResult, FaceOutcome, FaceTrack

if TYPE_CHECKING:
    from .run import EditRequest, Plan
    from .video.plan import OutputPlan

REPORT_VERSION = 1


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
    """
    warnings: list[str] = field(default_factory=list)
    """What could not be kept or decoded, in words."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall-clock seconds by stage."""
    followed: Mapping[int, FaceTrack] = field(default_factory=dict, repr=False)
    """The tracks by id, for the weights of their frames; not written."""

    def add(self, result: EditResult) -> None:
        """Count one frame."""
        index = result.frame.index
        faces = [self._face(outcome, index) for outcome in result.faces]
        self.frames.append({"frame": index, "pts": result.frame.pts, "faces": faces})

    def _face(self, outcome: FaceOutcome, frame_index: int) -> dict[str, Any]:
        track = self.followed[outcome.track_id]
        weight = round(float(track.weights[frame_index - track.first_frame]), 3)
        entry = {"track": outcome.track_id, "weight": weight, "edited": outcome.edited}
        return entry if outcome.edited else {**entry, "skipped": outcome.reason}

    @property
    def edited_frames(self) -> int:
        """Frames in which at least one face was edited."""
        return sum(any(f["edited"] for f in frame["faces"]) for frame in self.frames)

    def skipped(self) -> Counter[str]:
        """Return how many faces were skipped, by reason."""
        return Counter(
            face["skipped"]
            for frame in self.frames
            for face in frame["faces"]
            if not face["edited"]
        )

    def summary(self) -> str:
        """Return two or three lines for a person."""
        total = len(self.frames)
        tracks = counted(len(self.tracks), "face track")
        lines = [f"edited {self.edited_frames} of {counted(total, 'frame')}, {tracks}"]
        if without := sum(not frame["faces"] for frame in self.frames):
            lines.append(f"{counted(without, 'frame')} without a face passed through untouched")
        lines += [f"{counted(n, 'face')} skipped: {reason}" for reason, n in self.skipped().items()]
        return "\n".join(lines)

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
            "counts": {
                "frames": len(self.frames),
                "edited": self.edited_frames,
                "skipped": dict(self.skipped()),
            },
            "seconds": self.seconds,
            "warnings": self.warnings,
            "tracks": self.tracks,
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
    """Return the versions a result depends on, by distribution name."""
    names = ("visagist", "av", "dlib-bin", "numpy", "opencv-python", "scipy", "torch")
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def open_report(request: EditRequest, plan: Plan, output: OutputPlan) -> Report:
    """Return a report with everything that is known before the first frame is rendered."""
    options = {
        "attributes": [{"attribute": e.attribute, "strength": e.strength} for e in plan.edits],
        "faces_from": str(request.analysis_path) if request.analysis_path else None,
        "analyze": dict(plan.analysis.options),
        "render": dataclasses.asdict(plan.options),
        "encode": {
            "container": output.container,
            "codec": output.codec,
            "pix_fmt": output.pix_fmt,
            **dict(output.codec_options),
        },
        "device": str(plan.crops.device),
        "pack": {"name": plan.pack.name, **plan.pack.settings},
    }
    info = plan.source.info
    return Report(
        input=str(request.input),
        output=str(output.path),
        options=options,
        versions=versions(),
        weights=_weights(plan),
        video={name: _plain(getattr(info, name)) for name in info.__slots__},
        tracks=[
            {
                "track": t.track_id,
                "shot": t.shot,
                "first_frame": t.first_frame,
                "frames": len(t),
                "mean_score": round(float(t.scores.mean()), 3),
            }
            for t in plan.tracks
        ],
        warnings=[*_ignored(request, plan), *cautions(plan.edits, plan.pack)],
        followed={track.track_id: track for track in plan.tracks},
    )


def _weights(plan: Plan) -> dict[str, str]:
    """SHA-256 of all weights that had a part in the result."""
    landmarks = plan.analysis.options.get(LANDMARKS_HASH)
    found = dict(plan.pack.hashes)
    return {**found, "landmarks/landmarks.safetensors": str(landmarks)} if landmarks else found


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


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Fraction) else value
