"""Worker processes on this machine: each stays for many units; one that dies is replaced.

A worker is a command that reads orders from stdin, one JSON object a line (`shot`, `unit`), and
answers each with one on stdout; what it says on stderr is kept for the case that it fails. It ends
when stdin is closed. No pixel passes here: what it makes is in the store.

Own code, since pools that are at hand lose tasks when a worker is killed: `ProcessPoolExecutor` all
of them (BrokenProcessPool), Pebble 5.2 those that wait if it was idle ("All workers expired").
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

from .serving import EXIT_FAILED, EXIT_LATER, Order, carried_out
from .units import Outcome, Trouble, Unit

LINES: Final = 20
"""That are kept of what a worker said."""
_PATIENCE_S: Final = 5.0
"""Until a worker that was asked to end is made to."""


@dataclass(eq=False)
class _Worker:
    """A process, what it works on, and its last words."""

    number: int
    process: subprocess.Popen[str]
    unit: Unit | None = None
    since: float = 0.0
    kills: int = 0
    """Of processes for want of memory, until then."""
    said: deque[str] = field(default_factory=lambda: deque(maxlen=LINES))
    readers: list[threading.Thread] = field(default_factory=list)


class Processes:
    """Workers of one machine; a context manager that ends them.

    Args:
        command: what a worker is started with.
        count: how many.
        environment: added to that of this process.
        heard: gets every line a worker says on stderr, with its number; on another thread.
        shared: hears how far a unit is, 0–1, while `outcome` waits.
    """

    def __init__(
        self,
        command: Sequence[str],
        count: int,
        *,
        environment: Mapping[str, str] | None = None,
        heard: Callable[[int, str], None] = lambda _number, _line: None,
        shared: Callable[[Unit, float], None] = lambda _unit, _share: None,
    ) -> None:
        self._command, self._count = list(command), count
        self._heard, self._shared = heard, shared
        self._environment = {**os.environ, **(environment or {})}
        self._workers: list[_Worker] = []
        self._free: list[_Worker] = []
        self._answers: queue.SimpleQueue[tuple[_Worker, str | None]] = queue.SimpleQueue()
        """Lines of workers; None: it has ended."""

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        del error, trace
        for worker in self._workers:
            if kind is not None:  # what it works on is not waited for
                worker.process.terminate()
            with suppress(OSError):
                assert worker.process.stdin is not None
                worker.process.stdin.close()
        for worker in self._workers:
            self._see_off(worker)

    @property
    def idle(self) -> int:
        """How many workers have nothing to do; those not started yet count."""
        return len(self._free) + self._count - len(self._workers)

    @property
    def pids(self) -> tuple[int, ...]:
        """Numbers of the processes."""
        return tuple(worker.process.pid for worker in self._workers)

    def give(self, unit: Unit) -> None:
        """Have an idle worker make a unit; it is started if there is none."""
        worker = self._free.pop() if self._free else self._started()
        worker.unit, worker.since, worker.kills = unit, time.monotonic(), memory_kills()
        worker.said.clear()
        order = json.dumps({"shot": unit.shot, "unit": unit.name, "key": unit.key})
        with suppress(OSError):  # dead already: its end is on the way through the queue
            assert worker.process.stdin is not None
            worker.process.stdin.write(f"{order}\n")
            worker.process.stdin.flush()

    def outcome(self) -> Outcome:
        """Wait until a unit is made, or is not."""
        while True:
            worker, line = self._answers.get()
            answer = None if line is None else _answer(line)
            if line is not None and "made" not in (answer or {}):
                if answer is None:  # a library wrote to stdout
                    worker.said.append(line)
                elif worker.unit is not None:
                    self._shared(worker.unit, float(answer["share"]))
                continue
            unit, seconds = worker.unit, time.monotonic() - worker.since
            worker.unit = None
            if answer is None:
                self._buried(worker)
            else:
                self._free.append(worker)
            if unit is not None:  # else it died while it had nothing to do
                log = tuple(worker.said)
                if answer is None:
                    return _died(worker, unit, log, seconds)
                return outcome_of(unit, answer, seconds, log)

    def _started(self) -> _Worker:
        process = subprocess.Popen(  # noqa: S603  # this program itself
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=self._environment,
            # Ctrl-C goes to all processes of a terminal; who started the workers ends them.
            start_new_session=sys.platform != "win32",
        )
        worker = _Worker(len(self._workers), process)
        self._workers.append(worker)
        for stream, read in ((process.stderr, self._listen), (process.stdout, self._answered)):
            thread = threading.Thread(target=read, args=(worker, stream), daemon=True)
            worker.readers.append(thread)
            thread.start()
        return worker

    def _listen(self, worker: _Worker, stream: IO[str]) -> None:
        for line in stream:
            worker.said.append(line.rstrip("\n"))
            self._heard(worker.number, line.rstrip("\n"))

    def _answered(self, worker: _Worker, stream: IO[str]) -> None:
        for line in stream:
            self._answers.put((worker, line.rstrip("\n")))
        worker.readers[0].join(_PATIENCE_S)  # its last words
        self._answers.put((worker, None))

    def _buried(self, worker: _Worker) -> None:
        self._see_off(worker)
        self._workers.remove(worker)
        if worker in self._free:
            self._free.remove(worker)

    def _see_off(self, worker: _Worker) -> None:
        """Wait until a process has ended, and make it."""
        try:
            worker.process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
        for thread in worker.readers:
            thread.join(_PATIENCE_S)
        for stream in (worker.process.stdin, worker.process.stdout, worker.process.stderr):
            with suppress(OSError):
                assert stream is not None
                stream.close()


class Here:
    """One worker in this process: no process is begun, and none is left if it dies."""

    def __init__(self, make: Callable[[Order], None]) -> None:
        self._make, self._unit = make, list[Unit]()

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def idle(self) -> int:
        """1 before a unit was given, 0 after."""
        return 1 - len(self._unit)

    def give(self, unit: Unit) -> None:
        """Take a unit to be made."""
        self._unit.append(unit)

    def outcome(self) -> Outcome:
        """Make it."""
        unit, begin = self._unit.pop(), time.monotonic()
        answer = carried_out(self._make, Order(unit.shot, unit.name, unit.key))
        return outcome_of(unit, answer, time.monotonic() - begin)


def _answer(line: str) -> dict[str, Any] | None:
    """Return a worker's answer, or how far it is; None if the line is something else."""
    try:
        answer = json.loads(line)
    except ValueError:
        return None
    is_ours = isinstance(answer, dict) and ("made" in answer or "share" in answer)
    return answer if is_ours else None


