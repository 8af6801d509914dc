"""Killed at random moments, with two runs at once: nothing half is kept, and the same ends it.

A few kills here, of fake work; `python -m tests.pipeline.batch.kill_edits --kills 50` does it to
real edits.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.batch.store import UnitStore
from tests.pipeline.batch.fakes import ROOT, command, hashes

KILLS = int(os.environ.get("VISAGIST_KILLS", "6"))

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


def started(folder: Path, processes: int = 2, fate: str = "  ") -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(folder, str(processes)),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "FATE": fate},
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, list[list[object]]]:
    out, _ = process.communicate(timeout=120)
    return process.returncode, json.loads(out) if out else []


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """Return the numbers of its child processes, as Linux tells them."""
    try:
        text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    except OSError:
        return []
    return [int(number) for number in text.split()]


def test_two_runs_killed_at_any_moment_and_begun_again_end_as_one_that_was_left_alone(
    tmp_path: Path,
) -> None:
    calm, stormy = tmp_path / "calm", tmp_path / "stormy"
    assert ended(started(calm))[0] == 0
    rng = random.Random(12)
    for turn in range(KILLS):
        runs = [started(stormy) for _ in range(1 + turn % 2)]
        time.sleep(rng.uniform(0.1, 1.0))
        for run in runs:
            workers = workers_of(run)
            victim = rng.choice([run.pid, *workers])
            os.kill(victim, signal.SIGKILL)
        for run in runs:
            run.kill()
            run.communicate()
    code, endings = ended(started(stormy))
    assert (code, [ending[1] for ending in endings]) == (0, ["done"] * 3)
    assert hashes(stormy) == hashes(calm)
    assert len(hashes(calm)) == 3
    store = UnitStore(stormy / "work")
    units = list(store.all())
    assert len(units) == 21
    for kind, key in units:
        store.checked(kind, key)
    check_nothing_is_left(stormy)


def check_nothing_is_left(folder: Path) -> None:
    """Workers whose run was killed end by themselves, and what they began is removed."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        UnitStore(folder / "work").sweep(everything=True)
        if not list((folder / "work" / "tmp").iterdir()):
            return
        time.sleep(0.1)
    assert list((folder / "work" / "tmp").iterdir()) == []


def attempts(folder: Path) -> list[str]:
    """Return the units that were begun, in all runs so far."""
    path = folder / "attempts"
    return path.read_text().splitlines() if path.exists() else []


def test_two_runs_share_the_work_and_what_one_leaves_the_other_takes(tmp_path: Path) -> None:
    together, one_dies = tmp_path / "together", tmp_path / "one_dies"
    runs = [started(together, processes=1) for _ in range(2)]
    assert [ended(run)[0] for run in runs] == [0, 0]
    assert len(set(attempts(together))) == 21
    assert len(attempts(together)) <= 21 + 7  # at worst the last shot twice: by chance, 35

    runs = [started(one_dies, processes=1) for _ in range(2)]
    while not (workers := workers_of(runs[0])) or len(attempts(one_dies)) < 4:
        time.sleep(0.01)
    for victim in (*workers, runs[0].pid):
        os.kill(victim, signal.SIGKILL)
    runs[0].communicate()
    assert ended(runs[1])[0] == 0
    assert len(attempts(one_dies)) <= 21 + 3
    assert hashes(one_dies) == hashes(together)


def test_a_worker_that_is_killed_is_replaced_and_its_unit_made(tmp_path: Path) -> None:
    process = started(tmp_path, processes=2)
    killed = 0
    end = time.monotonic() + 30
    while killed < 3 and time.monotonic() < end and process.poll() is None:
        if len(workers := workers_of(process)) == 2:
            os.kill(workers[killed % 2], signal.SIGKILL)
            killed += 1
        time.sleep(0.3)
    code, endings = ended(process)
    assert code == 0
    assert killed
    assert [ending[1] for ending in endings] == ["done"] * 3


def test_a_unit_that_always_kills_its_worker_fails_with_its_last_words_and_the_rest_goes_on(
    tmp_path: Path,
) -> None:
    code, endings = ended(started(tmp_path, fate="die sh1 2"))
    assert code == 8
    states = {shot: (state, unit) for shot, state, _, unit, _ in endings}
    assert states == {"sh0": ("done", ""), "sh1": ("failed", "2"), "sh2": ("done", "")}
    (log,) = [log for shot, _, _, _, log in endings if shot == "sh1"]
    assert log == ["about to die in 2"]
    assert sorted(hashes(tmp_path)) == ["sh0.out", "sh2.out"]


def test_a_full_disk_stops_the_run_after_three_attempts_and_nothing_is_delivered_half(
    tmp_path: Path,
) -> None:
    code, endings = ended(started(tmp_path, processes=1, fate="fill sh0 analysis"))
    assert code == 8
    assert [ending[1] for ending in endings] == ["later", "stopped", "stopped"]
    assert hashes(tmp_path) == {}
    assert ended(started(tmp_path))[0] == 0
    assert len(hashes(tmp_path)) == 3


def test_one_process_and_three_make_the_same(tmp_path: Path) -> None:
    for processes in (1, 3):
        assert ended(started(tmp_path / str(processes), processes))[0] == 0
    assert hashes(tmp_path / "1") == hashes(tmp_path / "3")


def test_a_run_that_is_asked_to_end_takes_its_workers_along(tmp_path: Path) -> None:
    process = started(tmp_path, processes=2)
    while len(workers := workers_of(process)) < 2 and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 143
    end = time.monotonic() + 20
    while (there := [p for p in workers if Path(f"/proc/{p}").exists()]) and time.monotonic() < end:
        time.sleep(0.05)
    assert there == []
    tmp = tmp_path / "work" / "tmp"
    assert not tmp.exists() or list(tmp.iterdir()) == []
