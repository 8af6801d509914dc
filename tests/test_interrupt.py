"""Killed at any moment: the input stays, and nothing is left that looks finished."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import analyze_to_file
from tests.conftest import Pictures

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, astronaut: Pictures, clip_of: Callable[..., Path]
) -> tuple[bytes, Path]:
    """A clip of 60 frames, longer than a test takes to kill the run, and its analysis."""
    folder = tmp_path_factory.mktemp("long")
    clip = clip_of(folder / "long.mp4", (astronaut + astronaut[::-1]) * 3)
    return clip.read_bytes(), analyze_to_file(clip)[0]


@pytest.fixture
def long_clip(tmp_path: Path, made: tuple[bytes, Path]) -> Path:
    """The clip, alone in a folder of its own."""
    clip = tmp_path / "long.mp4"
    clip.write_bytes(made[0])
    return clip


def _heed_interrupts() -> None:
    """A job started in the background ignores Ctrl-C or hang-ups, and so would its children."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def start(clip: Path, output: Path, analysis: Path) -> subprocess.Popen[str]:
    """Start an edit and return when its render pass has edited some frames."""
    options = ["--attr", "smile", "--overwrite", "--analysis", str(analysis)]
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "edit", str(clip), "-o", str(output), *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=_heed_interrupts,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("edit progress"):
            return process
    raise AssertionError(f"the run ended with {process.wait()} before its render pass")


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_an_interrupt_says_so_and_leaves_everything_as_it_was(
    long_clip: Path, made: tuple[bytes, Path], tmp_path: Path, name: str, code: int
) -> None:
    before = long_clip.read_bytes()
    output = tmp_path / "out.mp4"
    output.write_bytes(b"an older result")
    process = start(long_clip, output, made[1])
    process.send_signal(getattr(signal, name))
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert out == ""
    assert err.splitlines()[-1] == "visagist: interrupted: no output was written"
    assert "Traceback" not in err
    assert output.read_bytes() == b"an older result"
    assert long_clip.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["long.mp4", "out.mp4"]


def test_a_kill_leaves_the_input_and_no_file_that_looks_finished(
    long_clip: Path, made: tuple[bytes, Path], tmp_path: Path
) -> None:
    before = long_clip.read_bytes()
    process = start(long_clip, tmp_path / "out.mp4", made[1])
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert long_clip.read_bytes() == before
    left = [p.name for p in tmp_path.iterdir() if p != long_clip]
    assert all(name.startswith(".") and ".part" in name for name in left), left


def test_an_interrupt_while_faces_are_looked_for_leaves_no_analysis(
    long_clip: Path, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "analyze", str(long_clip)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=_heed_interrupts,
    )
    assert process.stderr is not None
    process.stderr.readline()
    process.send_signal(signal.SIGINT)
    begin = time.monotonic()
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - begin < 30
    assert [p.name for p in tmp_path.iterdir()] == ["long.mp4"]
