"""Files a run will write, checked before it starts: nothing of the user's is ever lost to one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from .errors import OutputError


def check_target(
    path: Path, what: str, *, others: Sequence[Path] = (), overwrite: bool = False
) -> None:
    """Make sure that a file can be written, without touching it.

    Args:
        path: the file that will be written.
        what: what it is, for messages, e.g. `the report`.
        others: files of the same run, read or written, that it must not be.
        overwrite: whether an existing file may be replaced.

    Raises:
        OutputError: a folder, a file of the same run, an existing file, or a folder that is missing
            or takes no files.
    """
    if path.is_dir():
        raise OutputError(f"{what} {path} is a folder; give the name of the file to write")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise OutputError(f"{what} {path}: the folder {folder} does not exist; make it first")
    for other in others:
        if path.resolve() == other.resolve() or _is_one_file(path, other):
            raise OutputError(f"{what} {path} is also {other} of this run; give it another name")
    if path.exists() and not overwrite:
        raise OutputError(f"{what} {path} exists; use --overwrite to replace it, or another name")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{what} {path}: the folder {folder} takes no files (no permission)")


def check_folder(path: Path, what: str, *, overwrite: bool = False) -> None:
    """Make sure that a folder can be filled: it is missing, empty, or may be written over.

    Raises:
        OutputError: a file has that name, or the folder holds something and `overwrite` is off.
    """
    if path.exists() and not path.is_dir():
        raise OutputError(f"{what} {path} is a file; give the name of a folder")
    if path.is_dir() and not overwrite and any(path.iterdir()):
        raise OutputError(
            f"{what} {path} is not empty; use --overwrite to write into it, or another name"
        )


def _is_one_file(a: Path, b: Path) -> bool:
    return a.exists() and b.exists() and a.samefile(b)
