"""What is made next, by fake work: each unit once, a bad shot alone, what is kept never again."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from pipeline.batch.reel import Account
from pipeline.batch.schedule import Schedule
from pipeline.batch.units import Ending, Outcome, State, Trouble, Unit
from tests.pipeline.batch.fakes import FakeMaker, FakeShot, hashes, made_here


@pytest.fixture(autouse=True)
def _no_power_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of targets are not flushed to the disk one by one."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


UNITS = 7
"""Of a fake shot."""


def test_200_shots_with_5_unusable_ones_are_195_delivered_and_mending_two_makes_those_alone(
    tmp_path: Path,
) -> None:
    bad = (3, 50, 51, 120, 199)
    shots = [FakeShot(f"sh{n:03}", chunks=2, unusable=n in bad) for n in range(200)]
    endings, made = made_here(tmp_path, shots)
    failed = {ending.shot: ending for ending in endings if ending.state == "failed"}
    assert sorted(failed) == [f"sh{n:03}" for n in bad]
    for name, ending in failed.items():
        assert ending.trouble is not None
        assert (ending.trouble.words, ending.trouble.exit_code) == (f"{name}.mp4 is no video", 3)
    assert len(hashes(tmp_path)) == 195
    assert made.total() == 195 * 5

    mended = [replace(shot, unusable=n in bad[2:]) for n, shot in enumerate(shots)]
    _, made = made_here(tmp_path, mended)
    assert made == {"sh003": 5, "sh050": 5}
    assert len(hashes(tmp_path)) == 197


def test_what_is_kept_is_not_made_again_and_a_damaged_chunk_alone_is(tmp_path: Path) -> None:
    shot = FakeShot("sh")
    assert made_here(tmp_path, [shot])[1].total() == UNITS
    assert made_here(tmp_path, [shot])[1].total() == 0
    before = hashes(tmp_path)
    store = FakeMaker(tmp_path).store
    chunk = shot.unit("2")
    (store.path(chunk.kind, chunk.key) / "0").write_bytes(b"short")
    (tmp_path / "sh.out").unlink()
    assert made_here(tmp_path, [shot])[1].total() == 2  # the chunk, and the target
    assert hashes(tmp_path) == before


def test_a_target_that_was_changed_by_others_is_made_again(tmp_path: Path) -> None:
    shot = FakeShot("sh")
    made_here(tmp_path, [shot])
    before = hashes(tmp_path)
    (tmp_path / "sh.out").write_bytes(b"something else")
    assert made_here(tmp_path, [shot])[1].total() == 1
    assert hashes(tmp_path) == before


def test_targets_are_recognised_without_what_was_noted_of_shots(tmp_path: Path) -> None:
    shot = FakeShot("sh")
    made_here(tmp_path, [shot])
    (tmp_path / "work" / "shots" / "sh.json").unlink()
    targets = FakeMaker(tmp_path).targets
    assert targets.is_ours("sh", tmp_path / "sh.out")
    assert made_here(tmp_path, [shot])[1].total() == 0
    (tmp_path / "sh.out").write_bytes(b"of somebody else")
    assert not FakeMaker(tmp_path).targets.is_ours("sh", tmp_path / "sh.out")


class Scripted:
    """A pool whose outcomes are told before; what is not told succeeds."""

    def __init__(
        self, shot: FakeShot, outcomes: dict[str, list[Outcome | None]], workers: int = 1
    ) -> None:
        self._workers = workers
        self.kept: set[str] = set()
        self.given: list[str] = []
        self._outcomes, self._now, self._shot = outcomes, list[Unit](), shot

    def has(self, kind: str, key: str) -> bool:
        return key in self.kept

    @property
    def idle(self) -> int:
        return self._workers - len(self._now)

    def give(self, unit: Unit) -> None:
        self._now.append(unit)
        self.given.append(unit.name)

    def outcome(self) -> Outcome:
        unit = self._now.pop(0)
        told = self._outcomes.get(unit.name)
        outcome = told.pop(0) if told else None
        if outcome is None:
            self.kept.add(unit.key)
            return Outcome(unit)
        if outcome.broken:
            self.kept.discard(self._shot.unit("analysis").key)
        return replace(outcome, unit=unit)


NOBODY = Unit("", "", "", "")
DIED = Outcome(NOBODY, Trouble("killed", 1), worker_died=True)
BROKEN = Outcome(NOBODY, Trouble("damaged", 1), broken=True)
FULL = Outcome(NOBODY, Trouble("no space", 75, may_pass=True))
BESIDE = Outcome(NOBODY, elsewhere=True)
BAD = Outcome(NOBODY, Trouble("no face", 7))


def run(
    outcomes: dict[str, list[Outcome | None]],
    *,
    halt: bool = False,
    shots: int = 1,
    workers: int = 1,
) -> tuple[list[Ending], list[str], bool]:
    first = FakeShot("sh0", chunks=2)
    pool, endings = Scripted(first, outcomes, workers), list[Ending]()
    courses = [first, *(FakeShot(f"sh{n}", chunks=2) for n in range(1, shots))]
    whole = Schedule(courses, pool, halt=halt, ended=endings.append).run(pool)
    return endings, pool.given, whole


def test_a_unit_whose_worker_dies_is_tried_three_times() -> None:
    endings, given, _ = run({"1": [DIED, DIED]})
    assert endings[0].state == "done"
    assert Counter(given)["1"] == 3
    endings, given, _ = run({"1": [DIED] * 9})
    assert (endings[0].state, endings[0].unit) == ("failed", "1")
    assert Counter(given)["1"] == 3
    assert "join" not in given


def test_what_was_damaged_is_made_again_before_what_needs_it() -> None:
    endings, given, _ = run({"1": [BROKEN]})
    assert endings[0].state == "done"
    assert given == ["analysis", "codes", "0", "1", "analysis", "1", "join"]


def test_what_another_run_makes_is_left_to_it_while_there_is_anything_else() -> None:
    endings, given, _ = run({"codes": [BESIDE, None]}, shots=2)
    assert [ending.state for ending in endings] == ["done", "done"]
    first, second = ["analysis", "codes"], ["analysis", "codes", "0", "1", "join"]
    assert given == [*first, *second, "codes", "0", "1", "join"]  # it is not waited for
    assert {ending.shot: ending.made for ending in endings} == {"sh0": 5, "sh1": 5}


def test_what_another_run_has_made_meanwhile_is_not_made_again() -> None:
    shot, endings = FakeShot("sh0", chunks=2), list[Ending]()

    class Other(Scripted):
        def outcome(self) -> Outcome:
            outcome = super().outcome()
            if outcome.elsewhere:
                self.kept.add(outcome.unit.key)
            return outcome

    pool = Other(shot, {"0": [BESIDE], "1": [BESIDE]}, workers=2)
    assert Schedule([shot], pool, ended=endings.append).run(pool)
    assert pool.given == ["analysis", "codes", "0", "1", "join"]
    assert [(ending.state, ending.made) for ending in endings] == [("done", 3)]


def test_trouble_that_may_pass_three_times_in_a_row_stops_the_run() -> None:
    endings, _, whole = run({"analysis": [FULL, FULL, None]}, shots=5)
    assert whole
    assert {ending.state for ending in endings} == {"done"}
    endings, given, whole = run({"analysis": [FULL] * 99}, shots=5)
    assert not whole
    assert [ending.state for ending in endings] == ["later", *["stopped"] * 4]
    assert len(given) == 3


def test_a_run_that_is_stopped_by_units_side_by_side_says_why() -> None:
    endings, _, whole = run({"analysis": [FULL] * 3}, shots=5, workers=3)
    assert not whole
    (later,) = (ending for ending in endings if ending.state == "later")
    assert later.trouble is not None
    told = (later.shot, later.unit, later.trouble.words)
    assert told == ("sh2", "analysis", "no space")  # of the third one in a row
    assert {ending.state for ending in endings if ending is not later} == {"stopped"}


class Full(FakeShot):
    def stages(self) -> Iterator[Sequence[Unit]]:
        if self.chunks:
            raise OSError(28, "No space left on device", "somewhere")
        yield from super().stages()


def test_a_disk_that_is_full_when_shots_are_opened_stops_the_run() -> None:
    shots, endings = [Full(f"sh{n}") for n in range(9)], list[Ending]()
    assert not Schedule(shots, Scripted(shots[0], {}), ended=endings.append).run(
        Scripted(shots[0], {})
    )
    assert Counter(ending.state for ending in endings) == {"later": 3, "stopped": 6}
    assert endings[0].trouble is not None
    assert endings[0].trouble.words.startswith("somewhere: No space left on device")


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ("done skipped", 0),
        ("done failed", 8),
        ("failed stopped", 8),  # stopped at the first that failed
        ("done later", 75),
        ("failed later", 75),  # what can be done later is, and then it is 8
        ("failed later stopped", 75),
    ],
)
def test_a_run_ends_with_try_again_as_long_as_that_may_help(states: str, code: int) -> None:
    account = Account([Ending("sh", cast("State", state)) for state in states.split()])
    error = account.error()
    assert (error.exit_code if error else 0) == code


def test_a_shot_that_fails_stops_nobody_unless_that_is_asked_for() -> None:
    endings, _, whole = run({"codes": [BAD]}, shots=3)
    assert whole
    assert [ending.state for ending in endings] == ["failed", "done", "done"]
    endings, given, whole = run({"codes": [BAD]}, shots=3, halt=True)
    assert not whole
    assert [ending.state for ending in endings] == ["failed", "stopped", "stopped"]
    assert given == ["analysis", "codes"]


def test_shots_that_share_a_unit_have_it_made_once() -> None:
    same = FakeShot("one", chunks=1)
    pool, endings = Scripted(same, {}), list[Ending]()

    class Alias(FakeShot):
        def unit(self, name: str) -> Unit:
            unit = same.unit(name)
            return unit if name == "analysis" else super().unit(name)

    Schedule([same, Alias("two", chunks=1)], pool, ended=endings.append).run(pool)
    assert Counter(pool.given) == {"analysis": 1, "codes": 2, "0": 2, "join": 2}
    assert [ending.state for ending in endings] == ["done", "done"]
