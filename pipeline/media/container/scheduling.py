"""Threads keep their place in the queue for the processor, whatever an encoder sets.

SVT-AV1, run by root (as in most containers), makes its threads and the one that opens it real-time
ones of the highest priority. They wait by spinning, so on a small machine nothing else gets a turn,
and what they wait for neither.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TASKS = Path("/proc/self/task")


@contextmanager
def usual_scheduling() -> Iterator[None]:
    """Give the threads that the block makes real-time the ordinary scheduling back (on Linux)."""
    before = _real_time()
    try:
        yield
    finally:
        for thread in _real_time() - before:
            with suppress(OSError):  # it has ended
                os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))


def _real_time() -> set[int]:
    """Return the threads of this process that are scheduled in real time."""
    if not _TASKS.is_dir():
        return set()
    threads = set()
    for task in _TASKS.iterdir():
        with suppress(OSError):
            if os.sched_getscheduler(int(task.name)) in (os.SCHED_FIFO, os.SCHED_RR):
                threads.add(int(task.name))
    return threads
