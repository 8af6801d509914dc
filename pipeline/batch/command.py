"""The command `run`: what of a batch is asked for, and how it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import LaterError, OutputError, UsageError, VisagistError, reason
from ..files import placed
from ..progress import Progress, counted
from .listing import Line, listed
from .log import Log
from .making import Maker
from .manifest import Shot, read_manifest
from .reel import check, run
from .reporting import PAGE_NAME, save
from .serving import serve, shares, trouble_of
from .shots import Desk, ShotCourse
from .units import Ending
from .watch import Extent, Watch, extent_of_unit, extents
from .workers import Here, Processes

_MOST_PROCESSES = 256


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a batch."""

    manifest: Path
    shots: tuple[str, ...] = ()
    """Names; empty: all."""
    on: str = "processes:1"
    threads: int | None = None
    """Of each process; None: half the cores it has for itself."""
    overwrite: bool = False
    halt_on_error: bool = False
    rehash: bool = False


def run_batch(
    asked: Asked, tell: Callable[[str, Mapping[str, object]], None], progress: Progress
) -> None:
    """Deliver what is missing.

    Args:
        asked: what of the batch.
        tell: hears of every shot, in words and as facts.
        progress: hears how far the run is.

    Raises:
        SomeFailedError: some shots failed; of one that was asked for alone, what is wrong with it.
        LaterError: the same command may succeed later.
        VisagistError: the manifest cannot be used; then nothing was begun.
    """
    count = _processes(asked.on)
    desk, shots = _desk(asked)
    with _work_errors(desk):
        desk.store.sweep()
        troubles = check(desk, shots, overwrite=asked.overwrite)
        with Log(desk.reel.work / "logs") as log:
            log.write("begin", manifest=str(desk.reel.path), shots=len(shots), pid=os.getpid())
            good = [ShotCourse(shot, desk) for shot in shots if shot.name not in troubles]
            none = Extent(0, 0)  # what cannot be begun costs nothing
            watch = Watch(progress.watch, dict.fromkeys(troubles, none) | extents(good))
            pool = _pool(asked, count, desk, log, watch)
            done = 0

            def told(ending: Ending) -> None:
                nonlocal done
                done += 1
                facts = {"shot": ending.shot, "state": ending.state, "made": ending.made}
                tell(f"{done} of {len(shots)}: {_sentence(ending)}", facts)

            with pool:
                account = run(
                    *(desk, shots, pool, log),
                    troubles=troubles,
                    halt=asked.halt_on_error,
                    told=told,
                    watch=watch,
                )
            log.write("end", counts=account.counts())
    placed.clear()  # of targets was told one by one, all else is nobody's business
    if (error := account.error()) is not None:
        trouble = account.endings[0].trouble
        if len(shots) == 1 and trouble is not None:
            raise _as_error(trouble.words, trouble.exit_code)
        raise error


def run_unit(asked: Asked, unit: str, progress: Progress) -> None:
    """Make one unit of one shot in this process, and what it needs; what a task of a farm calls.

    `progress` hears how far that is.

    Raises:
        LaterError: the same command may succeed later.
        VisagistError: it cannot be made.
    """
    if len(asked.shots) != 1:
        raise UsageError("--unit names a unit of one shot; give --shot NAME with it, once")
    desk, shots = _desk(asked)
    with _work_errors(desk):
        troubles = check(desk, shots, overwrite=asked.overwrite)
        for trouble in troubles.values():
            raise _as_error(trouble.words, trouble.exit_code)
        try:
            course = ShotCourse(shots[0], desk)
            extent = extent_of_unit(course, unit, desk.store)
            watch = Watch(progress.watch, {course.name: extent})
            Maker(desk, watch.within).make_all(course, unit, watch.reached)
            watch.ended(Ending(course.name, "done"))
        except Exception as e:
            trouble = trouble_of(e)
            if trouble.may_pass:
                raise LaterError(trouble.words) from e
            raise


def report_batch(asked: Asked) -> Path:
    """Write the report of what is kept, and return where the page lies; nothing else is made."""
    desk, _ = _desk(asked)
    with _work_errors(desk):
        desk.reel.work.mkdir(parents=True, exist_ok=True)
        save(desk, (), seconds=0.0)
    placed.clear()
    return desk.reel.work / PAGE_NAME


