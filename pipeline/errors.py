"""Every error the program raises on purpose, in one tree.

VisagistError                      exit 1
├── UsageError                     exit 2   an option or request that cannot mean anything
├── InputError                     exit 3   the input cannot be used
│   ├── VideoError                          missing, not a video, no frames, unreadable
│   ├── AnalysisError                       an analysis or landmark file: damaged, of another video
│   └── NoFaceError                exit 7   nothing edited, and the caller calls that an error
├── OutputError                    exit 4   the output cannot be written, or not with what was asked
├── WeightsError                   exit 5   weights missing, damaged or refused
└── DeviceError                    exit 6   the device asked for is not there

An interrupt exits 130 (Ctrl-C), 143 (SIGTERM) or 129 (SIGHUP). Each message says what was wrong
(the value), what is accepted, what to do. Expected misses are not errors: a frame without a face
passes through untouched and is counted in the report.
"""

from __future__ import annotations

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


def is_out_of_memory(error: Exception) -> bool:
    """Return whether memory ran out; torch says so in words only, different ones per device."""
    words = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in words or "allocate memory" in words)
    )
