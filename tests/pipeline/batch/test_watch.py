"""One number over a whole batch never falls and ends with 100, whatever becomes of the shots."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.batch.schedule import Schedule
from pipeline.batch.units import Ending
from pipeline.batch.watch import Extent, Watch
from pipeline.batch.workers import Processes
from pipeline.displays import FARM, OPENJD, Shares
from pipeline.progress import Moment
from tests.pipeline.batch.fakes import SHOTS, FakeMaker, FakePool, FakeShot, command


class Told:
    """What a watch told, moment by moment."""

    def __init__(self) -> None:
        self.moments: list[Moment] = []

    def __call__(self, moment: Moment) -> None:
        self.moments.append(moment)

    @property
    def shares(self) -> list[float]:
        return [moment.share for moment in self.moments]


def made(
    folder: Path, shots: list[FakeShot], extents: dict[str, Extent], *, halt: bool = False
) -> Told:
    """Make shots in this process; return what was told of it."""
    maker, told = FakeMaker(folder, pause_s=0, durable=False), Told()
    for shot in shots:
        maker.expect(shot)
    watch = Watch(told, extents)
    pool = FakePool(maker, shots)
    Schedule(
        [watch.course(shot) for shot in shots],
        maker.targets,
        halt=halt,
        ended=watch.ended,
        noted=watch.noted,
    ).run(pool)
    return told


def check_rises(shares: list[float]) -> None:
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert all(share < 1 for share in shares[:-1])


def test_it_rises_with_the_frames_of_the_shots_and_ends_with_100(tmp_path: Path) -> None:
    shots = [FakeShot("long"), FakeShot("short")]
    told = made(tmp_path, shots, {"long": Extent(900, 900), "short": Extent(100, 100)})
    check_rises(told.shares)
    assert len(told.shares) >= 14  # with every unit
    assert any(0.85 < share <= 0.9 for share in told.shares)  # the long one is 90 % of the work
    assert told.moments[-1].frames == told.moments[-1].total == 1000


def test_shots_that_fail_and_shots_that_are_kept_are_dealt_with(tmp_path: Path) -> None:
    shots = [FakeShot("a"), FakeShot("bad", unusable=True), FakeShot("c")]
    extents = dict.fromkeys(["a", "bad", "c"], Extent())
    check_rises(made(tmp_path, shots, extents).shares)
    again = made(tmp_path, shots, extents)
    check_rises(again.shares)
    assert again.moments[-1].left_s is None  # nothing was made, so nobody knows


def test_a_run_that_is_stopped_does_not_say_that_all_is_done(tmp_path: Path) -> None:
    shots = [FakeShot("bad", unusable=True), FakeShot("c")]
    told = made(tmp_path, shots, dict.fromkeys(["bad", "c"], Extent()), halt=True)
    assert max(told.shares) == pytest.approx(0.5)


def test_more_frames_than_expected_do_not_turn_it_back(tmp_path: Path) -> None:
    told = made(tmp_path, [FakeShot("a", chunks=9)], {"a": Extent(1, 0)})
    check_rises(told.shares)


def test_units_say_how_far_they_are_from_worker_processes_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maker, told = FakeMaker(tmp_path, pause_s=0), Told()
    for shot in SHOTS:
        maker.expect(shot)
    watch = Watch(told, {shot.name: Extent() for shot in SHOTS})
    endings: list[Ending] = []

    def ended(ending: Ending) -> None:
        endings.append(ending)
        watch.ended(ending)

    with Processes(command(tmp_path, "--serve"), 2, shared=watch.within) as pool:
        courses = [watch.course(shot) for shot in SHOTS]
        Schedule(courses, maker.targets, ended=ended, noted=watch.noted).run(pool)
    assert [ending.state for ending in endings] == ["done"] * 3
    check_rises(told.shares)
    units = len(SHOTS) * 7
    assert len(told.shares) > units + 10  # the fake makers tell of each third of a unit


@pytest.mark.parametrize(("how", "first"), [(FARM, "Progress: "), (OPENJD, "openjd_progress: ")])
def test_lines_for_farms_rise_too(
    how: str, first: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shots = [FakeShot("a"), FakeShot("b")]
    maker = FakeMaker(tmp_path, pause_s=0, durable=False)
    for shot in shots:
        maker.expect(shot)
    watch = Watch(Shares(how), {shot.name: Extent() for shot in shots})
    courses = [watch.course(shot) for shot in shots]
    Schedule(courses, maker.targets, ended=watch.ended, noted=watch.noted).run(
        FakePool(maker, shots)
    )
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(first)]
    numbers = [int(line.removeprefix(first).rstrip("%")) for line in lines]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 100
