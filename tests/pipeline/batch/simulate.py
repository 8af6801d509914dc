"""A million units, a thousand workers: `python -m tests.pipeline.batch.simulate --units 1000000`.

Schedule, store and the trying again are the real ones, and every unit is a real folder; only the
work is fake, and time is that of a simulated clock. One time in a hundred a worker dies over a
unit, half of it made, and one unit in a hundred takes fifty times as long. The run is killed half
way and begun again; at the end every unit has to be there, made once. Then it is begun once more,
when nothing is missing. Exits 1 if it is not so. What is told of a part is the time of the schedule
and the store alone; that of making a unit (its folder, its file, the renaming) stands beside it.
"""

from __future__ import annotations

import argparse
import heapq
import os
import random
import resource
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.batch.schedule import Schedule
from pipeline.batch.store import UnitStore, _host, key_of
from pipeline.batch.units import Ending, Outcome, Trouble, Unit
from pipeline.console import show

UNITS = 100
"""Of a shot: analysis, codes, chunks, target."""
USUAL_S, LONG_S = 30.0, 1500.0
"""Time of a unit on the simulated clock, and of one in a hundred."""
RARE = 0.01


class RunKilledError(Exception):
    """The simulated run is killed: nothing of it is left but what is on the disk."""


@dataclass(frozen=True)
class Shot:
    """A shot of a hundred units."""

    name: str
    store: UnitStore = field(repr=False)

    @cached_property
    def units(self) -> tuple[Unit, ...]:
        names = ["analysis", "codes", *map(str, range(UNITS - 3)), "join"]
        return tuple(
            Unit(self.name, name, _kind(name), key_of(shot=self.name, unit=name)) for name in names
        )

    def is_delivered(self) -> bool:
        return self.store.has("join", self.units[-1].key)

    def stages(self) -> Iterator[Sequence[Unit]]:
        yield self.units[:1]
        yield self.units[1:2]
        yield self.units[2:-1]
        yield self.units[-1:]


def _kind(name: str) -> str:
    return "render" if name.isdecimal() else name


def _number(unit: Unit) -> int:
    """Return the number of a unit among all there are."""
    last = {"analysis": UNITS - 3, "codes": UNITS - 2, "join": UNITS - 1}
    return int(unit.shot[2:]) * UNITS + (last[unit.name] if unit.name in last else int(unit.name))


@dataclass(slots=True)
class Tally:
    """What was seen of all runs together."""

    made: bytearray
    """How often each unit was made."""
    deaths: int = 0
    lost: int = 0
    """Units that were being made when the run was killed."""
    clock_s: float = 0.0
    worked_s: float = 0.0
    """Of all workers together, work that was lost with it."""
    making_s: float = 0.0
    """Processor time of the fake work itself: it is no time of the scheduler's."""


class Workers:
    """Simulated workers: each unit takes its time on a clock that is moved on by who is first."""

    def __init__(self, world: World, stop_after: int = 0) -> None:
        self._store, self._count, self._size = world.store, world.workers, world.size
        self._tally, self._chance = world.tally, world.chance
        self._busy: list[tuple[float, int, Unit, bool]] = []
        """When each is ready, a number, what it makes, and whether it dies over it."""
        self._given, self._stop_after, self._ready = 0, stop_after, 0

    @property
    def idle(self) -> int:
        return self._count - len(self._busy)

    def give(self, unit: Unit) -> None:
        takes = (LONG_S if self._chance.random() < RARE else USUAL_S) * self._chance.uniform(0.5, 2)
        dies = self._chance.random() < RARE
        takes *= self._chance.random() if dies else 1.0
        self._given += 1
        self._tally.worked_s += takes
        heapq.heappush(self._busy, (self._tally.clock_s + takes, self._given, unit, dies))

    def outcome(self) -> Outcome:
        self._tally.clock_s, _, unit, dies = heapq.heappop(self._busy)
        begin = time.process_time()
        try:
            if dies:
                self._tally.deaths += 1
                self._leave_half(unit)
                return Outcome(unit, Trouble("its worker ended", 1), worker_died=True)
            with self._store.making(unit.kind, unit.key) as (folder, facts):
                if self._size:
                    (folder / "segment").write_bytes(b"0" * self._size)
                facts["frames"] = 48
            self._tally.made[_number(unit)] += 1
            self._ready += 1
            if self._ready == self._stop_after:
                self._tally.lost += len(self._busy)
                raise RunKilledError
        finally:
            self._tally.making_s += time.process_time() - begin
        return Outcome(unit)

    def _leave_half(self, unit: Unit) -> None:
        """Leave what a killed maker leaves: a folder in `tmp` that nobody holds."""
        name = f"{unit.key}.{_host()}.1.{self._given:08x}"
        folder = self._store.folder / "tmp" / name
        folder.mkdir(parents=True)
        (folder / "segment").write_bytes(b"half")


