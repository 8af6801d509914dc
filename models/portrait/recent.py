"""Results remembered for the next frames, shared by several threads."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """The last results of a function, by what they were made from."""

    def __init__(self, most: int) -> None:
        """Begin with nothing remembered; keep at most `most` results."""
        self._most = most
        self._known: dict[Hashable, T] = {}
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what is remembered under the key, or make it.

        Two threads that ask for the same at once both make it: the same result twice costs less
        than one thread waiting for the other's.
        """
        with self._lock:
            if key in self._known:
                result = self._known[key] = self._known.pop(key)  # the youngest again
                return result
        result = make()
        with self._lock:
            self._known[key] = result
            if len(self._known) > self._most:
                del self._known[next(iter(self._known))]
        return result
