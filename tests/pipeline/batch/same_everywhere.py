"""The same bytes, whoever computes: `python -m tests.pipeline.batch.same_everywhere`.

Three shots of the sample clip are delivered by one worker process, by three, by a Ray cluster of
two nodes of which one is taken away and on which a worker is killed, by the local runner of Open
Job Description, and by the script for Slurm. Exits 1 if a target differs. Needs the extra
`cluster`, and `openjd` (of openjd-cli) in the PATH; what is missing is named and left out.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from pipeline.console import show, tell
from tests.pipeline.batch import slurm_stand_in
from tests.pipeline.batch.fakes import ROOT
from tests.pipeline.batch.kill_edits import SHOTS, prepared


def program(folder: Path) -> Path:
    """Write the program as a command of its own, in a place that needs quotes."""
    path = folder / "the program's"
    words = shlex.join([sys.executable, "-m", "pipeline"])
    path.write_text(f'#!/bin/bash\ncd {shlex.quote(str(ROOT))}\nexec {words} "$@"\n')
    path.chmod(0o755)
    return path


def processes(count: int) -> Callable[[Path], int]:
    """Return what delivers with worker processes."""
    return lambda folder: _pipeline("run", folder / "reel.toml", "--on", f"processes:{count}")


def ray(folder: Path) -> int:
    """Deliver on a Ray cluster."""
    return _called([sys.executable, "-m", "tests.pipeline.batch.two_nodes", folder / "reel.toml"])


def openjd(folder: Path) -> int:
    """Deliver with the runner of Open Job Description."""
    template = folder / "job.yaml"
    emit(folder, "openjd", template)
    command = [shutil.which("openjd"), "run", template]
    return _called([*command, "-p", f"Visagist={program(folder)}"])


def slurm(folder: Path) -> int:
    """Deliver with the script for Slurm, and a stand-in for that."""
    script, tools = folder / "job.sh", folder / "tools"
    emit(folder, "slurm", script)
    environment = slurm_stand_in.installed(tools) | {"VISAGIST": str(program(folder))}
    subprocess.run(["bash", script], env=environment, check=True, stdout=subprocess.DEVNULL)
    codes = slurm_stand_in.carried_out(tools, environment)
    return max(code for job in codes for code in job)


def real_slurm(folder: Path) -> int:
    """Deliver with Slurm itself."""
    script = folder / "job.sh"
    emit(folder, "slurm", script)
    environment = {**os.environ, "VISAGIST": str(program(folder))}
    options = [f"--output={str(folder).replace('%', '%%')}/slurm-%x-%a.log"]
    submit = ["bash", str(script), *options]
    said = subprocess.run(submit, env=environment, check=True, text=True, capture_output=True)
    last = said.stdout.splitlines()[-1].split()[2].strip(",")
    while subprocess.run(["squeue", "-h", "-j", last], capture_output=True, check=False).stdout:
        time.sleep(1)
    return 0


def emit(folder: Path, language: str, path: Path) -> None:
    """Write the job of a farm, with every shot's chunks in two shares."""
    command = ["run", folder / "reel.toml", "--emit", language, "--shares", "2"]
    with path.open("w") as file:
        assert _pipeline(*command, stdout=file) == 0


def _pipeline(*words: object, stdout: IO[str] | int = subprocess.DEVNULL) -> int:
    return _called([sys.executable, "-m", "pipeline", *words], stdout)


def _called(words: Sequence[object], stdout: IO[str] | int = subprocess.DEVNULL) -> int:
    command = [str(word) for word in words]
    quiet = subprocess.DEVNULL
    return subprocess.run(command, cwd=ROOT, check=False, stdout=stdout, stderr=quiet).returncode


WAYS: dict[str, Callable[[Path], int]] = {
    "processes:1": processes(1),
    "processes:3": processes(3),
    "ray": ray,
    "openjd": openjd,
    "slurm": slurm,
    "real-slurm": real_slurm,
}
"""How shots are delivered into a folder; each returns an exit code."""


def missing(way: str) -> str:
    """Return what a way needs and is not there; empty if nothing is."""
    if way == "ray" and importlib.util.find_spec("ray") is None:
        return "the extra `cluster`"
    tool = {"openjd": "openjd", "real-slurm": "sbatch"}.get(way)
    return f"`{tool}` in the PATH" if tool and shutil.which(tool) is None else ""


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every target."""
    files = sorted(folder.glob("*.out.mp4"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("ways", nargs="*", help=f"default: all of {', '.join(list(WAYS)[:-1])}")
    ways = parser.parse_args(arguments).ways or list(WAYS)[:-1]
    results: dict[str, dict[str, str]] = {}
    with TemporaryDirectory() as name:
        for way in ways:
            if lack := missing(way):
                show(f"{way:12} left out: needs {lack}")
                continue
            folder = prepared(Path(name) / f"it's {way.replace(':', ' ')}")
            begin = time.monotonic()
            code = WAYS[way](folder)
            results[way] = hashes(folder)
            told = "  ".join(f"{key} {digest[:16]}" for key, digest in results[way].items())
            show(f"{way:12} exit {code}  {time.monotonic() - begin:5.0f} s  {told}")
            if code or len(results[way]) != SHOTS:
                return 1
    is_same = len({tuple(result.values()) for result in results.values()}) == 1
    tell("all targets are equal" if is_same else "targets DIFFER")
    return 0 if is_same else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
