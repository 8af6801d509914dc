"""Workers on the machines of a Ray cluster: actors, each of which stays for many units.

Only paths, names and what is said pass between machines: what is made is in the store, which all of
them see. Whoever dies is replaced, where there is room for it; the schedule has its unit made by
another.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..errors import LaterError, UsageError
from .serving import EXIT_FAILED, EXIT_LATER, Order, carried_out
from .units import Outcome, Trouble, Unit
from .workers import LINES, outcome_of

Build = Callable[[], Callable[[Order], None]]
"""Gives what carries out orders; called where they are, once."""

_TOGETHER_S: Final = 20.0
"""That the first units wait for all workers to come up."""
_PATIENCE_S: Final = 300.0
"""Until a cluster of which no worker comes up is given up."""
_ALIVE_S: Final = 10.0
"""In which a worker that has nothing to do says that it is there."""


@dataclass(eq=False)
class _Actor:
    """A worker somewhere, and what it works on."""

    handle: Any
    answer: Any
    """What is waited for: that it is there, or what it says of its unit."""
    unit: Unit | None = None
    since: float = 0.0


class Actors:
    """Workers of a cluster; a context manager that begins and ends them.

    Args:
        build: gives what carries out orders.
        count: how many workers; None: as many as there is room for.
        cores: of the processor that each of them takes.
        gpus: that each of them takes.
        environment: added to that of each.
    """

    def __init__(
        self,
        build: Build,
        count: int | None = None,
        *,
        cores: int,
        gpus: int = 0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._build, self._count = build, count
        self._needs = {"num_cpus": cores, "num_gpus": gpus}
        self._environment = dict(environment or {})
        self._ray: Any = None
        self._coming: list[_Actor] = []
        self._free: list[_Actor] = []
        self._busy: list[_Actor] = []
        self._is_begun = False

    def __enter__(self) -> Actors:
        """Begin.

        Raises:
            UsageError: Ray is not installed, or no machine has room for a worker.
            LaterError: no cluster answers.
        """
        self._ray = _connected()
        try:
            for _ in range(self._count or self._room()):
                self._begin_one()
        except BaseException:
            self._ray.shutdown()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for actor in (*self._coming, *self._free, *self._busy):
            self._end(actor)
        self._ray.shutdown()

    @property
    def idle(self) -> int:
        """How many workers have nothing to do; waits for one if there is none that has.

        Raises:
            LaterError: none comes up.
        """
        self._welcome(0.0 if self._is_begun else _TOGETHER_S, len(self._coming))
        self._is_begun = True
        if not self._free and not self._busy:
            self._welcome(_PATIENCE_S, 1)
        if not self._free and not self._busy:
            raise LaterError(f"no worker of the Ray cluster came up in {_PATIENCE_S:.0f} s")
        return len(self._free)

    def give(self, unit: Unit) -> None:
        """Have an idle worker make a unit."""
        actor = self._free.pop()
        actor.unit, actor.since = unit, time.monotonic()
        actor.answer = actor.handle.make.remote(unit.shot, unit.name, unit.key)
        self._busy.append(actor)

    def outcome(self) -> Outcome:
        """Wait until a unit is made, or is not."""
        done, _ = self._ray.wait([actor.answer for actor in self._busy], num_returns=1)
        actor = next(actor for actor in self._busy if actor.answer == done[0])
        self._busy.remove(actor)
        unit, seconds = actor.unit, time.monotonic() - actor.since
        assert unit is not None
        try:
            answer = self._ray.get(done[0])
        except self._ray.exceptions.RayError as e:
            self._replace(actor)
            self._sift()
            return Outcome(unit, _loss(e), worker_died=True, seconds=seconds)
        self._free.append(actor)
        return outcome_of(unit, answer, seconds, tuple(answer["said"]))

    def _room(self) -> int:
        """Return how many workers the machines of the cluster have room for, if all is free."""
        cores, gpus = self._needs["num_cpus"], self._needs["num_gpus"]
        count = 0
        for node in self._ray.nodes():
            has = node["Resources"] if node["Alive"] else {}
            by_cores = int(has.get("CPU", 0) // cores)
            count += min(by_cores, int(has.get("GPU", 0) // gpus)) if gpus else by_cores
        if not count:
            what = f"{cores} cores and a GPU" if gpus else f"{cores} cores"
            raise UsageError(f"no machine of the Ray cluster has {what}; see --threads")
        return count

    def _begin_one(self) -> None:
        how = {**self._needs, "runtime_env": {"env_vars": self._environment}}
        # The schedule says how often a unit is tried; so Ray itself tries nothing again.
        handle = self._ray.remote(_Worker).options(**how, max_restarts=0).remote(self._build)
        self._coming.append(_Actor(handle, handle.is_there.remote()))

    def _welcome(self, seconds: float, count: int) -> None:
        """Take in workers that have come up, waiting for so many of them so long at most."""
        if not self._coming:
            return
        waited = [actor.answer for actor in self._coming]
        done, _ = self._ray.wait(waited, num_returns=max(1, count), timeout=seconds)
        for actor in [actor for actor in self._coming if actor.answer in done]:
            self._coming.remove(actor)
            if self._is_well(actor):
                self._free.append(actor)
            else:
                self._replace(actor)

    def _sift(self) -> None:
        """Replace idle workers that died with another one, as those of a machine do."""
        idle, self._free = self._free, []
        for actor in idle:
            actor.answer = actor.handle.is_there.remote()
        if idle:
            self._ray.wait([a.answer for a in idle], num_returns=len(idle), timeout=_ALIVE_S)
        for actor in idle:
            if self._is_well(actor):
                self._free.append(actor)
            else:
                self._replace(actor)

    def _is_well(self, actor: _Actor) -> bool:
        """Return whether a worker has answered that it is there."""
        try:
            self._ray.get(actor.answer, timeout=0)
        except self._ray.exceptions.RayError:  # its end, or no answer yet
            return False
        return True

    def _replace(self, actor: _Actor) -> None:
        self._end(actor)
        self._begin_one()

    def _end(self, actor: _Actor) -> None:
        with contextlib.suppress(Exception):  # it, or its machine, may be gone
            self._ray.kill(actor.handle)


class _Worker:
    """Lives in a process of the cluster, and makes units there."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self._make: Callable[[Order], None] | None = None
        self._said = _LastLines()

    def is_there(self) -> None:
        """Answer."""

    def make(self, shot: str, unit: str, key: str) -> dict[str, Any]:
        """Make a unit; return what became of it, and the last lines that were said."""
        with contextlib.redirect_stderr(self._said):
            answer = carried_out(self._carry_out, Order(shot, unit, key))
        return {**answer, "said": self._said.taken()}

    def _carry_out(self, order: Order) -> None:
        if self._make is None:  # here, so that why it cannot be is told as of any unit
            self._make = self._build()
        self._make(order)


