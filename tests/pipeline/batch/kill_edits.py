"""Real edits killed at random moments: `python -m tests.pipeline.batch.kill_edits --kills 50`.

Three shots of the sample clip are delivered in peace, and then in a folder where runs, half of them
two at once, are killed by SIGKILL, or one of their workers is. The same command then has to deliver
the same bytes, and nothing half may be left. Exits 1 if not. Linux only.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.batch.store import UnitStore
from pipeline.console import show
from tests.pipeline.batch.fakes import ROOT
from tests.pipeline.batch.test_kill import check_nothing_is_left, workers_of

MANIFEST = """version = 1
work = "work"
output = "{shot}.out.mp4"
[defaults]
input = "astronaut.mp4"
attr = "smile=0.8"
chunk = 3
[[shot]]
name = "a"
frames = "0-11"
[[shot]]
name = "b"
frames = "30-38"
[[shot]]
name = "c"
frames = "60-68"
attr = "smile=-0.5"
"""


SHOTS = 3


def prepared(folder: Path) -> Path:
    """Make a folder with the manifest and its clip."""
    folder.mkdir()
    shutil.copy(ROOT / "samples" / "astronaut.mp4", folder)
    (folder / "reel.toml").write_text(MANIFEST)
    return folder


def started(folder: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pipeline", "run", str(folder / "reel.toml"), *options]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, text=True)


def stormed(folder: Path, kills: int, rng: random.Random) -> None:
    """Begin runs and kill them, or a worker of theirs, until enough were killed."""
    done = 0
    while done < kills:
        runs = [started(folder, "--on", "processes:2") for _ in range(1 + done % 2)]
        time.sleep(rng.uniform(0.5, 9.0))
        for run in runs:
            for victim in (rng.choice([run.pid, *workers_of(run)]), run.pid):
                if run.poll() is None:
                    os.kill(victim, signal.SIGKILL)
                    done += 1
            run.wait()
        units = list(UnitStore(folder / "work").all())
        show(f"{done} kills, {len(units)} units kept")
        if sum(kind == "join" for kind, _ in units) == SHOTS:  # begin anew: something is to be made
            shutil.rmtree(folder / "work" / "store", ignore_errors=True)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=50)
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as name:
        calm, stormy = prepared(Path(name) / "calm"), prepared(Path(name) / "stormy")
        if started(calm).wait():
            return 1
        stormed(stormy, options.kills, random.Random(12))
        if started(stormy, "--overwrite").wait() or started(stormy, "--clean").wait():
            return 1
        targets = sorted(path.name for path in calm.glob("*.out.mp4"))
        same = [(calm / n).read_bytes() == (stormy / n).read_bytes() for n in targets]
        store = UnitStore(stormy / "work")
        units = list(store.all())
        for kind, key in units:
            store.checked(kind, key)
        check_nothing_is_left(stormy)
        show(f"{len(targets)} targets, {sum(same)} equal; {len(units)} units, all whole; tmp empty")
        return 0 if len(targets) == SHOTS and all(same) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
