"""Files that are written whole or not at all: the one way this program writes a file.

A file grows beside its place under a name nobody can foresee, made exclusively so that no link is
followed; it is flushed to the disk and then renamed. At its place stands what stood there, or all
of the new file, whatever happens.

    .NAME.visagist-MACHINE-RANDOM.part[.EXT]

While it grows its writer holds a lock on it, which the system drops when the writer dies. So a file
of that name that nobody holds is a leftover, and the next file written into the folder removes it.
A lock is believed only on the machine (the running kernel) it was taken on: a shared folder may
not carry locks from one machine to another, so what others began is never touched, only named
once it has not changed for a day.

Only the standard library is used here, so that `pipeline` reaches this file without the networks.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import platform
import re
import secrets
import signal
import stat
import sys
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from types import FrameType
from typing import BinaryIO, Final

if sys.platform != "win32":
    import fcntl

_LOG = logging.getLogger("visagist")

placed: list[Path] = []
"""Files that stand at their place, oldest first, as they were named; for who must say so when the
rest of a run fails. A program that runs several jobs clears it between them."""

_NAME: Final = re.compile(r"\..*\.visagist-(\w+)-[0-9a-f]{16}\.part(\..*)?", re.DOTALL)
_UNLOCKED: Final = "unlocked"
"""Stands for the machine in names of files on a file system without locks."""
_STALE_S: Final = 86_400.0
_LONGEST_STEM: Final = 40
_TRIES: Final = 100
_POLITE: Final = ("SIGINT", "SIGTERM", "SIGHUP")
_NO_FLUSH: Final = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)
"""What file systems answer that cannot flush a file, and keep it all the same."""

_NOTHING: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""What the system says of a name that leads to nothing."""

_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_BINARY: Final = getattr(os, "O_BINARY", 0)
_NO_WAIT: Final = getattr(os, "O_NONBLOCK", 0)
_named: set[Path] = set()


def is_there(path: Path) -> bool:
    """Return whether a name leads to something; a link to nothing does not.

    Raises:
        OSError: the system does not tell: the name is too long, a folder on the way is closed. From
            Python 3.14 on `Path.exists` and its like take that for a no.
    """
    try:
        path.stat()
    except ValueError:  # a zero byte in the name
        return False
    except OSError as e:
        if e.errno in _NOTHING:
            return False
        raise
    return True


@contextmanager
def written_whole(path: Path, *, overwrite: bool = True, suffix: str = "") -> Iterator[Path]:
    """Give the path of an empty file to fill; leaving the block normally puts it in place.

    Leaving it by any exception removes the file. A link at `path` stays, and what it points to is
    replaced. A new file gets the permissions the user's umask leaves, one that is replaced passes
    on its own, and its owner as far as the system allows.

    Args:
        path: where the file will stand.
        overwrite: replace what stands there; else it must not exist when the block is left either.
        suffix: ending of the file to fill, for a writer that goes by it.

    Raises:
        FileExistsError: something stands at `path`, and `overwrite` is off.
        OSError: it is no ordinary file, or the folder or the disk does not take the new one.
    """
    place = _place_of(path)
    before = place.stat() if place.exists() else None
    if before is not None and not overwrite:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    # Nobody may read on the way what only its owner may read before.
    with _growing(place, suffix, 0o666 if before is None else 0o600) as beside:
        mark = _identity(beside)
        yield beside
        if _identity(beside) != mark:  # by a library that renames by itself: the lock was lost
            raise OSError(errno.ESTALE, "another file took its place while it grew", str(beside))
        _finish(beside, before)
        _put(beside, place, path, overwrite)


@contextmanager
def opened_whole(path: Path, *, overwrite: bool = True) -> Iterator[BinaryIO]:
    """Give an open binary file; the rest is as in `written_whole`."""
    with written_whole(path, overwrite=overwrite) as beside, beside.open("wb") as file:
        yield file


def write_whole(
    path: Path, content: str | bytes | Iterable[str], *, overwrite: bool = True
) -> None:
    """Write a file from its bytes, its text or pieces of it (as UTF-8, lines as they are).

    Raises:
        FileExistsError: something stands at `path`, and `overwrite` is off.
        OSError: it cannot be written; what stood there stands there.
    """
    pieces = [content] if isinstance(content, str | bytes) else content
    with opened_whole(path, overwrite=overwrite) as file:
        for piece in pieces:
            file.write(piece.encode() if isinstance(piece, str) else piece)


