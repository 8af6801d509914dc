"""What shows on stderr how far a run is: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .console import show, tell
from .progress import Moment, Progress, counted

_WIDEST, _USUAL = 100, 80
"""Columns of a bar at most, and where a terminal does not know how many it has."""


FARM, OPENJD = "farm", "openjd"
"""Forms of progress on stdout, for those who read it there."""


@contextmanager
def watching(*, quiet: bool, how: str = "auto", as_json: bool = False) -> Iterator[Progress]:
    """Give what shows progress.

    Args:
        quiet: show nothing on stderr.
        how: `auto`: a bar on a terminal, plain lines elsewhere; `farm` or `openjd`: lines on stdout
            in the form these read, whatever `quiet` says.
        as_json: stderr is a log of JSON, which a bar would spoil.
    """
    if how in (FARM, OPENJD):
        yield Progress(Shares(how))
    elif quiet:
        yield Progress()
    elif as_json or not sys.stderr.isatty():
        yield Progress(Lines())
    else:
        bar = Bar()
        try:
            yield Progress(bar)
        finally:
            bar.close()


def tell_between(progress: Progress, text: str, facts: Mapping[str, object]) -> None:
    """Write a line to stderr; a bar that stands there is left, and begins anew below it."""
    if isinstance(progress.watch, Bar):
        progress.watch.close()
    tell(text, facts=facts)


class Shares:
    """The share of the whole run, in lines on stdout: each number once, rising.

    `Progress: 42%` is what the plugins of render farms look for; `openjd_progress: 42` and
    `openjd_status: …` are messages of Open Job Description.
    """

    def __init__(self, how: str) -> None:
        self._how, self._said, self._stage = how, -1, ""

    def __call__(self, moment: Moment) -> None:
        """Say how far the run is, if it came further."""
        if self._how == OPENJD and moment.stage != self._stage:
            self._stage = moment.stage
            show(f"openjd_status: {moment.stage}")
        if (percent := int(100 * moment.share)) > self._said:
            self._said = percent
            show(f"openjd_progress: {percent}" if self._how == OPENJD else f"Progress: {percent}%")


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
            tell(f"{moment.stage} done: {counted(moment.frames, 'frame')}", facts=_facts(moment))
            return
        # Where nobody knows how many frames there are, every so many of them are a step.
        tenth = int(10 * moment.share)
        is_step = not moment.total and moment.frames % _FRAMES_A_STEP == 0 < moment.frames
        if tenth > self._said or is_step:
            self._said = tenth
            tell(f"{moment.stage} progress: {_told(moment)}", facts=_facts(moment))


_FRAMES_A_STEP = 250


def _facts(moment: Moment) -> dict[str, object]:
    share = round(moment.share, 4)
    return {"stage": moment.stage, "frame": moment.frames, "of": moment.total, "share": share}


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
