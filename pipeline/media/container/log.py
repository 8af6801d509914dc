"""What FFmpeg itself calls an error while a file is opened, read and decoded.

FFmpeg hands its messages to one function for the whole process, on whichever of its threads they
arise, and PyAV's takes Python's lock (the GIL) to store them. So a call that waits for FFmpeg's
threads must not hold that lock: PyAV lets go of it wherever a decoder works, but not when it frees
one, which must have come to rest by then (`decode.VideoReader` sees to that).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from typing import TypeVar

import av

T = TypeVar("T")

_MOST_PER_CALL = 8
"""Different messages kept of one call; what is damaged badly says thousands."""

_lock = threading.Lock()
_listening: list[ErrorLog] = []
_before: tuple[int | None, bool] = (None, True)
# One for all, as long as anybody listens: PyAV's captures of all threads end in the order in which
# they began, not each its own, and decoders speak between two calls, too.
_elsewhere = av.logging.Capture(False)

# Errors of threads that nobody listens to would otherwise be printed by Python's logging.
logging.getLogger("libav").addHandler(logging.NullHandler())


class ErrorLog:
    """Hears the errors of the calls made through it; a context manager.

    Two that work at the same time keep their own calls apart. What is said on other threads is
    heard if it is signed by the own decoder: only decoders work on threads of FFmpeg's own. If
    several listen to decoders of one name, one of them hears it.
    """

    def __init__(self) -> None:
        self.decoder = ""
        """Name of the decoder that is listened to on all threads; empty: none."""
        self._heard: list[tuple[str, str]] = []

    def __enter__(self) -> ErrorLog:
        global _before  # noqa: PLW0603 - FFmpeg's log is one for the whole process
        with _lock:
            if not _listening:
                _before = av.logging.get_level(), av.logging.get_skip_repeated()
                av.logging.set_level(max(av.logging.ERROR, _before[0] or 0))
                av.logging.set_skip_repeated(False)  # a message counts for every frame it is of
                _elsewhere.__enter__()
            _listening.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        with _lock:
            _listening.remove(self)
            if not _listening:
                _elsewhere.__exit__(None, None, None)
                _elsewhere.logs.clear()
                av.logging.set_level(_before[0])
                av.logging.set_skip_repeated(_before[1])

    def call(self, work: Callable[[], T]) -> T:
        """Return what `work` returns; what FFmpeg called an error meanwhile is in `take`."""
        with av.logging.Capture(True) as here:
            try:
                return work()
            finally:
                if here or _elsewhere.logs:
                    self._hear([*here, *self._from_elsewhere()])

    def take(self, *, but_of: Collection[str] = ()) -> list[str]:
        """Return the messages heard since the last time, each once.

        Those that are signed with the name of a decoder in `but_of` are left out.
        """
        heard, self._heard = self._heard, []
        texts = dict.fromkeys(" ".join(text.split()) for name, text in heard if name not in but_of)
        return [text for text in texts if text][:_MOST_PER_CALL]

    def _from_elsewhere(self) -> list[tuple[int, str, str]]:
        """Return what the own decoder said on other threads; what other readers await stays."""
        with _lock:
            said = list(_elsewhere.logs)
            others = {log.decoder for log in _listening if log is not self} - {self.decoder, ""}
            # Only what was copied is replaced: more may have come meanwhile.
            _elsewhere.logs[: len(said)] = [m for m in said if m[1] in others]
        return [m for m in said if self.decoder and m[1] == self.decoder]

    def _hear(self, messages: list[tuple[int, str, str]]) -> None:
        unfinished = False
        for level, name, text in messages:
            if level > av.logging.ERROR:
                continue
            if unfinished and self._heard and self._heard[-1][0] == name:
                self._heard[-1] = (name, f"{self._heard[-1][1]} {text}")
            else:
                self._heard.append((name, text))
            # A message may come in pieces; only the last ends its line.
            unfinished = not text.endswith("\n")