@contextmanager
def scratch_beside(path: Path, suffix: str = "") -> Iterator[Path]:
    """Give the path of an empty file in the folder of `path`, removed when the block is left.

    Raises:
        OSError: the folder does not take it.
    """
    with _growing(_place_of(path), suffix, 0o600) as beside:
        yield beside


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Wait until nobody else is in such a block with this folder.

    Where folders cannot be locked (Windows, some network folders) nobody is waited for: what the
    caller checks inside the block still narrows the gap to an instant.

    Raises:
        OSError: there is no such folder.
    """
    if sys.platform == "win32":
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def remove_leftovers(folder: Path) -> None:
    """Remove what dead writers left in a folder, and say so in the log `visagist` (a warning)."""
    try:
        names = [entry.name for entry in os.scandir(folder) if ".visagist-" in entry.name]
    except OSError:  # the file that is to be written will meet the same, and tell
        return
    for name in sorted(names):
        if match := _NAME.fullmatch(name):
            if match[1] == machine_name():
                _remove_if_dead(folder / name)
            else:
                _name_if_stale(folder / name)


def _place_of(path: Path) -> Path:
    """Return the file that is replaced: what a link points to, which must be there."""
    place = path.resolve(strict=True) if path.is_symlink() else path
    if place.exists() and not place.is_file():
        raise OSError(errno.EINVAL, "not an ordinary file", str(path))
    return place


@contextmanager
def _growing(place: Path, suffix: str, mode: int) -> Iterator[Path]:
    remove_leftovers(place.parent)
    beside, holder = _made(place, suffix, mode)
    try:
        yield beside
    finally:
        # Removed before it is let go, so that nobody else finds it on the way.
        try:
            _remove(beside)
        finally:
            holder.close()


def _made(place: Path, suffix: str, mode: int) -> tuple[Path, FileIO]:
    """Make the file to fill and lock it; return its path, and what holds the lock until closed.

    An interrupt in here may leave the file; but not the lock, which goes with its holder.
    """
    stem = "".join(c for c in place.stem if c.isprintable())[:_LONGEST_STEM]
    machine = machine_name()
    for _ in range(_TRIES):
        beside = place.with_name(f".{stem}.visagist-{machine}-{secrets.token_hex(8)}.part{suffix}")
        try:
            holder = FileIO(
                str(beside), "x+", opener=lambda path, how: os.open(path, how | _NO_FOLLOW, mode)
            )
        except FileExistsError:
            continue
        if sys.platform == "win32":  # an open file can be neither removed there nor renamed
            holder.close()
            return beside, holder
        if machine == _UNLOCKED:
            return beside, holder
        try:
            fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another run looks at it and takes it for a leftover
            holder.close()
            continue
        except OSError:  # a file system without locks: nobody may think this one dead
            machine = _UNLOCKED
        if machine != _UNLOCKED and _identity(beside) == _identity(holder.fileno()):
            return beside, holder
        _remove(beside)
        holder.close()
    raise OSError(errno.EBUSY, "no name beside it is left alone", str(place))


def _finish(beside: Path, before: os.stat_result | None) -> None:
    """Give the file the rights of the one it replaces, and flush it to the disk."""
    handle = os.open(beside, os.O_RDWR | _NO_FOLLOW | _BINARY)
    try:
        if before is not None and sys.platform != "win32":
            with suppress(OSError):  # only the administrator gives files away
                os.fchown(handle, before.st_uid, before.st_gid)
            with suppress(OSError):  # some file systems keep no permissions
                os.fchmod(handle, stat.S_IMODE(before.st_mode) & 0o777)
        _flush(handle)
    finally:
        os.close(handle)


def _flush(handle: int) -> None:
    try:
        os.fsync(handle)
    except OSError as e:
        if e.errno not in _NO_FLUSH:
            raise


def _put(beside: Path, place: Path, path: Path, overwrite: bool) -> None:
    """Rename the file to its place and note it; a signal waits until both are done."""
    mark = _identity(beside)
    with _undisturbed():
        try:
            if overwrite:
                beside.replace(place)
            else:
                _put_new(beside, place)
        finally:
            # What counts is what stands there, not how the call ended.
            if mark is not None and _identity(place) == mark:
                placed.append(path)
        with suppress(OSError):  # some systems cannot flush a folder; the file itself is safe
            handle = os.open(place.parent, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def _put_new(beside: Path, place: Path) -> None:
    """Give the file its name, or fail if there is one: a rename would replace it."""
    try:
        os.link(beside, place)
    except FileExistsError:
        raise
    except OSError as e:  # no hard links here (FAT, some network folders)
        if place.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(place)) from e
        beside.replace(place)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let polite signals wait until the block is left; then they do what they would have done."""
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers run on the main thread only
        return
    waiting: list[int] = []

    def hold(number: int, _frame: FrameType | None) -> None:
        waiting.append(number)

    known = {s: signal.getsignal(s) for s in signal.Signals if s.name in _POLITE}
    known = {s: h for s, h in known.items() if h not in (signal.SIG_IGN, None)}
    try:
        for number in known:
            signal.signal(number, hold)
        yield
    finally:
        for number, handler in known.items():
            signal.signal(number, handler)
        for held in waiting:
            signal.raise_signal(held)


def _remove(beside: Path) -> None:
    """Remove a file that is not needed; one that stays is named and left to the next run."""
    try:
        beside.unlink()
    except FileNotFoundError:
        return
    except OSError as e:
        _LOG.warning("%s is left over and could not be removed: %s", beside, e.strerror or e)


def _remove_if_dead(path: Path) -> None:
    """Remove a file of this machine whose lock nobody holds."""
    if sys.platform == "win32" or not _is_regular(path):
        return  # Windows has no lock that lasts while others write the file
    try:
        handle = os.open(path, os.O_RDWR | _NO_FOLLOW | _NO_WAIT)
    except OSError:  # it is gone by now, or another user's
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _identity(path) != _identity(handle):
            return  # put in place meanwhile
        path.unlink()
    except BlockingIOError:  # its writer lives
        return
    except OSError as e:
        _LOG.warning("%s is left of a run that was cut off; it cannot be removed: %s", path, e)
    else:
        _LOG.warning("removed %s, left of a run that was cut off", path)
    finally:
        os.close(handle)


def _name_if_stale(path: Path) -> None:
    """Name a file of another machine, once, if nobody has written to it for long."""
    with suppress(OSError):
        if path not in _named and time.time() - path.lstat().st_mtime > _STALE_S:
            _named.add(path)
            _LOG.warning(
                "%s seems to be left of a run that was cut off, on another machine or before this "
                "one was restarted; delete it if no run writes there any more",
                path,
            )


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _identity(file: Path | int) -> tuple[int, int] | None:
    """Return which file it is, links not followed; None if there is none."""
    try:
        found = os.fstat(file) if isinstance(file, int) else file.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def machine_name() -> str:
    """Return a short name of the running kernel: within it every lock on a file is seen."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except (OSError, ValueError):
        text = f"{platform.node()} {uuid.getnode()}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]
