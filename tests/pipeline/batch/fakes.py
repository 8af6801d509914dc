"""Shots of fake work, with the real store, schedule, workers and targets.

`python -m tests.pipeline.batch.fakes FOLDER PROCESSES` makes three shots of seven units each, with
`--serve` it is one of the workers.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.batch.delivery import Targets
from pipeline.batch.schedule import Schedule
from pipeline.batch.serving import ElsewhereError, Order, serve, shares
from pipeline.batch.store import UnitStore, key_of
from pipeline.batch.units import Ending, Outcome, Unit
from pipeline.batch.workers import Processes
from pipeline.console import show
from pipeline.errors import InputError, VideoError
from pipeline.signals import Interrupted, polite_kills

ROOT = Path(__file__).resolve().parents[3]
CHUNKS = 4


@dataclass(frozen=True)
class FakeShot:
    """A shot of an analysis, codes, some chunks and a target."""

    name: str
    seed: str = ""
    chunks: int = CHUNKS
    unusable: bool = False

    def unit(self, name: str) -> Unit:
        kind = "render" if name.isdecimal() else name
        key = key_of(shot=self.name, unit=name, seed=self.seed)
        return Unit(self.name, name, kind, key)

    def is_delivered(self) -> bool:
        return False

    def stages(self) -> Iterator[Sequence[Unit]]:
        if self.unusable:
            raise VideoError(f"{self.name}.mp4 is no video")
        yield (self.unit("analysis"),)
        yield (self.unit("codes"),)
        yield tuple(self.unit(str(number)) for number in range(self.chunks))
        yield (self.unit("join"),)


SHOTS = tuple(FakeShot(f"sh{number}") for number in range(3))


class FakeMaker:
    """Makes units of files of random bytes; the target is what its chunks hold, in a row."""

    def __init__(self, folder: Path, *, pause_s: float = 0.01, durable: bool = True) -> None:
        self.watch: Callable[[Unit, float], None] = lambda _unit, _share: None
        self.store = UnitStore(folder / "work", durable=durable)
        self.targets, self._folder, self._pause_s = Targets(self.store), folder, pause_s

    def expect(self, shot: FakeShot) -> None:
        self.targets.expect(shot.unit("join").key, shot.name, self._folder / f"{shot.name}.out")

    def make(self, shot: FakeShot, unit: Unit) -> None:
        if unit.kind == "join":
            self.expect(shot)
            chunks = [shot.unit(str(number)) for number in range(shot.chunks)]
            with self.store.scratch() as scratch:
                joined = scratch / "joined"
                with joined.open("wb") as file:
                    for chunk in chunks:
                        folder = self.store.checked(chunk.kind, chunk.key)
                        file.write(b"".join((folder / f"{n}").read_bytes() for n in range(3)))
                        self._pause()
                self.targets.deliver(unit.key, joined, {})
            return
        with self.store.making(unit.kind, unit.key) as (folder, facts):
            bits = random.Random(unit.key)
            for number in range(3):
                (folder / f"{number}").write_bytes(bits.randbytes(20_000))
                self.watch(unit, (number + 1) / 3)
                self._pause()
            facts["frames"] = 3

    def _pause(self) -> None:
        if self._pause_s:
            time.sleep(self._pause_s)

    def carry_out(self, order: Order) -> None:
        shot = next(shot for shot in SHOTS if shot.name == order.shot)
        unit = shot.unit(order.unit)
        self.expect(shot)
        if self.targets.has(unit.kind, unit.key):
            return
        if self.store.yields(unit.key):
            raise ElsewhereError
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "attempts").open("a") as file:
            file.write(f"{unit.shot} {unit.name}\n")
        with self.store.scratch(unit.key):
            behave(order)
            self.make(shot, unit)


def behave(order: Order) -> None:
    """Do what the environment says of one unit: be killed, or fail, as often as it says."""
    fate, shot, unit = os.environ.get("FATE", "  ").split(" ")
    if (order.shot, order.unit) != (shot, unit):
        return
    sys.stderr.write(f"about to {fate} in {unit}\n")
    sys.stderr.flush()
    if fate == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if fate == "fail":
        raise InputError("nothing to see")
    if fate == "fill":
        raise OSError(28, "No space left on device", "unit")


class FakePool:
    """One worker in this process, that counts what it made."""

    def __init__(self, maker: FakeMaker, shots: Sequence[FakeShot]) -> None:
        self._maker = maker
        self._shots = {shot.name: shot for shot in shots}
        self._given: list[Unit] = []
        self.made: Counter[str] = Counter()

    @property
    def idle(self) -> int:
        return 1 - len(self._given)

    def give(self, unit: Unit) -> None:
        self._given.append(unit)

    def outcome(self) -> Outcome:
        unit = self._given.pop()
        self._maker.make(self._shots[unit.shot], unit)
        self.made[unit.shot] += 1
        return Outcome(unit)


def made_here(folder: Path, shots: Sequence[FakeShot]) -> tuple[list[Ending], Counter[str]]:
    """Make shots in this process, without haste for the disk; return what became of each, and how
    many units were made."""
    maker, endings = FakeMaker(folder, pause_s=0, durable=False), list[Ending]()
    for shot in shots:
        maker.expect(shot)
    pool = FakePool(maker, shots)
    Schedule(shots, maker.targets, ended=endings.append).run(pool)
    return endings, pool.made


def command(folder: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "tests.pipeline.batch.fakes", str(folder), *more]


def hashes(folder: Path) -> dict[str, str]:
    """Return the hash of every target."""
    files = sorted(folder.glob("*.out"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def main(arguments: Sequence[str]) -> int:
    folder = Path(arguments[0])
    maker = FakeMaker(folder)
    try:
        with polite_kills(is_program=True):
            if arguments[1] == "--serve":
                maker.watch = shares(show, pause_s=0)
                serve(maker.carry_out, sys.stdin, show)
                return 0
            maker.store.sweep()
            for shot in SHOTS:
                maker.expect(shot)
            endings: list[Ending] = []
            with Processes(command(folder, "--serve"), int(arguments[1])) as pool:
                Schedule(SHOTS, maker.targets, ended=endings.append).run(pool)
    except Interrupted as e:
        return 128 + e.number
    told = [[e.shot, e.state, e.made, e.unit, e.trouble and e.trouble.log] for e in endings]
    show(json.dumps(told))
    return 0 if all(ending.state == "done" for ending in endings) else 8


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
