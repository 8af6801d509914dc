"""Artefacts: what editors prepared for a face of a shot, kept under a key of all it depends on.

A store is a folder of safetensors files, each named after its key: tensors, with facts as JSON in
the header. A file is there as a whole or not at all and is checked when it is read; one that is
damaged counts as missing. Work that is stopped leaves its last checkpoint beside, and goes on from
there. When a store has grown beyond its limit, what was not used for longest is removed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import platformdirs
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from .editors._base import Artefact
from .errors import OutputError, reason
from .files import write_whole

if TYPE_CHECKING:
    from torch import Tensor

MOST_BYTES: Final = 4_000_000_000
"""Of a store; a minute of codes of a large generator takes about 35 MB."""
_WHOLE, _PART = ".safetensors", ".part.safetensors"
_DAY_S = 86_400.0
_log = logging.getLogger("visagist")


@dataclass(frozen=True, slots=True)
class Kept:
    """One file of a store."""

    path: Path
    bytes: int
    used: float
    """When it was last written or read [s since 1970]."""
    facts: Mapping[str, object]
    is_part: bool
    """Whether it is the checkpoint of work that was stopped."""


def default_folder() -> Path:
    """Return the user's own store: `$VISAGIST_CACHE`, or where this system keeps caches."""
    own = os.environ.get("VISAGIST_CACHE")
    return Path(own) if own else Path(platformdirs.user_cache_dir("visagist", False))


def key_of(**facts: object) -> str:
    """Return the key of an artefact that depends on some facts (JSON values), 64 hex digits."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class Store:
    """A folder of artefacts. One that cannot be written is said once, and then done without."""

    def __init__(self, folder: Path | None = None, *, most_bytes: int = MOST_BYTES) -> None:
        self.folder = folder or default_folder()
        self._most_bytes = most_bytes
        self.refusal: OSError | None = None
        """Why it cannot be written; since then nothing was kept."""

    def get(self, key: str) -> Artefact | None:
        """Return the artefact of a key; None if there is none, or none that is whole."""
        return self._read(self._path(key, _WHOLE))

    def put(self, key: str, artefact: Artefact) -> None:
        """Keep an artefact; the checkpoint of the work on it goes."""
        self._write(self._path(key, _WHOLE), artefact)
        with suppress(OSError):
            self._path(key, _PART).unlink(missing_ok=True)
        self._trim()

    def restored(self, key: str) -> Artefact | None:
        """Return the last checkpoint of work on a key, if it was stopped."""
        return self._read(self._path(key, _PART))

    def checkpoint(self, key: str, state: Artefact) -> None:
        """Keep how far the work on a key is."""
        self._write(self._path(key, _PART), state)

    def kept(self) -> Iterator[Kept]:
        """Yield what is in the store, the last used first; files of others are passed over."""
        for used, size, path in self._files():
            yield Kept(path, size, used, _facts(path), path.name.endswith(_PART))

    def clean(self, *, older_than_days: float = 0.0) -> list[Path]:
        """Remove what was not used for some days; return what went."""
        oldest = time.time() - older_than_days * _DAY_S
        gone = [path for used, _, path in self._files() if used <= oldest]
        for path in gone:
            path.unlink(missing_ok=True)
        return gone

    def _path(self, key: str, ending: str) -> Path:
        return self.folder / key[:2] / f"{key}{ending}"

    def _files(self) -> list[tuple[float, int, Path]]:
        """Return when each file was last used, its size and its path, the last used first."""
        files = []
        for path in self.folder.glob(f"??/*{_WHOLE}") if self.folder.is_dir() else ():
            with suppress(OSError):
                status = path.stat()
                files.append((status.st_mtime, status.st_size, path))
        return sorted(files, reverse=True)

    def _trim(self) -> None:
        total = 0
        for _, size, path in self._files():
            total += size
            if total > self._most_bytes:
                with suppress(OSError):
                    path.unlink()

    def _write(self, path: Path, artefact: Artefact) -> None:
        if self.refusal is not None:
            return
        facts = json.dumps(dict(artefact.facts), sort_keys=True)
        tensors = {name: t.detach().cpu().contiguous() for name, t in artefact.tensors.items()}
        header = {"visagist_artefact": "1", "facts": facts, "sha256": _digest(tensors, facts)}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, save(tensors, header))
        except OSError as e:
            self.refusal = e
            _log.warning("%s takes no files (%s): nothing is kept", self.folder, reason(e))

    def _read(self, path: Path) -> Artefact | None:
        try:
            with safe_open(path, framework="pt") as file:
                header = file.metadata() or {}
                # Copied: what lies in the file would change or vanish with it.
                names = list(file.keys())
                tensors = {name: file.get_tensor(name).clone() for name in names}
            facts = header.get("facts", "")
            if header.get("sha256") != _digest(tensors, facts):
                raise SafetensorError("its content is not what was written")
        except FileNotFoundError:
            return None
        except (SafetensorError, OSError, ValueError) as e:
            _log.warning("%s is damaged (%s): it is made anew", path, e)
            return None
        with suppress(OSError):  # others may lend us a store that we cannot write
            os.utime(path)
        return Artefact(tensors, json.loads(facts))


def check_folder(folder: Path) -> None:
    """Refuse a folder for a store, asked for by name, that is none or cannot be made.

    Raises:
        OutputError: with what the system says.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise OutputError(f"the cache folder {folder} cannot be made: {reason(e)}") from e


def _digest(tensors: Mapping[str, Tensor], facts: str) -> str:
    digest = hashlib.sha256(facts.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _facts(path: Path) -> Mapping[str, object]:
    """Return the facts of a file as far as they can be read."""
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get("facts", "{}"))
    except (SafetensorError, OSError, ValueError):
        return {"what": "damaged"}
    return facts if isinstance(facts, dict) else {}
