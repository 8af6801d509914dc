"""A worker that is killed where memory runs out may do it later; one that dies otherwise fails."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pipeline.batch import workers
from pipeline.batch.units import Trouble, Unit
from pipeline.batch.workers import Processes, memory_kills

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


def end_of(number: int) -> Trouble:
    """Return what is said of a unit whose worker is ended by a signal."""
    die = f"import os; input(); os.kill(os.getpid(), {number})"
    with Processes([sys.executable, "-c", die], 1) as pool:
        pool.give(Unit("sh", "0", "render", "key"))
        outcome = pool.outcome()
    assert outcome.worker_died
    assert outcome.trouble is not None
    return outcome.trouble


@pytest.mark.parametrize(
    ("number", "kills", "exit_code"), [(9, [4, 5], 75), (9, [4, 4], 1), (11, [4, 5], 1)]
)
def test_a_kill_where_the_kernel_counts_one_for_memory_may_pass(
    number: int, kills: list[int], exit_code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "memory_kills", lambda: kills.pop(0))
    trouble = end_of(number)
    assert (trouble.exit_code, trouble.may_pass) == (exit_code, exit_code == 75)
    assert f"(signal {number})" in trouble.words
    assert trouble.words.endswith("out of memory") == (exit_code == 75)


def test_kills_are_counted_as_the_kernel_tells_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "vmstat"
    told.write_text("nr_free_pages 1234\noom_kill 3\ndrop_pagecache 7\n")
    monkeypatch.setattr(workers, "_KERNEL", told)
    assert memory_kills() == 3
    told.write_text("nr_free_pages 1234\n")
    assert memory_kills() == 0
    monkeypatch.setattr(workers, "_KERNEL", tmp_path / "no such file")
    assert memory_kills() == 0
