"""The command `run`: what of a batch is asked for, and how it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import LaterError, OutputError, UsageError, VisagistError, lack_of, reason
from ..files import placed
from ..progress import Progress, counted, unheard
from .cluster import ray_workers
from .emit import job_of
from .listing import Line, listed
from .log import Log
from .making import Maker
from .manifest import Shot, read_manifest
from .openjd import template_of
from .ray_pool import Actors
from .reel import check, run
from .reporting import PAGE_NAME, save
from .serving import serve, shares, trouble_of
from .shares import make_task
from .shots import Desk, ShotCourse
from .slurm import script_of
from .store import DamagedUnitError
from .units import Ending
from .watch import Extent, Watch, extent_of_unit, extents
from .workers import Here, Processes

_MOST_WORKERS = 256


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a batch."""

    manifest: Path
    shots: Sequence[str] = ()
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
    where(asked.on)
    desk, shots = _desk(asked)
    with _work_errors(desk):
        desk.store.sweep()
        troubles = check(desk, shots, overwrite=asked.overwrite)
        with Log(desk.reel.work / "logs") as log:
            log.write("begin", manifest=str(desk.reel.path), shots=len(shots), pid=os.getpid())
            good = [ShotCourse(shot, desk) for shot in shots if shot.name not in troubles]
            none = Extent(0, 0)  # what cannot be begun costs nothing
            watch = Watch(progress.watch, dict.fromkeys(troubles, none) | extents(good))
            pool = _pool(asked, desk, log, watch)
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


def run_unit(
    asked: Asked,
    unit: str,
    progress: Progress,
    *,
    ahead: bool = False,
    warn: Callable[[str], None] = unheard,
) -> None:
    """Make one unit of one shot in this process, and what it needs; what a task of a farm calls.

    Args:
        asked: which shot.
        unit: its name, or `K/N`: every Nth chunk from the Kth on.
        progress: hears how far that is.
        ahead: what is wrong with the shot is said, and left to the task that delivers it.
        warn: says it.

    Raises:
        LaterError: the same command may succeed later.
        VisagistError: it cannot be made.
    """
    if len(asked.shots) != 1:
        raise UsageError("--unit names a unit of one shot; give --shot NAME with it, once")
    desk, shots = _desk(asked)
    with _work_errors(desk):
        try:
            for trouble in check(desk, shots, overwrite=asked.overwrite).values():
                raise _as_error(trouble.words, trouble.exit_code)
            course = ShotCourse(shots[0], desk)
            extent = extent_of_unit(course, unit, desk.store)
            watch = Watch(progress.watch, {course.name: extent})
            make_task(Maker(desk, watch.within), course, unit, watch.reached)
            watch.ended(Ending(course.name, "done"))
        except Exception as e:
            trouble = trouble_of(e)
            if trouble.may_pass or isinstance(e, DamagedUnitError):
                raise LaterError(trouble.words) from e
            if not (ahead and isinstance(e, VisagistError)):
                raise
            warn(f"shot {shots[0].name}: {e}; the task that delivers it will say so too")


def emitted(asked: Asked, language: str, *, shares: int = 1) -> str:
    """Return the batch as the job of a render farm; nothing but the manifest is read.

    Args:
        asked: which shots, and what every task is told.
        language: `openjd` or `slurm`.
        shares: tasks that the frames of every shot are divided among.

    Raises:
        UsageError: the manifest cannot be used.
    """
    reel = read_manifest(asked.manifest)
    chosen = [reel.shot(name) for name in asked.shots] or list(reel.shots)
    given = {"--overwrite": asked.overwrite, "--rehash": asked.rehash}
    options = [name for name, is_given in given.items() if is_given]
    if asked.threads is not None:
        options.append(f"--threads={asked.threads}")
    job = job_of(reel, chosen, shares=shares, threads=asked.threads, options=options)
    return template_of(job) if language == "openjd" else script_of(job)


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


def _pool(asked: Asked, desk: Desk, log: Log, watch: Watch) -> Processes | Here | Actors:
    kind, count = where(asked.on)
    if kind == "here":
        return Here(Maker(desk, watch.within).carry_out)
    if kind == "ray":
        return ray_workers(
            desk,
            count=count,
            threads=asked.threads,
            rehash=asked.rehash,
            environment=_environment(),
        )
    count = count or 1
    return Processes(
        _worker(asked, count),
        count,
        environment=_environment(),
        heard=lambda number, line: log.write("said", worker=number, line=line),
        shared=watch.within,
    )


def where(text: str) -> tuple[str, int | None]:
    """Return who is to make units, `processes`, `ray` or `here`, and how many of them, if said.

    Raises:
        UsageError: that is not known.
    """
    kind, colon, number = text.partition(":")
    if kind not in ("processes", "ray") or (colon and not number.isdecimal()):
        if text == "here":
            return text, None
        raise UsageError(f"--on {text!r} is not known; accepted: processes:N, ray, ray:N, here")
    if colon and not 1 <= int(number) <= _MOST_WORKERS:
        raise UsageError(f"--on {text!r} is out of range; accepted: 1 to {_MOST_WORKERS}")
    return kind, int(number) if colon else None


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
    if exit_code == LaterError.exit_code:
        return LaterError(words)
    error = VisagistError(words)
    error.exit_code = exit_code  # type: ignore[misc]  # of this one
    return error


@contextmanager
def _work_errors(desk: Desk) -> Iterator[None]:
    """Say of the work folder what the system says of it."""
    try:
        yield
    except Exception as e:
        placed.clear()  # what lies in the work folder by then is nobody's business
        if lack_of(e) and not isinstance(e, LaterError):
            raise LaterError(trouble_of(e).words) from e
        if not isinstance(e, OSError):
            raise
        if trouble_of(e).may_pass:
            raise LaterError(f"the work folder {desk.reel.work}: {reason(e)}") from e
        raise OutputError(f"the work folder {desk.reel.work} cannot be used: {reason(e)}") from e
