"""Signals that ask a program to stop, as exceptions: what is half done is removed on the way."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_POLITE = ("SIGINT", "SIGTERM", "SIGHUP")
_USUAL = (signal.SIG_DFL, signal.default_int_handler)

_WITH_A_LOCK = {
    getattr(threading.Condition, name).__code__
    for name in ("__enter__", "__exit__", "_acquire_restore", "_release_save")
}
"""Code in which a lock is just taken or given back. What is raised there can leave it taken, and
whoever waits for it, in a queue or a pool of threads, does so for ever."""
_AGAIN_S = 0.01
"""How much later a signal is heard that comes in the middle of that [s]."""


class Interrupted(KeyboardInterrupt):
    """A signal asked the program to stop."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextmanager
def polite_kills(*, is_program: bool) -> Iterator[None]:
    """Turn SIGINT, SIGTERM and SIGHUP into `Interrupted`.

    Args:
        is_program: the process ends with this block, whose result is out then: further signals are
            ignored, so that they do not make a failure of it.

    Raises:
        Interrupted: one came.
    """
    came: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if _takes_a_lock(frame):
            again = threading.Timer(_AGAIN_S, signal.raise_signal, (number,))
            again.daemon = True
            again.start()
            return
        came.append(number)
        raise Interrupted(number)

    # Only the main thread may set handlers; a signal that is ignored stays so (nohup).
    is_main = threading.current_thread() is threading.main_thread()
    known = {s: signal.getsignal(s) for s in signal.Signals if is_main and s.name in _POLITE}
    known = {s: handler for s, handler in known.items() if handler in _USUAL}
    try:
        for number in known:
            signal.signal(number, stop)
        yield
    except Exception as e:
        if came:  # a library made an error of its own of it
            raise Interrupted(came[0]) from e
        raise
    finally:
        for number, handler in known.items():
            signal.signal(number, signal.SIG_IGN if is_program else handler)


def _takes_a_lock(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code in _WITH_A_LOCK:
            return True
        frame = frame.f_back
    return False
