"""Killed at a random moment, again and again: old or new, never half, and what is told is so.

A few kills here; `VISAGIST_KILLS=100 python -m pytest tests/test_kills.py` for as many as you like.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import av
import pytest

from models.files import remove_leftovers
from models.packs.store import Store
from tests.conftest import FaceClip
from tests.models.weight_files import Desk, encoder_state, generator_state, merged

ROOT = Path(__file__).resolve().parents[1]
KILLS = int(os.environ.get("VISAGIST_KILLS", "3"))
NOTHING = "no output was written"
WHOLE = "written before that, and whole: "

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


@dataclass
class Job:
    """A command, the files it makes with the test of each, and a line it prints near its end."""

    arguments: list[str]
    makes: dict[Path, Callable[[Path], object]]
    near_end: str = ""
    home: Path | None = None
    keeps: list[Path] = field(default_factory=list)

    def start(self) -> subprocess.Popen[str]:
        home = {"VISAGIST_HOME": str(self.home)} if self.home else {}
        return subprocess.Popen(
            [sys.executable, "-m", "pipeline", *self.arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **home},
            # A job started in the background ignores Ctrl-C, and so would its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
        )


def frames_of(path: Path) -> int:
    with av.open(str(path)) as video:
        count = sum(1 for _ in video.decode(video=0))
    assert count == 10
    return count


def json_of(path: Path) -> object:
    return json.loads(path.read_text())


@pytest.fixture
def jobs(tmp_path: Path, face_clip: FaceClip) -> dict[str, Job]:
    clip, stored = tmp_path / "clip.mp4", tmp_path / "stored.json"
    shutil.copy(face_clip.path, clip)
    shutil.copy(face_clip.analysis, stored)
    video, report, faces = (tmp_path / n for n in ("out.mp4", "report.json", "faces.json"))
    desk = Desk(tmp_path, Store(tmp_path / "home"))
    psp = desk.save("psp_faces.pt", merged(encoder_state(), generator_state()))
    edit = ["edit", str(clip), "-o", str(video), "--attr", "smile", "--overwrite"]
    edit += ["--report", str(report), "--analysis", str(stored)]
    analyze = ["analyze", str(clip), "-o", str(faces), "--overwrite"]
    return {
        "edit": Job(edit, {video: frames_of, report: json_of}, "edit progress: 100%", None, [clip]),
        "analyze": Job(analyze, {faces: json_of}, "analyze", None, [clip]),
        "import": Job(["models", "import", psp, "--as", "faces"], {}, home=desk.store.home),
    }


def killed(job: Job, number: int, rng: random.Random) -> tuple[int, str]:
    """Start, kill somewhere on the way or near the end; return the exit code and stderr."""
    process = job.start()
    assert process.stderr is not None
    lines: list[str] = []
    if job.near_end and rng.random() < 0.6:
        for line in process.stderr:
            lines.append(line)
            if line.startswith(job.near_end):
                break
        time.sleep(rng.uniform(0.0, 0.4))
    else:
        time.sleep(rng.uniform(0.0, 4.0))
    process.send_signal(number)
    _, rest = process.communicate(timeout=120)
    return process.returncode, "".join(lines) + rest


KINDS = ("edit", "analyze", "import", "edit")
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")


@pytest.mark.parametrize("turn", range(KILLS))
def test_a_run_killed_at_any_moment_leaves_old_or_new(
    jobs: dict[str, Job], tmp_path: Path, turn: int
) -> None:
    job = jobs[KINDS[turn % len(KINDS)]]
    number = getattr(signal, SIGNALS[turn % len(SIGNALS)])
    for path in job.makes:
        path.write_bytes(b"old")
    before = {path: path.read_bytes() for path in job.keeps}
    code, told = killed(job, number, random.Random(turn))
    # Before the program heeds signals they end it as they end any; SIGKILL always does.
    assert code in (0, 128 + number, -number), (code, told)
    new = {path for path in job.makes if path.read_bytes() != b"old"}
    for path in new:
        job.makes[path](path)
    check_told(told, code, number, new, set(job.makes))
    assert {path: path.read_bytes() for path in job.keeps} == before
    if job.home is not None:
        check_store(job)
    for folder in {tmp_path, *(path.parent for path in job.makes)}:
        remove_leftovers(folder)
    assert not [path for path in tmp_path.rglob("*") if ".visagist-" in path.name]


def check_told(told: str, code: int, number: int, new: set[Path], makes: set[Path]) -> None:
    assert "a bug in visagist" not in told
    if code == 0:
        assert new == makes
    if code == 128 + number:
        (line,) = [line for line in told.splitlines() if "visagist: interrupted: " in line]
        assert (NOTHING in line) == (not new) or not makes, line
        if WHOLE in line:
            named = {Path(name) for name in line.partition(WHOLE)[2].split(", ")}
            assert named == new or not makes, line


def check_store(job: Job) -> None:
    """What is in the store is right or marked as left over, and the same import mends it."""
    assert job.home is not None
    store = Store(job.home)
    assert {finding.state for finding in store.verify()} <= {"ok", "left over"}
    process = job.start()
    _, told = process.communicate(timeout=120)
    assert process.returncode == 0, told
    assert {finding.state for finding in store.verify()} == {"ok"}
