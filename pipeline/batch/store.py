"""Units of work on disk: each a folder named after all that decides its bytes, there whole or not.

    store/<kind>/<k2>/<key>/      files of the unit, and unit.json, which was written last
    tmp/<key>.<host>.<pid>.<random>/      a unit while it is made; on the same file system
    tmp/bad.<key>.<random>/       a unit whose files are not what was written

A unit is written in `tmp`, flushed to the disk and renamed to its place in one step: what lies in
`store` was finished. Two runs that make the same unit need no lock: one rename comes first, the
other maker drops what it made. While a folder in `tmp` grows its maker holds a lock on it, which
the system drops when the maker dies; so what nobody holds is a leftover, and `sweep` removes it.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from ..errors import VisagistError
from ..files import machine_name

if sys.platform != "win32":
    import fcntl

UNIT: Final = "unit.json"
FORMAT: Final = 1
"""Of units on disk; part of every key, so that units of another format are never met."""
_STALE_S: Final = 86_400.0
_FRESH_S: Final = 3_600.0
"""Age at which what another machine began may still be worked on."""
_TRIES: Final = 5


class DamagedUnitError(VisagistError):
    """A unit that was kept is not what was written; it was moved away and can be made again."""

    def __init__(self, kind: str, key: str, why: str) -> None:
        super().__init__(f"the {kind} {key[:12]}… is damaged: {why}; it is made again")
        self.key = key


def key_of(**facts: object) -> str:
    """Return the key of a unit that some facts (JSON values) decide, 64 hex digits."""
    text = json.dumps({"format": FORMAT, **facts}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class UnitStore:
    """The units in one folder.

    Args:
        folder: holds `store` and `tmp`; made when the first unit is.
        durable: flush every file to the disk before a unit counts. Off only where nothing is to
            survive a power cut.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.folder, self._durable = folder, durable
        self._tmp = folder / "tmp"
        self._left: set[str] = set()
        """Keys that were once left to others."""

    def path(self, kind: str, key: str) -> Path:
        """Return where a unit is or would be."""
        return self.folder / "store" / kind / key[:2] / key

    def has(self, kind: str, key: str) -> bool:
        """Return whether a unit is kept: finished, and its files as long as they were."""
        try:  # a text is joined in a tenth of the time of a Path
            return not _wrong_sizes(f"{self.folder}/store/{kind}/{key[:2]}/{key}")
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def facts(self, kind: str, key: str) -> Mapping[str, Any]:
        """Return what its maker noted of a unit.

        Raises:
            DamagedUnitError: it is not there or cannot be read.
        """
        try:
            facts: Mapping[str, Any] = _note(self.path(kind, key))["facts"]
        except (OSError, ValueError, KeyError, TypeError) as e:
            raise self._moved_away(kind, key, str(e)) from e
        return facts

    def checked(self, kind: str, key: str) -> Path:
        """Return the folder of a unit, all of whose files were read and are what was written.

        Raises:
            DamagedUnitError: it is not.
        """
        folder = self.path(kind, key)
        try:
            why = _wrong_sizes(folder) or _wrong_content(folder)
        except (OSError, ValueError, KeyError, TypeError) as e:
            why = str(e)
        if why:
            raise self._moved_away(kind, key, why)
        return folder

    @contextmanager
    def making(self, kind: str, key: str) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Give an empty folder to fill, and facts to note; leaving the block keeps the unit.

        Leaving it by any exception removes the folder.

        Raises:
            OSError: the disk does not take it.
        """
        facts: dict[str, Any] = {}
        with _held(self._tmp / f"{key}.{_host()}.{os.getpid()}") as folder:
            yield folder, facts
            self._finish(folder, kind, key, facts)
            self._put(folder, kind, key)

    @contextmanager
    def scratch(self, key: str = "scratch") -> Iterator[Path]:
        """Give an empty folder that is removed when the block is left.

        With the `key` of a unit it tells other processes that this one is being made; see `yields`.

        Raises:
            OSError: the disk does not take it.
        """
        with _held(self._tmp / f"{key}.{_host()}.{os.getpid()}") as folder:
            yield folder

    def yields(self, key: str) -> bool:
        """Return whether to leave a unit to another process that is making it now; never twice,
        so that nobody waits for what may never end."""
        names = () if key in self._left else _names(self._tmp)
        if any(name.startswith(f"{key}.") and _is_alive(self._tmp / name) for name in names):
            self._left.add(key)
            return True
        return False

    def all(self) -> Iterator[tuple[str, str]]:
        """Yield kind and key of every unit there is; nothing is read."""
        for kind in _names(self.folder / "store"):
            for start in _names(self.folder / "store" / kind):
                for key in _names(self.folder / "store" / kind / start):
                    yield kind, key

    def glance(self) -> Callable[[str, str], bool]:
        """Return what tells of many units whether they are there, as things are now: it reads each
        folder of units once, where `has` looks at every file of every unit. Units that somebody
        damaged are among them; they are found when they are used."""
        seen: dict[tuple[str, str], frozenset[str]] = {}

        def is_there(kind: str, key: str) -> bool:
            place = (kind, key[:2])
            if place not in seen:
                seen[place] = frozenset(_names(self.folder / "store" / kind / key[:2]))
            return key in seen[place]

        return is_there

    def forget(self, kind: str, key: str) -> None:
        """Remove a unit."""
        self._drop(self.path(kind, key))

    def sweep(self, *, everything: bool = False) -> list[str]:
        """Remove what dead makers left; return the names of the folders.

        What another machine began is removed once it is a day old, what is damaged only if
        `everything` is to go.
        """
        gone = []
        for name in _names(self._tmp):
            folder, host = self._tmp / name, name.partition(".")[2]
            if name.startswith("bad."):
                is_gone = everything and _remove_if_dead(folder)
            elif host.startswith(f"{_host()}.") and sys.platform != "win32":
                is_gone = _remove_if_dead(folder)
            else:
                is_gone = _remove_if_old(folder)
            gone += [name] * is_gone
        return gone

    def _finish(self, folder: Path, kind: str, key: str, facts: Mapping[str, Any]) -> None:
        """Write unit.json, after all else is on the disk."""
        files = {}
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                if self._durable:
                    _flushed(path)
                name = path.relative_to(folder).as_posix()
                files[name] = [path.stat().st_size, _digest(path)]
        note = {"kind": kind, "key": key, "files": files, "facts": facts}
        text = json.dumps(note, separators=(",", ":"))
        _write_new(folder / UNIT, text.encode())
        if self._durable:
            _flushed(folder / UNIT)
            for inner in [folder, *(p for p in folder.rglob("*") if p.is_dir())]:
                _flushed(inner)

    def _put(self, folder: Path, kind: str, key: str) -> None:
        place = self.path(kind, key)
        for _ in range(_TRIES):
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                folder.rename(place)
            except OSError:
                if not place.is_dir():
                    raise
                if self.has(kind, key):
                    return  # somebody else was quicker, with the same bytes
                self._drop(place)
                continue
            if self._durable:
                _flushed(place.parent)
            return
        raise OSError(f"another run keeps replacing the unit {place}")

    def _moved_away(self, kind: str, key: str, why: str) -> DamagedUnitError:
        self._drop(self.path(kind, key))
        return DamagedUnitError(kind, key, why)

    def _drop(self, place: Path) -> None:
        """Take a unit out of the store in one step, so that half of it is never met."""
        self._tmp.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            place.rename(self._tmp / f"bad.{place.name}.{secrets.token_hex(4)}")


def _note(folder: Path | str) -> dict[str, Any]:
    with open(f"{folder}/{UNIT}", "rb", 0) as file:  # noqa: PTH123  # see `UnitStore.has`
        note: dict[str, Any] = json.loads(file.read())
    return note


def _wrong_sizes(folder: Path | str) -> str:
    """Return what is wrong with the sizes of a unit's files; nothing is read but unit.json."""
    for name, (size, _) in _note(folder)["files"].items():
        found = os.stat(f"{folder}/{name}").st_size  # noqa: PTH116
        if found != size:
            return f"{name} has {found} bytes, not {size}"
    return ""