@dataclass(frozen=True, slots=True)
class World:
    """What all runs have in common."""

    store: UnitStore
    shots: int
    workers: int
    size: int
    """Bytes of the file of a unit; 0: it has none but its facts."""
    tally: Tally
    chance: random.Random

    def run(self, what: str, stop_after: int = 0) -> list[Ending]:
        """Make what is missing, perhaps until the run is killed; say what it took."""
        lap, made, making = Lap(what), sum(self.tally.made), self.tally.making_s
        endings: list[Ending] = []
        courses = (Shot(f"sh{number:05}", self.store) for number in range(self.shots))
        with suppress(RunKilledError):
            Schedule(courses, self.store, ended=endings.append).run(Workers(self, stop_after))
        made, making = sum(self.tally.made) - made, self.tally.making_s - making
        more = f"; {made} made, {1e3 * making / made:.2f} ms each" if made else ""
        units = self.shots * UNITS  # of which the few that a later run makes are no measure
        lap.told(made if made > units // 10 else units, making, more)
        return endings


@dataclass(slots=True)
class Lap:
    """Processor and wall time of a part, and the memory so far."""

    what: str
    begun: tuple[float, float] = field(
        default_factory=lambda: (time.process_time(), time.monotonic())
    )

    def told(self, units: int, less: float = 0.0, more: str = "") -> None:
        used = time.process_time() - self.begun[0] - less
        wall = time.monotonic() - self.begun[1]
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        each = f"{1e3 * used / units:.3f} ms a unit" if units else "no unit"
        show(
            f"{self.what}: {used:.1f} s of processor ({wall:.0f} s), {each}, {memory:.0f} MB{more}"
        )


def simulated(world: World) -> bool:
    """Run it; return whether every unit was made once."""
    store, tally, units = world.store, world.tally, world.shots * UNITS
    world.run("first run, killed half way", units // 2)
    lap = Lap("what dead makers left, removed")
    lap.told(len(store.sweep()))
    endings = world.run("run again")
    while failed := sum(ending.state != "done" for ending in endings):
        endings = world.run(f"run again for {failed} shot(s), a unit of which had cost 3 workers")
    show(
        f"{tally.deaths} workers died, {tally.lost} units were lost with the killed run; on the "
        f"clock {tally.clock_s / 3600:.1f} h, of which a worker worked "
        f"{tally.worked_s / world.workers / 3600:.1f} h"
    )
    world.run("nothing missing")
    lap = Lap("all that is kept, by names")
    kept = Counter(kind for kind, _ in store.all())
    lap.told(kept.total())
    lap = Lap("all that is kept, sizes of files compared")
    shots = (Shot(f"sh{number:05}", store) for number in range(world.shots))
    whole = sum(store.has(unit.kind, unit.key) for shot in shots for unit in shot.units)
    lap.told(whole)
    twice = sum(times != 1 for times in tally.made)
    show(f"{units} units: {whole} whole, {twice} not made exactly once")
    return whole == units and kept.total() == units and not twice


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--units", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--size", type=int, default=100, help="bytes of a unit's file; 0: none")
    parser.add_argument("--durable", action="store_true", help="flush every unit to the disk")
    parser.add_argument("--folder", type=Path, help="where; by default among temporary files")
    options = parser.parse_args(arguments)
    with TemporaryDirectory(dir=options.folder) as name:
        before = os.statvfs(name)
        store = UnitStore(Path(name) / "work", durable=options.durable)
        shots = options.units // UNITS
        tally, chance = Tally(bytearray(shots * UNITS)), random.Random(12)
        world = World(store, shots, options.workers, options.size, tally, chance)
        is_so = simulated(world)
        after = os.statvfs(name)
        used = (before.f_bfree - after.f_bfree) * before.f_frsize / 1e9
        show(f"{used:.1f} GB and {(before.f_ffree - after.f_ffree) / 1e6:.2f} million inodes")
        lap = Lap("removed")
        shutil.rmtree(name, ignore_errors=True)
        lap.told(0)
    return 0 if is_so else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
