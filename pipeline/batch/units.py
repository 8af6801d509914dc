"""The nouns of a batch: a unit of work, a shot that consists of such, what became of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

State = Literal["done", "failed", "later", "stopped", "skipped"]
"""Of a shot after a run: delivered; cannot be; cannot be now (`later`: the same command may do it);
not got to, since the run was stopped; nothing to edit in it, and that is no failure."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One piece of work whose result is kept."""

    shot: str
    name: str
    """Within its shot: `analysis`, `codes`, `0`, `1` … (chunks of frames), `join`."""
    kind: str
    """`analysis`, `codes`, `render` or `join`."""
    key: str
    """Of the unit in the store."""
    frames: int = 0
    """That it works on; 0: not known yet."""


class Kept(Protocol):
    """Knows which units are kept."""

    def has(self, kind: str, key: str) -> bool:
        """Return whether a unit is kept."""


class Course(Protocol):
    """The units of one shot, in the order in which they can be made."""

    @property
    def name(self) -> str:
        """Of the shot."""

    def is_delivered(self) -> bool:
        """Return whether the last of its units is kept; then nobody asks for the others.

        Raises:
            VisagistError: the shot cannot be used.
        """

    def stages(self) -> Iterator[Sequence[Unit]]:
        """Yield units that can be made side by side once all units yielded before are kept.

        Raises:
            VisagistError: the shot cannot be used.
        """


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a unit was not made."""

    words: str
    exit_code: int
    """That the command has if this is all it was to do."""
    may_pass: bool = False
    """Whether the same may succeed later: a full disk, no memory, a worker that was killed."""
    log: tuple[str, ...] = ()
    """The last lines the worker said."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a unit that was given to a worker."""

    unit: Unit
    trouble: Trouble | None = None
    broken: bool = False
    """Something it needs was damaged and moved away; the shot begins with what is missing again."""
    worker_died: bool = False
    elsewhere: bool = False
    """Another run is making it: it was left to that one."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of a shot."""

    shot: str
    state: State
    made: int = 0
    """Units that were made in this run for it."""
    trouble: Trouble | None = None
    unit: str = ""
    """That could not be made."""


class Pool(Protocol):
    """Workers; `give` one a unit while there are idle ones, then wait for the next `outcome`."""

    @property
    def idle(self) -> int:
        """How many workers have nothing to do."""

    def give(self, unit: Unit) -> None:
        """Have an idle worker make a unit."""

    def outcome(self) -> Outcome:
        """Wait until a unit is made, or is not."""
