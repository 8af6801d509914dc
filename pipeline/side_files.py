"""Small files of the user's beside the video: read whole, but only what a file of that kind can be.

A pipe or a device could last for ever, and a file of many gigabytes would fill the memory before
anybody sees that it is no preset: both are refused before a byte is read.
"""

from __future__ import annotations

import os
import reprlib
import stat
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Final

from .errors import VisagistError, words_of

PRESET_BYTES: Final = 1 << 20
PICTURE_BYTES: Final = 1 << 28
FACES_BYTES: Final = 2 << 30
"""Of analysis and landmark files: hours of video with several faces."""

DAMAGE: Final = (
    *(ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError),
    *(EOFError, OSError, SyntaxError, struct.error, zipfile.BadZipFile, zlib.error),
    tokenize.TokenError,  # of an array's header, which is Python's text
)
"""What readers raise when the content of a file is not what it should be. Among them RecursionError
(nesting without end), UnicodeDecodeError and JSONDecodeError."""


def read_bytes(path: Path, complaint: str, *, most: int, error: type[VisagistError]) -> bytes:
    """Return the content of a file; `most`: bytes that one of that kind can have.

    `complaint` is how the message begins, e.g. `cannot read the picture`.

    Raises:
        VisagistError: of the kind `error`: the file is missing, no plain file, too large, or may
            not be read.
    """
    try:
        status = path.stat()
        why = ""
        if stat.S_ISDIR(status.st_mode):
            why = "it is a folder; give the name of a file"
        elif not stat.S_ISREG(status.st_mode):
            why = "it is a pipe or a device; give a file on a disk"
        elif status.st_size > most:
            why = (
                f"it has {status.st_size / 1e6:.0f} MB, which no such file has; accepted are up to "
                f"{most / 1e6:.0f} MB"
            )
        if not why:
            with path.open("rb") as file:
                return file.read(most)
    except (OSError, ValueError) as e:  # ValueError: a name that holds a zero byte
        raise error(
            f"{complaint} {path}: {words_of(e)}; give a file that is there and may be read"
        ) from e
    raise error(f"{complaint} {path}: {why}")


def read_text(path: Path, complaint: str, *, most: int, error: type[VisagistError]) -> str:
    """Return the content of a file in UTF-8; see `read_bytes`."""
    data = read_bytes(path, complaint, most=most, error=error)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise error(f"{complaint} {path}: it is not text in UTF-8 ({e}); give one that is") from e


def in_words(error: BaseException) -> str:
    """Return what is wrong with a file's content, from what a reader raised (`DAMAGE`)."""
    if isinstance(error, KeyError) and error.args:
        return f"{shown(error.args[0])} is missing"
    if isinstance(error, RecursionError):
        return "it is nested without end"
    words = str(error) or type(error).__name__
    if words.startswith("Exceeds the limit"):
        return "it holds a number of thousands of digits"
    return words if len(words) <= _MOST_WORDS else f"{words[:_MOST_WORDS]}…"


_MOST_WORDS = 300


def is_missing(path: Path) -> bool:
    """Return whether nothing is at a path; what cannot be looked at is not missing."""
    try:
        path.stat()
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False
    return False


def expanded(text: str) -> str:
    """Return a path with a leading `~` as the home folder; shells leave it behind a `=`."""
    return os.path.expanduser(text) if not os.path.lexists(text) else text  # noqa: PTH111  # texts


def expanded_path(text: str) -> Path:
    """Return what `expanded` does, as a path."""
    return Path(expanded(text))


def shown(value: object) -> str:
    """Return a value as it is told in a message, however long or deep it is."""
    return f"{value:g}" if isinstance(value, float) else _SHORT.repr(value)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80
