"""What shows on stderr how far a run is: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .console import tell
from .progress import Moment, Progress, counted

_WIDEST, _USUAL = 100, 80
"""Columns of a bar at most, and where a terminal does not know how many it has."""


@contextmanager
def watching(*, quiet: bool) -> Iterator[Progress]:
    """Give what shows progress: a bar on a terminal, plain lines elsewhere, nothing if quiet."""
    if quiet:
        yield Progress()
    elif not sys.stderr.isatty():
        yield Progress(Lines())
    else:
        bar = Bar()
        try:
            yield Progress(bar)
        finally:
            bar.close()


class Bar:
    """One tqdm bar for the whole run."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __call__(self, moment: Moment) -> None:
        """Move the bar; a terminal that is gone gets none."""
        try:
            self._draw(moment)
        except OSError:
            self._bar = None

    def close(self) -> None:
        """Leave the bar where it stands, so that a message begins on a line of its own."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _draw(self, moment: Moment) -> None:
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(
                total=1.0,
                bar_format="{percentage:3.0f}%|{bar}|{desc}",
                file=sys.stderr,
                ncols=min(_WIDEST, _columns()),
                nrows=24,
            )
        of_total = f"/{moment.total}" if moment.total else ""
        parts = [f" {moment.stage} {moment.frames}{of_total}", f"{moment.rate:.1f} frames/s"]
        if moment.left_s is not None:
            parts.append(f"{clock(moment.left_s)} left")
        self._bar.set_description_str(", ".join(parts), refresh=moment.is_end)
        self._bar.update(moment.share - self._bar.n)


class Lines:
    """One plain line per tenth of the whole run, for logs and render farms."""

    def __init__(self) -> None:
        self._said = 0

    def __call__(self, moment: Moment) -> None:
        """Say where the run is, if it came far enough since the last time."""
        if moment.is_end:
            tell(f"{moment.stage} done: {counted(moment.frames, 'frame')}")
            return
        # Where nobody knows how many frames there are, every so many of them are a step.
        tenth = int(10 * moment.share)
        is_step = not moment.total and moment.frames % _FRAMES_A_STEP == 0 < moment.frames
        if tenth > self._said or is_step:
            self._said = tenth
            tell(f"{moment.stage} progress: {_told(moment)}")


_FRAMES_A_STEP = 250


def _told(moment: Moment) -> str:
    of_total = f" of {counted(moment.total, 'frame')}" if moment.total else " frames"
    parts = [f"{100 * moment.share:.0f}%"] if moment.total else []
    parts += [f"{moment.frames}{of_total}", clock(moment.elapsed_s), f"{moment.rate:.1f} frames/s"]
    parts += [f"{clock(moment.left_s)} left"] if moment.left_s is not None else []
    return ", ".join(parts)


def clock(seconds: float) -> str:
    """Return a time as 0:07, 12:34 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _columns() -> int:
    """Return how wide the terminal is that stderr is; some say 0."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or _USUAL
    except (OSError, ValueError):
        return _USUAL
