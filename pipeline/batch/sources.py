"""What lies in the files a batch reads, found out once: their hashes, what output suits a clip.

Kept beside the units, one small file each, and believed as long as size, time of the last change
and inode of the file are what they were.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError, reason
from ..files import write_whole
from ..media.opening import default_ending, open_sink, open_source
from ..request import EditRequest
from .delivery import state_of
from .store import UnitStore


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is known of the output of a clip before its first frame is looked at."""

    ending: str
    segment_frames: int
    """Frames that suit its encoder as a unit of rendering."""
    timecode: str
    """Of the clip's first frame; empty if it has none."""
    rate: tuple[int, int]
    """Frames per second, numerator and denominator."""
    frames: int = 0
    """That the clip claims to have; 0: it does not say."""


class Sources:
    """Files of the user's, by their content.

    Args:
        store: beside whose units the notes are kept.
        rehash: read every file, whatever was noted of it.
    """

    def __init__(self, store: UnitStore, *, rehash: bool = False) -> None:
        self._store, self._rehash = store, rehash
        self._known: dict[Path, dict[str, Any]] = {}

    def digest(self, path: Path) -> str:
        """Return the SHA-256 of a file.

        Raises:
            InputError: it cannot be read.
        """
        note = self._note(path)
        if "sha256" not in note:
            try:
                with path.open("rb") as file:
                    note["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as e:
                raise InputError(f"cannot read {path}: {reason(e)}") from e
            self._keep(path, note)
        return str(note["sha256"])

    def check_unchanged(self, path: Path) -> None:
        """Refuse a file that is not what it was when this process looked at it first.

        Raises:
            InputError: it changed.
        """
        if path in self._known and self._known[path]["state"] != state_of(path):
            raise InputError(f"{path} changed while it was read; run the same command again")

    def outlook(self, request: EditRequest, ending: str) -> Outlook:
        """Return what the output of a request will be like; `ending`: if it is given.

        Raises:
            VisagistError: the clip cannot be read, or not be written as is asked for.
        """
        stream = request.analyze.video_stream
        how = json.dumps([ending, stream, asdict(request.encode)], sort_keys=True)
        note = self._note(request.input)
        known: dict[str, Any] = note.setdefault("outlooks", {})
        if how not in known:
            source = open_source(request.input, stream)
            name = ending or default_ending(source, request.encode)[0]
            with self._store.scratch() as folder:
                sink = open_sink(folder / f"trial{name}", source, request.encode)
            info = source.info
            rate, frames = info.rate.as_integer_ratio(), info.frame_count_hint
            frames = frames or round(info.duration_s * info.rate)
            outlook = Outlook(name, sink.segment_frames, source.timecode, rate, frames)
            known[how] = asdict(outlook)
            self._keep(request.input, note)
            return outlook
        return Outlook(**known[how])

    def _note(self, path: Path) -> dict[str, Any]:
        """Return what is known of a file as it is now."""
        if path not in self._known:
            state = state_of(path)
            note = {"path": str(path), "state": state}
            if not self._rehash:
                kept = self._read(path)
                note = dict(kept) if state is not None and kept.get("state") == state else note
            self._known[path] = note
        return self._known[path]

    def _read(self, path: Path) -> Mapping[str, Any]:
        with suppress(OSError, ValueError):
            note = json.loads(self._place(path).read_bytes())
            if isinstance(note, dict):
                return note
        return {}

    def _keep(self, path: Path, note: Mapping[str, Any]) -> None:
        place = self._place(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_whole(place, json.dumps(note) + "\n")

    def _place(self, path: Path) -> Path:
        name = hashlib.sha256(str(path).encode(errors="surrogateescape")).hexdigest()[:32]
        return self._store.folder / "sources" / f"{name}.json"
