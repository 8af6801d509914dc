"""A few damaged files through the whole program; `python -m tests.fuzz` tries many more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.fuzz.mutate import mutant


def test_damaged_files_are_refused_or_edited_and_never_crash() -> None:
    # A process of its own: this one has threads, with which it cannot be forked safely.
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--count", "4"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_number_stands_for_one_damaged_file() -> None:
    whole = bytes(range(256)) * 20
    made = [mutant(whole, "a.mp4", seed) for seed in range(200)]
    assert made == [mutant(whole, "a.mp4", seed) for seed in range(200)]
    assert whole not in made
    assert len(set(made)) > 190