def outcome_of(
    unit: Unit, answer: Mapping[str, Any], seconds: float, log: tuple[str, ...] = ()
) -> Outcome:
    """Return what a worker's answer, and the last lines it said, mean."""
    if answer["made"]:
        return Outcome(unit, seconds=seconds)
    if answer.get("elsewhere"):
        return Outcome(unit, elsewhere=True)
    trouble = Trouble(str(answer["words"]), int(answer["code"]), bool(answer["may_pass"]), log)
    return Outcome(unit, trouble, bool(answer["broken"]), seconds=seconds)


def _died(worker: _Worker, unit: Unit, log: tuple[str, ...], seconds: float) -> Outcome:
    code = worker.process.returncode
    how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    words = f"its worker process ended ({how})"
    trouble = Trouble(words, EXIT_FAILED, log=log)
    if code == -_SIGKILL and memory_kills() > worker.kills:
        trouble = Trouble(f"{words}: out of memory", EXIT_LATER, may_pass=True, log=log)
    return Outcome(unit, trouble, worker_died=True, seconds=seconds)


def memory_kills() -> int:
    """Return how many processes of this machine were killed for want of memory; 0: not told."""
    with suppress(OSError, ValueError):
        counts = dict(line.split() for line in _KERNEL.read_text().splitlines())
        return int(counts.get("oom_kill", 0))
    return 0


_KERNEL: Final = Path("/proc/vmstat")
"""Of Linux; the number is that of the machine, whoever's limit it was."""
_SIGKILL: Final = 9
