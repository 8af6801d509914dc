"""A signal never leaves a lock taken: whoever waits for it would do so for ever."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from pipeline.signals import Interrupted, polite_kills


@pytest.fixture(autouse=True)
def _heard() -> Iterator[None]:
    """Ctrl-C is heard, as a program hears it; pytest-xdist has its workers ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Telling:
    """A lock while which is taken, or given back, somebody presses Ctrl-C."""

    def __init__(self, when: str) -> None:
        self.lock, self.when = threading.Lock(), when

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        return self.lock.acquire(blocking, timeout)

    def release(self) -> None:
        self.lock.release()

    def __enter__(self) -> bool:
        self.lock.acquire()
        if self.when == "taken":
            signal.raise_signal(signal.SIGINT)
        return True

    def __exit__(self, *_: object) -> None:
        if self.when == "given back":
            signal.raise_signal(signal.SIGINT)
        self.lock.release()


def use(condition: threading.Condition) -> None:
    """Take a lock and give it back, within a program that is asked to stop meanwhile."""
    with polite_kills(is_program=False):
        with condition:
            condition.notify()
        for _ in range(1000):  # the signal is heard again a moment later
            time.sleep(0.01)


def stop() -> None:
    with polite_kills(is_program=False):
        signal.raise_signal(signal.SIGTERM)
        time.sleep(10)


@pytest.mark.parametrize("when", ["taken", "given back"])
def test_a_signal_waits_until_a_lock_is_in_order(when: str) -> None:
    telling = Telling(when)
    with pytest.raises(Interrupted):
        use(threading.Condition(telling))  # type: ignore[arg-type]
    assert not telling.lock.locked()


def test_a_signal_elsewhere_is_heard_at_once() -> None:
    begun = time.perf_counter()
    with pytest.raises(Interrupted) as caught:
        stop()
    assert caught.value.number == signal.SIGTERM
    assert time.perf_counter() - begun < 5
