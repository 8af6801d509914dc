"""A stand-in for Slurm: `sbatch` takes jobs down, and `carried_out` runs them in their order.

Like Slurm it runs a copy of the script, somewhere else, once its dependencies are over, and begins
a job again after `scontrol requeue`. Tasks of an array run one after the other, in any order.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_TOOL = """#!{python}
import json, os, pathlib, shutil, sys
folder = pathlib.Path({folder!r})
if {name!r} == "scontrol":
    assert sys.argv[1] == "requeue"
    assert "_" in sys.argv[2], "the whole array is begun again"
    (folder / f"again-{{sys.argv[2]}}").touch()
    os.kill(os.getppid(), 9)
    sys.exit()
options = []
words = sys.argv[1:]
while words and words[0].startswith("--"):
    options.append(words.pop(0))
number = len(list(folder.glob("job-*.json"))) + 1
shutil.copy(words[0], folder / f"script-{{number}}")
told = dict(options=options, words=words[1:], cwd=os.getcwd())
(folder / f"job-{{number}}.json").write_text(json.dumps(told))
print(f"{{number}};cluster")
"""


def installed(folder: Path) -> dict[str, str]:
    """Put the tools into a folder; return an environment in which they are found."""
    folder.mkdir()
    for name in ("sbatch", "scontrol"):
        path = folder / name
        path.write_text(_TOOL.format(python=sys.executable, folder=str(folder), name=name))
        path.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def jobs_of(folder: Path) -> dict[int, list[str]]:
    """Return the options of every job that was submitted."""
    paths = sorted(folder.glob("job-*.json"))
    return {int(path.stem[4:]): json.loads(path.read_text())["options"] for path in paths}


def carried_out(folder: Path, environment: Mapping[str, str], seed: int = 0) -> list[list[int]]:
    """Run all jobs; return the exit codes of each one's tasks, in the tasks' order."""
    codes: dict[int, list[int]] = {}
    for number, options in jobs_of(folder).items():
        told = dict(option[2:].partition("=")[::2] for option in options)
        if "dependency" in told:
            kind, _, other = told["dependency"].partition(":")
            assert kind == "afterany"
            assert int(other) in codes
        first, last = re.fullmatch(r"(\d+)-(\d+)", told["array"]).groups()
        tasks = list(range(int(first), int(last) + 1))
        order = random.Random(seed).sample(tasks, len(tasks))
        ends = {task: _task(folder, number, task, environment) for task in order}
        codes[number] = [ends[task] for task in tasks]
    return list(codes.values())


def _task(folder: Path, number: int, task: int, environment: Mapping[str, str]) -> int:
    job = json.loads((folder / f"job-{number}.json").read_text())
    again = folder / f"again-{number}_{task}"
    for restarts in range(9):
        process = subprocess.run(
            ["bash", str(folder / f"script-{number}"), *job["words"]],
            check=False,
            cwd=job["cwd"],
            env={
                **environment,
                "SLURM_ARRAY_JOB_ID": str(number),
                "SLURM_ARRAY_TASK_ID": str(task),
                "SLURM_RESTART_COUNT": str(restarts),
            },
        )
        if not again.exists():
            break
        again.unlink()
    return process.returncode
