"""What shows on stderr how far a run is: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .console import tell
from .progress import Progress, Silent, counted


class Bar:
    """A tqdm bar on a terminal."""

    def __init__(self) -> None:
        self._bar: Any = None

    def start(self, stage: str, total: int) -> None:
        from tqdm import tqdm

        # A terminal that says it has 0 columns would get an empty bar; this gives 80 for that.
        width = min(100, shutil.get_terminal_size().columns)
        self._bar = tqdm(
            total=total or None, desc=stage, unit="frame", file=sys.stderr, ncols=width
        )

    def advance(self, frames: int) -> None:
        self._bar.update(frames)

    def finish(self) -> None:
        self._bar.close()

    def abandon(self) -> None:
        """Leave the bar where it stands, so that a message begins on a line of its own."""
        if self._bar is not None:
            self._bar.close()


class Lines:
    """One plain line per tenth of the way, for logs and render farms."""

    def __init__(self) -> None:
        self._stage, self._total, self._done, self._said = "", 0, 0, 0

    def start(self, stage: str, total: int) -> None:
        self._stage, self._total, self._done, self._said = stage, total, 0, 0

    def advance(self, frames: int) -> None:
        self._done += frames
        tenth = 10 * self._done // self._total if self._total else self._done // 250
        if tenth > self._said:
            self._said = tenth
            share = f"{min(100, 10 * tenth)}%" if self._total else counted(self._done, "frame")
            tell(f"{self._stage} progress: {share}")

    def finish(self) -> None:
        done = counted(self._done, "frame")
        tell(f"{self._stage} done: {done}")


@contextmanager
def watching(*, quiet: bool) -> Iterator[Progress]:
    """Give what shows progress: a bar on a terminal, plain lines elsewhere, nothing if quiet."""
    if quiet:
        yield Silent()
    elif not sys.stderr.isatty():
        yield Lines()
    else:
        bar = Bar()
        try:
            yield bar
        finally:
            bar.abandon()
