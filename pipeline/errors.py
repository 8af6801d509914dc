"""Every error the program raises on purpose, in one tree.

An interrupt exits 130 (Ctrl-C), 143 (SIGTERM) or 129 (SIGHUP); memory or threads that run out exit
1, whatever was being done. Each message says what was wrong (the value), what is accepted, what to
do. Expected misses are not errors: a frame without a face passes through untouched and is counted
in the report.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable
from typing import ClassVar


class VisagistError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command line returns."""

    exit_code: ClassVar[int] = 1


class UsageError(VisagistError):
    """An option or request that cannot mean anything."""

    exit_code = 2


class InputError(VisagistError):
    """The input cannot be used."""

    exit_code = 3


class VideoError(InputError):
    """A missing, unreadable or empty video."""


class AnalysisError(InputError):
    """An analysis or landmark file that is damaged, of another version, or of another video."""


class NoFaceError(InputError):
    """Nothing could be edited, and the caller calls that an error (`--fail-if-unedited`)."""

    exit_code = 7


class OutputError(VisagistError):
    """The output cannot be written, or not with the container, codec or options asked for."""

    exit_code = 4


class WeightsError(VisagistError):
    """Weights that are missing, damaged or refused."""

    exit_code = 5


class DeviceError(VisagistError):
    """The device asked for is not there; the program never falls back silently."""

    exit_code = 6


class SomeFailedError(VisagistError):
    """Some clips, or shots of a batch, failed; the others are delivered."""

    exit_code = 8


class LaterError(VisagistError):
    """The same command may succeed later: the disk was full, memory short, a worker was killed."""

    exit_code = 75


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory ran out; torch and OpenCV say so in words only, different ones per
    device."""
    return isinstance(error, MemoryError) or _says(error, errno.ENOMEM, _NO_MEMORY)


def lack_of(error: BaseException) -> str:
    """Return what the machine ran out of, `memory` or `threads`, if that is behind an error.

    Libraries report both as if the file they read were at fault, and errors of the tree above are
    raised from what they report; so what an error was raised from is looked at too. Else ''.
    """
    behind: BaseException | None = error
    while behind is not None:
        if is_out_of_memory(behind):
            return "memory"
        # A stream that would have to wait says EAGAIN too.
        if type(behind) is not BlockingIOError and _says(behind, errno.EAGAIN, _NO_THREADS):
            return "threads"
        behind = behind.__cause__
    return ""


_NO_MEMORY = (
    *("out of memory", "allocate memory", "insufficient memory", "bad_alloc"),
    *("could not create a primitive", "could not create a memory"),  # oneDNN
    "failed to map segment",  # of a library that is loaded
)
_NO_THREADS = ("start new thread", "resource temporarily unavailable")


def _says(error: BaseException, number: int, phrases: tuple[str, ...]) -> bool:
    """Return whether a library's error has a number, or one of the phrases in its words."""
    if isinstance(error, VisagistError):
        return False
    words = str(error).lower()
    return getattr(error, "errno", None) == number or any(p in words for p in phrases)


def may_pass(error: BaseException) -> bool:
    """Return whether a full disk, or one that failed, is behind an error: later it may be well."""
    behind: BaseException | None = error
    while behind is not None:
        if getattr(behind, "errno", None) in _PASSING:  # of the system, or of FFmpeg
            return True
        behind = behind.__cause__
    return False


_PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT)


def reason(error: OSError) -> str:
    """Return why a file could not be used, in the system's words, and what to do about it."""
    cure = cure_of(error)
    return f"{words_of(error)}; {cure}" if cure else words_of(error)


def words_of(error: BaseException | None) -> str:
    """Return what the system or FFmpeg said, without the path (the caller names it)."""
    return getattr(error, "strerror", None) or str(error)


def cure_of(error: BaseException) -> str:
    """Return what helps against an error of the system, whoever reports it; '' if nothing does."""
    return _CURES.get(getattr(error, "errno", None) or 0, "")


_CURES = {
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM),
        "it is closed to you: choose another place, or have its permissions changed",
    ),
    errno.EROFS: "nothing can be written there: choose a folder on another disk",
    errno.ENAMETOOLONG: "give a shorter name",
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "check the disk's free space"),
    errno.EIO: "check the disk and its free space",
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR), "the folder must be there: make it first"),
}
"""What helps against an error of the system, by its number."""


def did_you_mean(name: str, accepted: Iterable[str]) -> str:
    """Return "did you mean 'nearest'? " for a name that is not accepted, or "" if none is near."""
    nearest = difflib.get_close_matches(name, list(accepted), n=1, cutoff=0.5)
    return f"did you mean {nearest[0]!r}? " if nearest else ""
