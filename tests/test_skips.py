"""Tests are skipped only for what is really not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.skips import is_refused

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("reason", "no_skips", "has_shared", "refused"),
    [
        ("the golden x.npz is not there", True, True, True),
        ("the golden x.npz is not there", False, True, False),
        ("the golden x.npz is not there", True, False, False),
        ("no CUDA device here", True, True, False),
        ("set VISAGIST_BIG_TESTS=1: needs 40 GB", True, True, False),
    ],
)
def test_a_skip_is_refused_only_where_nothing_is_lacking(
    reason: str, no_skips: bool, has_shared: bool, refused: bool
) -> None:
    assert is_refused(reason, no_skips=no_skips, has_shared=has_shared) is refused


def test_a_refused_skip_fails_the_run(shared: Path, tmp_path: Path) -> None:
    del shared
    test = tmp_path / "test_it.py"
    test.write_text("import pytest\ndef test_it():\n    pytest.skip('a golden is missing')\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", str(test)]
    for value, code in (("1", 1), ("0", 0)):
        environment = {**os.environ, "VISAGIST_NO_SKIPS": value}
        done = subprocess.run(
            command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert done.returncode == code, done.stdout
