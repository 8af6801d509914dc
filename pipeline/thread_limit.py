"""How many threads the process may keep busy, and how they are shared out.

Results do not depend on it: whatever adds up in another order, or cuts a picture into other pieces,
with another number of threads is given one. The limit stands in the environment, so that processes
that this one starts have it too.
"""

from __future__ import annotations

import os
from typing import Final

from .errors import UsageError

VARIABLE: Final = "VISAGIST_THREADS"
_LIBRARIES: Final = ("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
"""What networks, numpy and OpenCV read when they are first imported. Sums of the networks, and the
optical flow of OpenCV, differ with the number of threads in the last place."""
_MOST: Final = 256
_MOST_WORKERS: Final = 8
"""More frames at once need more memory than they gain time."""


def choose(asked: int | None) -> None:
    """Take the number of threads that was asked for, before any library is imported; None: by the
    processors there are.

    Raises:
        UsageError: it is out of range.
    """
    if asked is not None and not 1 <= asked <= _MOST:
        raise UsageError(f"--threads {asked} is out of range; accepted: 1 to {_MOST}")
    if asked is not None:
        os.environ.update(variables(asked))
    for library in _LIBRARIES:
        os.environ.setdefault(library, "1")


def variables(threads: int) -> dict[str, str]:
    """Return what stands in the environment of a process that has so many threads."""
    return {VARIABLE: str(threads), **dict.fromkeys(_LIBRARIES, "1")}


def limit() -> int | None:
    """Return how many threads were asked for; None: nobody asked."""
    text = os.environ.get(VARIABLE, "")
    return int(text) if text.isdecimal() and 1 <= int(text) <= _MOST else None


def processors() -> int:
    """Return how many processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def workers() -> int:
    """Return how many frames are worked on at once, beside the decoder and the encoder.

    They share the processor with those, and wait for them now and then: two at least.
    """
    return min(limit() or max(2, processors()), _MOST_WORKERS)


def video_threads() -> int:
    """Return the threads of a decoder that could use many; 0 lets FFmpeg choose.

    With a limit it runs on the thread that asks it for frames.
    """
    return 0 if limit() is None else 1