class _LastLines(io.TextIOBase):
    """A stream that keeps the last lines; for any thread."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=LINES)
        self._begun, self._lock = "", threading.Lock()

    def write(self, text: str) -> int:
        """Take what is said."""
        with self._lock:
            *whole, self._begun = (self._begun + text).split("\n")
            self._lines.extend(whole)
        return len(text)

    def taken(self) -> list[str]:
        """Return the lines, and forget them."""
        with self._lock:
            lines = [*self._lines, *([self._begun] if self._begun else [])][-LINES:]
            self._lines.clear()
            self._begun = ""
        return lines


def _loss(error: Exception) -> Trouble:
    """Return what it means that a worker is lost; that memory ran out may pass."""
    said = str(error).splitlines()
    why = next((line for line in said if line.startswith("The actor is dead because")), "")
    words = f"its worker was lost ({type(error).__name__}{why[17:].split('. ')[0]})"
    if type(error).__name__ == "OutOfMemoryError" or "low on memory" in str(error):
        return Trouble(
            f"{words}: out of memory", EXIT_LATER, may_pass=True, log=tuple(said[-LINES:])
        )
    return Trouble(words, EXIT_FAILED, log=tuple(said[-LINES:]))


def _connected() -> Any:
    """Return Ray, connected to the cluster of RAY_ADDRESS, or to one of this machine alone."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = os.environ.get("RAY_ADDRESS") or "local"
    how: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    with _same_signals():
        try:
            import ray
        except ImportError as e:
            raise UsageError(
                f"--on ray needs the extra `cluster` ({e}): pip install 'visagist[cluster]'"
            ) from None
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", **how)
        except (ConnectionError, ValueError, RuntimeError) as e:
            raise LaterError(f"no Ray cluster answers (RAY_ADDRESS={address}): {e}") from e
    return ray


@contextlib.contextmanager
def _same_signals() -> Iterator[None]:
    """Leave it to this program how it ends when it is asked to."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
