"""Targets: what a shot becomes, put where it was asked for, and recognised again as ours.

The unit `join` of a shot holds no picture, only the SHA-256 of its target. It is kept *before* the
target is put in place; so whatever is there, and whenever a run was killed, a target of ours can be
told from a file of somebody else. `shots/<name>.json` has size and time of the target too, so that
it need not be read again; without that file it is.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from ..files import write_whole, written_whole
from .store import UnitStore

JOIN = "join"
REVIEW = "review.json"
"""In the unit of a target: what there is to show of it."""
_NO_FILES: Mapping[str, str] = {}


class Targets:
    """What stands at the targets of the shots of one work folder; also says what is kept of units.

    `expect` says which file a unit `join` is about before it is asked for.
    """

    def __init__(self, store: UnitStore) -> None:
        self._store = store
        self._places: dict[str, tuple[str, Path]] = {}

    def expect(self, key: str, shot: str, target: Path) -> None:
        """Say which shot, and which file, the unit `join` of a key is about."""
        self._places[key] = (shot, target)

    def has(self, kind: str, key: str) -> bool:
        """Return whether a unit is kept; of `join`, whether the target stands at its place too."""
        if not self._store.has(kind, key):
            return False
        if kind != JOIN:
            return True
        shot, target = self._places[key]
        facts = self._store.facts(kind, key)
        note = self.note(shot)
        state = state_of(target)
        if state is None or state[0] != facts["bytes"]:
            return False
        known = note.get("target", {})
        if known.get("key") == key and known.get("state") == state:
            return True
        if _digest(target) != facts["sha256"]:
            return False
        self.write(shot, {**note, "target": _told(key, target, facts, state)})
        return True

    def deliver(
        self, key: str, made: Path, facts: dict[str, Any], files: Mapping[str, str] = _NO_FILES
    ) -> None:
        """Keep the unit of a target that was made, and put that in place, whole.

        `files`: texts by name, which are kept in the unit beside its facts.

        Raises:
            OSError: the store or the folder of the target does not take it.
        """
        shot, target = self._places[key]
        facts = {**facts, "bytes": made.stat().st_size, "sha256": _digest(made)}
        with self._store.making(JOIN, key) as (folder, noted):
            for name, text in files.items():
                write_whole(folder / name, text)
            noted.update(facts)
        target.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(target, suffix=target.suffix) as beside:
            shutil.copyfile(made, beside)
        self.write(shot, {**self.note(shot), "target": _told(key, target, facts, state_of(target))})

    def is_ours(self, shot: str, target: Path) -> bool:
        """Return whether what stands at a target was put there by a run with this work folder."""
        known, state = self.note(shot).get("target", {}), state_of(target)
        if known.get("path") == str(target) and known.get("state") == state:
            return True
        return _digest(target) in {known.get("sha256"), *self._made}

    @cached_property
    def _made(self) -> frozenset[str]:
        keys = [key for kind, key in self._store.all() if kind == JOIN]
        return frozenset(str(self._store.facts(JOIN, key).get("sha256")) for key in keys)

    def note(self, shot: str) -> dict[str, Any]:
        """Return what was noted of a shot."""
        with suppress(OSError, ValueError):
            note = json.loads(self._note_path(shot).read_bytes())
            if isinstance(note, dict):
                return note
        return {}

    def write(self, shot: str, note: Mapping[str, Any]) -> None:
        """Note something of a shot; all of it can be found out again."""
        path = self._note_path(shot)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(note, indent=1) + "\n")

    def _note_path(self, shot: str) -> Path:
        return self._store.folder / "shots" / f"{shot}.json"


def _told(key: str, target: Path, facts: Mapping[str, Any], state: object) -> dict[str, Any]:
    return {"key": key, "path": str(target), "sha256": facts["sha256"], "state": state}


def state_of(path: Path) -> list[int] | None:
    """Return what tells that a file is as it was: bytes, time of its last change [ns], inode."""
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ino]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