def _wrong_content(folder: Path) -> str:
    for name, (_, digest) in _note(folder)["files"].items():
        if _digest(folder / name) != digest:
            return f"{name} is not what was written"
    return ""


def _write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there; what makes it whole is that its folder is renamed later."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    with open(handle, "wb") as file:  # noqa: PTH123  # a handle, not a path
        file.write(content)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flushed(path: Path) -> None:
    """Flush a file or folder to the disk; Windows cannot do that with a folder."""
    if path.is_dir() and sys.platform == "win32":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(folder))
    except FileNotFoundError:
        return []


def _host() -> str:
    """Return a word for the machine as long as it runs: within it every lock is seen."""
    return f"{node_name()}-{machine_name()}"


def node_name() -> str:
    """Return the name of this machine, of letters that any file name may have."""
    return re.sub(r"\W", "-", platform.node())[:40] or "host"


@contextmanager
def _held(name: Path) -> Iterator[Path]:
    """Make a folder whose name begins so, hold a lock on it wherever it is renamed to, remove it.

    Raises:
        OSError: the disk does not take it.
    """
    folder, handle = _locked(name)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def _locked(name: Path) -> tuple[Path, int | None]:
    """Make a folder and lock it; a sweeper that comes between takes it for a leftover."""
    for _ in range(_TRIES):
        folder = name.with_name(f"{name.name}.{secrets.token_hex(4)}")
        folder.mkdir(parents=True)
        if sys.platform == "win32":  # an open folder cannot be renamed there
            return folder, None
        handle = os.open(folder, os.O_RDONLY)
        try:
            _lock(handle)
            is_ours = folder.exists()
        except BlockingIOError:
            is_ours = False
        except OSError:  # without locks on this file system
            is_ours = True
        if is_ours:
            return folder, handle
        os.close(handle)
    raise OSError(f"{name.parent} is swept by another run again and again")


def _lock(handle: int) -> None:
    if sys.platform != "win32":
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _remove_if_dead(folder: Path) -> bool:
    """Remove a folder that nobody holds; return whether it is gone."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # gone by now
        return False
    try:
        _lock(handle)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        return False
    except OSError:  # without locks on this file system
        return _remove_if_old(folder)
    finally:
        os.close(handle)
    return not folder.exists()


def _is_alive(folder: Path) -> bool:
    """Return whether a folder in `tmp` is worked on; of another machine only its age is known."""
    try:
        is_fresh = time.time() - folder.stat().st_mtime < _FRESH_S
        if not folder.name.partition(".")[2].startswith(f"{_host()}.") or sys.platform == "win32":
            return is_fresh
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # gone by now
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # without locks on this file system
        return is_fresh
    finally:
        os.close(handle)
    return False


def _remove_if_old(folder: Path) -> bool:
    with suppress(OSError):
        if time.time() - folder.stat().st_mtime > _STALE_S:
            shutil.rmtree(folder, ignore_errors=True)
            return not folder.exists()
    return False
