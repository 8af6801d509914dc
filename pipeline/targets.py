"""What a run may write, decided before it starts: nothing of the user's is ever lost to one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from .errors import OutputError, reason
from .files import is_there

Taken = Mapping[Path, str]
"""Files and folders of a run that nothing else of it may be written to, and what each is, as in
`the output of this run`."""

INPUT: Final = "the input itself"


def check_target(path: Path, what: str, *, taken: Taken, overwrite: bool = False) -> None:
    """Make sure that a file can be written, without touching it.

    Args:
        path: the file that will be written. A link is written through: it stays, and the file it
            points to is replaced.
        what: what it is, for messages, e.g. `the report`.
        taken: what the run reads, and what else it writes.
        overwrite: whether an existing file may be replaced.

    Raises:
        OutputError: a folder, a device, a file of the same run, an existing or write-protected
            file, a link to nothing, or a folder that is missing or takes no files.
    """
    with output_errors(path, what):
        if is_there(path) and path.is_dir():
            raise OutputError(f"{what} {path} is a folder; give the name of the file to write")
        if not path.parent.is_dir():
            folder = path.absolute().parent
            raise OutputError(f"{what} {path}: the folder {folder} does not exist; make it first")
        if path.is_symlink() and not path.exists():
            raise OutputError(
                f"{what} {path} is a link to {path.readlink()}, which does not exist; give the "
                "name of the file to write"
            )
        place = path.resolve()
        for other, role in taken.items():
            if _is_taken(place, other):
                raise OutputError(f"{what} {path} is {role}; give it another name")
        if path.exists():
            _check_existing(path, what, overwrite)
        if not os.access(place.parent, os.W_OK | os.X_OK):
            raise OutputError(
                f"{what} {path} cannot be written: the folder {path.absolute().parent} takes no "
                "files (no permission)"
            )


def check_folder(
    path: Path, what: str, *, names: tuple[str, ...], taken: Taken, overwrite: bool = False
) -> None:
    """Make sure that a folder can be filled: it is missing, empty, or may be written over.

    `names` are patterns of the files it will get, e.g. `*.png`; for the rest see `check_target`.

    Raises:
        OutputError: a file has the folder's name, it holds something and `overwrite` is off, or a
            file in it cannot be replaced.
    """
    with output_errors(path, what):
        if (is_there(path) or path.is_symlink()) and not path.is_dir():
            raise OutputError(f"{what} {path} is a file; give the name of a folder")
        if path.is_dir() and not overwrite and any(path.iterdir()):
            raise OutputError(
                f"{what} {path} is not empty; use --overwrite to write into it, or another name"
            )
        there = [file for name in names for file in path.glob(name)] if path.is_dir() else []
        for file in there:
            check_target(file, "the file", taken=taken, overwrite=True)
        for other, role in taken.items():
            is_inside = other.resolve().parent == path.resolve()
            if is_inside and any(fnmatch(other.name, name) for name in names):
                raise OutputError(f"{what} {path} holds {role}, {other.name}; give another folder")


@contextmanager
def output_errors(path: Path, what: str) -> Iterator[None]:
    """Turn what the system says while a file is written into the program's own error."""
    try:
        yield
    except FileExistsError as e:
        raise OutputError(
            f"{what} {path} appeared while it was being made; use --overwrite to replace it"
        ) from e
    except OSError as e:
        raise OutputError(f"cannot write {what} {path}: {reason(e)}") from e


def _check_existing(path: Path, what: str, overwrite: bool) -> None:
    if not path.is_file() or _is_stream(path):
        raise OutputError(
            f"{what} {path} is a device or a pipe, not an ordinary file; give another name"
        )
    if not overwrite:
        raise OutputError(f"{what} {path} exists; use --overwrite to replace it, or another name")
    if not os.access(path, os.W_OK):
        raise OutputError(f"{what} {path} is write-protected; lift that, or give another name")


def _is_stream(path: Path) -> bool:
    """Return whether a name stands for an open stream of a process, as `/dev/stdout` does.

    Such a link leads to whatever the stream was opened on, which may be an ordinary file.
    """
    for _ in range(40):  # as many links as Linux follows
        link = path.parent.resolve() / path.name
        if not link.is_symlink():
            return False
        if link.is_relative_to("/proc") or link.is_relative_to("/dev"):
            return True
        path = link.parent / link.readlink()
    return False


def _is_taken(place: Path, other: Path) -> bool:
    """Return whether a place is a file or lies in a folder; what is closed to us is neither."""
    try:
        return _is_same(place, other) or _is_within(place, other)
    except OSError:
        return False


def _is_same(place: Path, other: Path) -> bool:
    """Return whether two names mean one file; a second name of it (hard link) counts."""
    if other.is_symlink() and not other.exists():
        return False
    return place == other.resolve() or (place.exists() and other.exists() and place.samefile(other))


def _is_within(path: Path, folder: Path) -> bool:
    return folder.is_dir() and path.is_relative_to(folder.resolve())
