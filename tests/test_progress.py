"""How far a run is: one number over all passes, whatever shows it."""

from __future__ import annotations

import json
import os
import re
import sys
from datetime import datetime
from itertools import pairwise

import pytest

from pipeline import console, displays
from pipeline.displays import Lines, clock, watching
from pipeline.progress import Moment, Progress, one_of_several, passes


def run_through(progress: Progress, stages: dict[str, int], known: bool = True) -> None:
    for stage, frames in stages.items():
        progress.start(stage, frames if known else 0)
        for _ in range(frames):
            progress.advance(1)
        progress.finish()


def seen(stages: dict[str, int], *, skipped: tuple[str, ...] = ()) -> list[Moment]:
    moments: list[Moment] = []
    progress = Progress(moments.append)
    progress.expect(passes())
    for stage in skipped:
        progress.skip(stage)
    run_through(progress, stages)
    return moments


def test_one_number_rises_from_nothing_to_the_whole_over_all_passes() -> None:
    moments = seen({"analyze": 10, "prepare": 10, "edit": 10})
    shares = [moment.share for moment in moments]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    begins = [m.share for m in moments if not m.frames]
    assert begins == [0.0, pytest.approx(2 / 9), pytest.approx(4 / 9)]
    assert max(b - a for a, b in pairwise(shares)) < 0.1


def test_a_pass_that_is_not_needed_has_no_part_in_the_number() -> None:
    moments = seen({"edit": 4}, skipped=("analyze", "prepare"))
    assert [m.share for m in moments] == [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]


def test_a_pass_skipped_late_never_lets_the_number_fall() -> None:
    moments: list[Moment] = []
    progress = Progress(moments.append)
    progress.expect(passes())
    run_through(progress, {"analyze": 3})
    progress.skip("prepare")
    run_through(progress, {"edit": 3})
    shares = [moment.share for moment in moments]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_more_frames_than_the_container_said_are_not_more_than_the_pass() -> None:
    moments: list[Moment] = []
    progress = Progress(moments.append)
    progress.expect({"analyze": 1.0, "edit": 1.0})
    progress.start("analyze", 2)
    for _ in range(5):
        progress.advance(1)
    assert moments[-1].share == 0.5


def test_the_time_left_is_of_all_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("pipeline.progress.time.perf_counter", lambda: now[0])
    moments: list[Moment] = []
    progress = Progress(moments.append)
    progress.expect({"analyze": 1.0, "edit": 3.0})
    progress.start("analyze", 10)
    assert moments[-1].left_s is None
    now[0] += 5
    progress.advance(5)  # half of a quarter: 5 s of 40 s
    assert moments[-1].left_s == pytest.approx(35)
    assert moments[-1].rate == pytest.approx(1)
    now[0] += 5
    progress.finish()
    progress.start("edit", 10)
    now[0] += 30
    progress.advance(5)  # slower than thought: the last pass goes by its own speed alone
    assert moments[-1].left_s == pytest.approx(30)
    assert moments[-1].elapsed_s == pytest.approx(40)


def test_a_log_gets_a_line_a_tenth_with_time_and_speed(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(Lines())
    progress.expect(passes())
    run_through(progress, {"analyze": 900, "prepare": 900, "edit": 900})
    lines = capsys.readouterr().err.splitlines()
    tenths = [line.split("%")[0].split()[-1] for line in lines if "progress" in line]
    assert tenths == [str(10 * n) for n in range(1, 11)]
    assert all(re.search(r", 0:\d\d, \d+\.\d frames/s", li) for li in lines if "progress" in li)
    assert [line for line in lines if "progress" not in line] == [
        f"{stage} done: 900 frames" for stage in ("analyze", "prepare", "edit")
    ]


def test_a_log_of_a_clip_of_unknown_length_counts_frames(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_through(Progress(Lines()), {"analyze": 600}, known=False)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines[:2]] == [
        "analyze progress: 250 frames",
        "analyze progress: 500 frames",
    ]


@pytest.mark.parametrize("columns", [0, 60, 200])
def test_every_terminal_shows_a_bar(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(displays, "_columns", lambda: columns or 80)
    with watching(quiet=False) as progress:
        progress.expect(passes())
        run_through(progress, {"analyze": 4, "prepare": 4, "edit": 4})
    last = capsys.readouterr().err.rstrip("\n").split("\r")[-1]
    assert last.startswith("100%|█")
    assert "edit 4/4" in last
    assert len(last) <= min(100, columns or 80)


def test_a_terminal_that_says_it_has_no_columns_has_eighty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stderr, "fileno", lambda: 2, raising=False)
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((0, 0)))
    assert displays._columns() == 80


def test_a_terminal_that_goes_away_ends_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise OSError("gone")

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with watching(quiet=False) as progress:
        monkeypatch.setattr(sys.stderr, "write", gone)
        run_through(progress, {"edit": 3})
        monkeypatch.undo()


def test_times_are_told_as_people_write_them() -> None:
    assert [clock(s) for s in (0, 7.4, 754, 3723)] == ["0:00", "0:07", "12:34", "1:02:03"]


@pytest.mark.parametrize(
    ("how", "pattern"),
    [("farm", r"Progress: (\d+)%"), ("openjd", r"openjd_progress: (\d+)")],
)
def test_farms_read_each_number_once_on_stdout_rising_to_the_whole(
    capsys: pytest.CaptureFixture[str], how: str, pattern: str
) -> None:
    with watching(quiet=True, how=how) as progress:
        for number in range(2):
            part = one_of_several(progress, number, 2)
            part.expect(passes())
            run_through(part, {"analyze": 40, "prepare": 7, "edit": 300})
    said = capsys.readouterr()
    numbers = [int(found) for found in re.findall(rf"^{pattern}$", said.out, re.MULTILINE)]
    assert numbers == sorted(set(numbers))
    assert (numbers[0], numbers[-1], said.err) == (0, 100, "")
    statuses = re.findall(r"^openjd_status: (.*)$", said.out, re.MULTILINE)
    assert statuses == (["analyze", "prepare", "edit"] * 2 if how == "openjd" else [])


def test_a_log_of_json_says_in_every_line_when_what_and_how_far(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with console.log_restored(), watching(quiet=False, as_json=True) as progress:
        console.log_as("json")
        run_through(progress, {"edit": 20})
        console.say("warning", "odd\nthings")
    console.tell("plain again")
    *lines, last = capsys.readouterr().err.splitlines()
    entries = [json.loads(line) for line in lines]
    assert last == "plain again"
    assert [entry["share"] for entry in entries[:2]] == [0.1, 0.2]
    assert {entry["stage"] for entry in entries[:-1]} == {"edit"}
    assert (entries[-1]["level"], entries[-1]["message"]) == ("warning", "odd things")
    assert all(datetime.fromisoformat(entry["t"]).tzinfo is not None for entry in entries)
