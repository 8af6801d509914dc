"""Work on threads of its own, with bounded queues, in order, and nothing left behind.

Order and values are those of the plain loop; only the waiting overlaps. An error travels to the
thread that uses the frames and is raised there, once, in its place.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from queue import Empty, Full, Queue
from typing import TypeVar

from ..progress import Stopwatch
from ..types import Frame
from .base import FrameWriter

T = TypeVar("T")
U = TypeVar("U")

_POLL_S = 0.05
"""How often a waiting thread looks whether it should stop [s]."""


@contextmanager
def prefetch(items: Iterable[T], depth: int = 8) -> Iterator[Iterator[T]]:
    """Give an iterator over `items` that is filled by its own thread, `depth` items ahead.

    Leaving the `with` block, by whatever way, stops the thread before it returns.
    """
    queue: Queue[tuple[T] | None] = Queue(maxsize=depth)
    stop = threading.Event()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for item in items:
                if not _put(queue, (item,), stop):
                    return
        except BaseException as e:  # carried to the consumer, where it is raised
            errors.append(e)
        _put(queue, None, stop)

    def ahead() -> Iterator[T]:
        while held := _get(queue, stop):
            yield held[0]
        if errors:
            raise errors[0]

    thread = threading.Thread(target=work, name="visagist-prefetch", daemon=True)
    thread.start()
    try:
        yield ahead()
    finally:
        stop.set()
        thread.join()


@contextmanager
def in_order(
    work: Callable[[T], U], items: Iterable[T], *, workers: int = 2
) -> Iterator[Iterator[U]]:
    """Give an iterator over `work(item)` in the order of the items, made on `workers` threads.

    Items are taken on the consumer's thread, `workers` more than are being worked on. Leaving the
    `with` block, by whatever way, waits for what is being worked on and drops the rest.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="visagist-worker")

    def results() -> Iterator[U]:
        begun: deque[Future[U]] = deque()
        for item in items:
            begun.append(pool.submit(work, item))
            if len(begun) == 2 * workers:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()

    try:
        yield results()
    finally:
        pool.shutdown(cancel_futures=True)


class BackgroundWriter:
    """Runs a writer on its own thread; a context manager with the writer's own promises.

    Leaving normally waits until everything is written and the writer has finished; leaving by an
    exception drops what is queued and lets the writer clean up.

    Args:
        writer: a writer that was not entered yet.
        depth: frames that may wait.
        clock: takes the time of every frame's writing, as the stage `encode + mux`.
    """

    def __init__(self, writer: FrameWriter, depth: int = 8, clock: Stopwatch | None = None) -> None:
        self.writer = writer
        self._clock = clock or Stopwatch()
        self._queue: Queue[Frame | None] = Queue(maxsize=depth)
        self._abandon = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="visagist-writer", daemon=True)

    def __enter__(self) -> BackgroundWriter:
        self.writer.__enter__()
        self._thread.start()
        return self

    def write(self, frame: Frame) -> None:
        """Queue a frame, waiting while the queue is full.

        Raises:
            OutputError: what an earlier frame met in the writer.
        """
        if not _put(self._queue, frame, self._abandon) and self._error is not None:
            raise self._error

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        with ExitStack() as stack:
            stack.push(self.writer)  # told of whatever is raised from here on, Ctrl-C included
            try:
                if error is None:
                    _put(self._queue, None, self._abandon)
                    self._thread.join()
            finally:
                self._abandon.set()
                self._thread.join()
            if failure := error or self._error:
                raise failure

    def _work(self) -> None:
        try:
            while frame := _get(self._queue, self._abandon):
                with self._clock.time("encode + mux"):
                    self.writer.write(frame)
        except BaseException as e:  # carried to the producer, where it is raised
            self._error = e
            self._abandon.set()


def _put(queue: Queue[T], item: T, stop: threading.Event) -> bool:
    """Put an item, giving up when `stop` is set; return whether it was put."""
    while not stop.is_set():
        with suppress(Full):
            queue.put(item, timeout=_POLL_S)
            return True
    return False


def _get(queue: Queue[T | None], stop: threading.Event) -> T | None:
    """Take an item; None if there will be no more, or when `stop` is set."""
    while not stop.is_set():
        with suppress(Empty):
            return queue.get(timeout=_POLL_S)
    return None
