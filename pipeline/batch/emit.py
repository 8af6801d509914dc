"""A batch as the job of a render farm: its steps, whoever's language they are then written in.

Tasks call `run --shot NAME`, which makes what is missing and nothing twice; so whatever order a
farm chooses, and however often it begins a task, the targets are the same. Steps only spare work.
How many chunks a shot has is known once its frames are counted; so a task is a share of them, every
Nth from the Kth (`shares.py`), and right for any number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..errors import UsageError
from ..progress import counted
from .manifest import Reel, Shot
from .shots import ANALYSIS, CODES

_MOST_SHARES: Final = 1000


@dataclass(frozen=True, slots=True)
class Step:
    """Tasks that can be carried out side by side once the step before is over."""

    name: str
    shots: tuple[str, ...]
    """Names; each is a task, or as many as there are shares. None: one task for all shots."""
    unit: str = ""
    """That is made ahead of what is delivered; empty: shares of the chunks, or all of a shot."""
    shares: int = 1
    """Of the chunks of each shot; 1: a task is no share."""

    @property
    def tasks(self) -> int:
        """How many there are."""
        return len(self.shots) * self.shares or 1


@dataclass(frozen=True, slots=True)
class Job:
    """A batch as it is given to a farm."""

    manifest: str
    """The file's name; the job is to lie beside it."""
    shots: tuple[str, ...]
    """Names of all."""
    steps: tuple[Step, ...]
    options: tuple[str, ...]
    """Of the command `run`, for every task."""
    threads: int | None
    """Of every task; None: as many as suit the machine."""

    @property
    def told(self) -> str:
        """What there is, in words."""
        steps = ", ".join(f"{step.name} ({step.tasks})" for step in self.steps)
        return f"{counted(len(self.shots), 'shot')}; steps and their tasks: {steps}"


def job_of(
    reel: Reel,
    shots: Sequence[Shot],
    *,
    shares: int = 1,
    threads: int | None = None,
    options: Sequence[str] = (),
) -> Job:
    """Return the job that makes some shots of a reel.

    Args:
        reel: whose manifest the tasks read.
        shots: those to be made.
        shares: tasks that the frames of every shot are divided among; of 1, a task makes a shot.
        threads: of every task.
        options: of the command `run`, for every task.

    Raises:
        UsageError: `shares` is out of range, or the manifest's name is nothing to be written into
            a script.
    """
    if not 1 <= shares <= _MOST_SHARES:
        raise UsageError(f"--shares {shares} is out of range; accepted: 1 to {_MOST_SHARES}")
    manifest = reel.path.name
    if not manifest.isprintable():
        raise UsageError(f"the manifest's name {manifest!r} cannot be printed: rename it")
    names, clips = tuple(shot.name for shot in shots), _one_of_each_clip(shots)
    steps = []
    if shares > 1 or len(clips) < len(names):  # else a task of each clip's own analyses it
        steps.append(Step("analyse", clips, ANALYSIS))
    if shares > 1:
        steps += [Step("prepare", names, CODES), Step("render", names, shares=shares)]
    steps += [Step("deliver", names), Step("report", ())]
    return Job(manifest, names, tuple(steps), tuple(options), threads)


def _one_of_each_clip(shots: Sequence[Shot]) -> tuple[str, ...]:
    """Return names of shots no two of which have one analysis."""
    first: dict[object, str] = {}
    for shot in shots:
        request = shot.request
        analysed = (request.input, request.analyze, request.analysis_path, request.device)
        first.setdefault(analysed, shot.name)
    return tuple(first.values())