def list_batch(asked: Asked) -> Iterable[Line]:
    """Return every unit with its state; nothing is computed."""
    desk, shots = _desk(asked)
    return listed(desk, shots)


def clean(asked: Asked) -> str:
    """Remove units that no shot of the manifest needs, and what killed runs left; say what went."""
    desk, shots = _desk(asked)
    needed = set()
    for shot in shots:
        course = ShotCourse(shot, desk)
        try:
            for stage in course.stages():
                needed |= {(unit.kind, unit.key) for unit in stage}
                if not all(desk.store.has(unit.kind, unit.key) for unit in stage):
                    break
        except VisagistError:
            continue
    unneeded = [unit for unit in desk.store.all() if unit not in needed]
    with _work_errors(desk):
        left = desk.store.sweep(everything=True)
        for kind, key in unneeded:
            desk.store.forget(kind, key)
        desk.store.sweep(everything=True)
    return f"removed {counted(len(unneeded), 'unit')}, {counted(len(left), 'folder')} in tmp"


def serve_orders(asked: Asked, lines: Iterable[str], answer: Callable[[str], None]) -> None:
    """Be a worker process: make units as they are ordered, until there are no more orders."""
    desk, _ = _desk(asked)
    serve(Maker(desk, shares(answer)).carry_out, lines, answer)


def _desk(asked: Asked) -> tuple[Desk, Sequence[Shot]]:
    reel = read_manifest(asked.manifest)
    shots = [reel.shot(name) for name in asked.shots] or list(reel.shots)
    return Desk.of(reel, rehash=asked.rehash), shots


def _pool(asked: Asked, count: int, desk: Desk, log: Log, watch: Watch) -> Processes | Here:
    if not count:
        return Here(Maker(desk, watch.within).carry_out)
    return Processes(
        _worker(asked, count),
        count,
        environment=_environment(),
        heard=lambda number, line: log.write("said", worker=number, line=line),
        shared=watch.within,
    )


def _processes(text: str) -> int:
    """Return how many processes are asked for; 0: this one."""
    kind, _, number = text.partition(":")
    if text == "here":
        return 0
    if kind != "processes" or not (number or "1").isdecimal():
        raise UsageError(f"--on {text!r} is not known; accepted: processes:N, here")
    count = int(number or 1)
    if not 1 <= count <= _MOST_PROCESSES:
        raise UsageError(f"--on {text!r} is out of range; accepted: 1 to {_MOST_PROCESSES}")
    return count


def _worker(asked: Asked, count: int) -> list[str]:
    """Return the command of a worker: this program, as it is installed here."""
    package = __name__.removesuffix(".batch.command")
    threads = asked.threads or max(1, (os.cpu_count() or 1) // (2 * count))
    command = [sys.executable, "-m", package, "run", str(asked.manifest.absolute()), "--serve"]
    return [*command, "--threads", str(threads)]


def _environment() -> dict[str, str]:
    """Return what lets a worker find this package from wherever it is started."""
    root = str(Path(__file__).resolve().parents[__name__.count(".")])
    there = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": f"{root}{os.pathsep}{there}" if there else root}


def _sentence(ending: Ending) -> str:
    made = f" ({counted(ending.made, 'unit')} made)" if ending.made else ""
    if ending.trouble is None:
        return f"{ending.shot} {ending.state}{made}"
    where = f" in {ending.unit}" if ending.unit else ""
    return f"{ending.shot} {ending.state}{where}: {ending.trouble.words}"


def _as_error(words: str, exit_code: int) -> VisagistError:
    """Return an error that another process met, with its exit code."""
    error = VisagistError(words)
    error.exit_code = exit_code  # type: ignore[misc]  # of this one
    return error


@contextmanager
def _work_errors(desk: Desk) -> Iterator[None]:
    """Say of the work folder what the system says of it."""
    try:
        yield
    except VisagistError:
        placed.clear()  # what lies in the work folder by then is nobody's business
        raise
    except OSError as e:
        if trouble_of(e).may_pass:
            raise LaterError(f"the work folder {desk.reel.work}: {reason(e)}") from e
        raise OutputError(f"the work folder {desk.reel.work} cannot be used: {reason(e)}") from e
