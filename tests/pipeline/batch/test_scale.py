"""A batch of any size: each unit once though workers die, and what is delivered is not read."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pipeline.batch.listing import listed
from pipeline.batch.manifest import read_manifest
from pipeline.batch.schedule import Schedule
from pipeline.batch.shots import Desk, ShotCourse
from pipeline.batch.store import UnitStore
from pipeline.batch.units import Ending, Outcome, Unit
from tests.pipeline.batch import simulate
from tests.scale.reel import fill, written_reel

CHUNKS = 5


def test_workers_that_die_and_a_run_that_is_killed_leave_every_unit_made_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shots, store = 6, UnitStore(tmp_path, durable=False)
    tally = simulate.Tally(bytearray(shots * simulate.UNITS))
    world = simulate.World(store, shots, 20, 10, tally, random.Random(12))
    assert simulate.simulated(world)
    assert tally.deaths
    assert tally.lost == 19
    assert set(tally.made) == {1}
    assert "600 units: 600 whole, 0 not made exactly once" in capsys.readouterr().out


class Nobody:
    """A pool whose only worker must not be asked for anything."""

    idle = 1

    def give(self, unit: Unit) -> None:
        raise AssertionError(f"{unit.shot} {unit.name} is kept, and ordered")

    def outcome(self) -> Outcome:
        raise AssertionError


@pytest.fixture
def reel(tmp_path: Path) -> Path:
    """Two shots of one clip that are alike but for their names, and one more; all delivered."""
    manifest = written_reel(tmp_path, shots=3, chunks=CHUNKS, inputs=1)
    table = tmp_path / "shots.csv"
    table.write_text(table.read_text().replace("smile=0.0001", "smile=0.0000"))
    assert fill(read_manifest(manifest), CHUNKS) == 3 * (CHUNKS + 3)
    return manifest


def test_of_a_delivered_shot_no_unit_that_was_rendered_is_looked_at(
    reel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk.of(read_manifest(reel))
    asked: list[str] = []
    has = UnitStore.has

    def noted(store: UnitStore, kind: str, key: str) -> bool:
        asked.append(kind)
        return has(store, kind, key)

    monkeypatch.setattr(UnitStore, "has", noted)
    endings: list[Ending] = []
    courses = [ShotCourse(shot, desk) for shot in desk.reel.shots]
    Schedule(courses, desk.targets, ended=endings.append).run(Nobody())
    assert [ending.state for ending in endings] == ["done"] * 3
    assert sorted(asked) == ["analysis"] * 3 + ["join"] * 3


def test_shots_that_are_alike_but_for_their_names_each_have_a_target(reel: Path) -> None:
    desk = Desk.of(read_manifest(reel))
    assert {line.state for line in listed(desk, desk.reel.shots)} == {"kept"}
    (reel.parent / "out" / "sh00001.mp4").unlink()
    found = {(line.shot, line.unit): line.state for line in listed(desk, desk.reel.shots)}
    assert [name for name, state in found.items() if state != "kept"] == [("sh00001", "join")]


def test_a_chunk_that_is_gone_is_told_of_and_not_made_again_before_its_target_is(
    reel: Path,
) -> None:
    desk = Desk.of(read_manifest(reel))
    course = ShotCourse(desk.reel.shot("sh00002"), desk)
    desk.store.forget("render", course.chunks()[3].key)
    missing = [line for line in listed(desk, desk.reel.shots) if line.state != "kept"]
    assert [(line.shot, line.unit) for line in missing] == [("sh00002", "3")]
    assert course.is_delivered()
    course.target.unlink()
    assert not course.is_delivered()
