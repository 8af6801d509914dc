"""The account of one run: what was asked, what was done to every face of every frame, how long."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import OutputError
from .types import EditResult

REPORT_VERSION = 1


@dataclass(slots=True)
class Report:
    """The account of one run; `save` writes it as JSON."""

    input: str
    output: str
    options: dict[str, Any]
    """Resolved options, defaults included."""
    versions: dict[str, str]
    weights: dict[str, str]
    """SHA-256 by weight file."""
    video: dict[str, Any] = field(default_factory=dict)
    tracks: list[dict[str, Any]] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)
    """One entry a frame: its index, pts and faces with `edited` or the `skipped` reason."""
    warnings: list[str] = field(default_factory=list)
    """What could not be kept or decoded, in words."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall-clock seconds by stage."""

    def add(self, result: EditResult) -> None:
        """Count one frame."""
        faces = [
            {"track": f.track_id, "edited": True}
            if f.edited
            else {"track": f.track_id, "edited": False, "skipped": f.reason}
            for f in result.faces
        ]
        self.frames.append({"frame": result.frame.index, "pts": result.frame.pts, "faces": faces})

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
        lines = [f"edited {self.edited_frames} of {total} frames, {len(self.tracks)} face track(s)"]
        if without := sum(not frame["faces"] for frame in self.frames):
            lines.append(f"{without} frame(s) without a face passed through untouched")
        lines += [f"{count} face(s) skipped: {reason}" for reason, count in self.skipped().items()]
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

    def save(self, path: Path) -> None:
        """Write the report, beside the target first and renamed when complete.

        Raises:
            OutputError: the file cannot be written.
        """
        beside = path.with_name(f".{path.name}.part")
        try:
            beside.write_text(json.dumps(self.to_json(), indent=1) + "\n", encoding="utf-8")
            beside.replace(path)
        except OSError as e:
            beside.unlink(missing_ok=True)
            raise OutputError(f"cannot write the report {path}: {e}") from e
