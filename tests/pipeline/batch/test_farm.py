"""Jobs of render farms: which tasks there are, what they call, what becomes of those that fail.

The program they call is a double that writes down how it was called; `same_everywhere.py` has them
make real edits.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from pipeline.batch.command import Asked, emitted
from pipeline.batch.emit import job_of
from pipeline.batch.manifest import read_manifest
from pipeline.cli import main
from tests.pipeline.batch import slurm_stand_in

NAME = 're el\'s "x" {{Job}}.toml'
"""Of a manifest: all that a shell, YAML or a template could take for something else."""


def manifest(folder: Path, clips: Mapping[str, str], name: str = NAME) -> Path:
    """Write a manifest of shots by name, each with its clip."""
    shots = "".join(
        f'[[shot]]\nname = "{name}"\ninput = "{clip}"\n' for name, clip in clips.items()
    )
    path = folder / name
    path.write_text(f'version = 1\noutput = "{{shot}}.mp4"\n[defaults]\nattr = "smile"\n{shots}')
    return path


def steps(path: Path, shares: int = 1) -> list[tuple[str, tuple[str, ...], str, int]]:
    reel = read_manifest(path)
    job = job_of(reel, reel.shots, shares=shares)
    assert (job.steps[-1].name, job.steps[-1].tasks) == ("report", 1)
    return [(step.name, step.shots, step.unit, step.shares) for step in job.steps[:-1]]


def test_a_shot_is_a_task_and_a_clip_of_several_shots_is_analysed_once_before(
    tmp_path: Path,
) -> None:
    path = manifest(tmp_path, {"a": "1.mp4", "b": "2.mp4"})
    assert steps(path) == [("deliver", ("a", "b"), "", 1)]
    path = manifest(tmp_path, {"a": "1.mp4", "b": "2.mp4", "c": "1.mp4"})
    assert steps(path) == [
        ("analyse", ("a", "b"), "analysis", 1),
        ("deliver", ("a", "b", "c"), "", 1),
    ]


def test_the_chunks_of_a_shot_are_shared_out_when_all_that_they_need_is_made(
    tmp_path: Path,
) -> None:
    path = manifest(tmp_path, {"a": "1.mp4", "b": "1.mp4"})
    assert steps(path, shares=3) == [
        ("analyse", ("a",), "analysis", 1),
        ("prepare", ("a", "b"), "codes", 1),
        ("render", ("a", "b"), "", 3),
        ("deliver", ("a", "b"), "", 1),
    ]


def test_steps_of_more_shots_than_a_template_may_name_are_cut(tmp_path: Path) -> None:
    names = [f"sh{number:04}" for number in range(2500)]
    path = manifest(tmp_path, dict.fromkeys(names, "1.mp4"))
    text = emitted(Asked(path), "openjd")
    ranges = [json.loads(found) for found in re.findall(r"range: (\[.*\])", text)]
    assert ranges[0] == ["sh0000"]
    assert [name for block in ranges[1:] for name in block] == names
    assert max(map(len, ranges)) == 1024
    assert text.count('- dependsOn: "analyse"') == 3


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--emit", "openjd", "--shares", "0"], "--shares 0 is out of range; accepted: 1 to 1000"),
        (["--shares", "2"], "give --emit openjd or slurm with it"),
        (["--ahead"], "give --unit UNIT with it"),
        (["--retry-code", "0"], "--retry-code 0 is out of range; accepted: 1 to 125"),
        (["--on", "rays"], "--on 'rays' is not known; accepted: processes:N, ray, ray:N, here"),
        (["--on", "ray:0"], "--on 'ray:0' is out of range; accepted: 1 to 256"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    options: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = manifest(tmp_path, {"a": "1.mp4"})
    assert main(["run", str(path), *options]) == 2
    assert told in capsys.readouterr().err


class Farm:
    """A folder with a manifest whose tasks call a double of the program."""

    def __init__(self, folder: Path, clips: Mapping[str, str]) -> None:
        folder.mkdir()
        self.folder, self.manifest = folder, manifest(folder, clips)
        self.program = folder / "the program's"

    def answer(self, cases: str = "") -> None:
        """Write the double; `cases`: of a `case` of bash, by how it is called."""
        calls = shlex.quote(str(self.folder / "calls"))
        self.program.write_text(
            f'#!/bin/bash\nprintf "%s\\n" "$(printf "%s\\t" "$@")" >> {calls}\n'
            f'case "$*" in {cases}\n*) exit 0 ;; esac\n'
        )
        self.program.chmod(0o755)

    def write(self, language: str, *, threads: int | None = None, shares: int = 2) -> Path:
        """Write the job beside the manifest."""
        path = self.folder / {"openjd": "job.yaml", "slurm": "job's.sh"}[language]
        asked = Asked(self.manifest, threads=threads, overwrite=threads is not None)
        path.write_text(emitted(asked, language, shares=shares) + "\n")
        return path

    def calls(self) -> list[list[str]]:
        """Return how the double was called: what follows the manifest."""
        lines = (self.folder / "calls").read_text().splitlines()
        words = [line.rstrip("\t").split("\t") for line in lines]
        assert {tuple(call[:2]) for call in words} == {("run", str(self.manifest))}
        return [call[2:] for call in words]


CLIPS = {"a": "1.mp4", "-b": "1.mp4"}
CALLS = [
    ["--shot=a", "--unit=analysis", "--ahead"],
    ["--shot=a", "--unit=codes", "--ahead"],
    ["--shot=-b", "--unit=codes", "--ahead"],
    *(
        [f"--shot={shot}", f"--unit={share}/2", "--ahead"]
        for shot in ("a", "-b")
        for share in (1, 2)
    ),
    ["--shot=a", "--on=here"],
    ["--shot=-b", "--on=here"],
    ["--report"],
]
"""What tasks of those shots call, in two shares."""


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    farm = Farm(tmp_path / "it's $HOME; a 'show'", CLIPS)
    farm.answer()
    return farm


def submitted(
    farm: Farm, *options: str, most: int = 1000, threads: int | None = None
) -> list[list[int]]:
    """Submit the script to the stand-in and have all tasks carried out; return their exit codes."""
    script = farm.write("slurm", threads=threads)
    subprocess.run(["bash", "-n", script], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", script], check=True)
    tools = farm.folder / "tools"
    environment = slurm_stand_in.installed(tools)
    environment |= {"VISAGIST": str(farm.program), "MOST": str(most)}
    subprocess.run(["bash", script, *options], env=environment, check=True)
    return slurm_stand_in.carried_out(tools, environment)


def test_slurm_carries_out_every_task_once_in_the_order_of_steps(farm: Farm) -> None:
    codes = submitted(farm, "--partition=a b", threads=3)
    assert codes == [[0], [0, 0], [0] * 4, [0, 0], [0]]
    calls, told = farm.calls(), ["--overwrite", "--threads=3"]
    for begin, end in ((0, 1), (1, 3), (3, 7), (7, 9), (9, 10)):
        assert sorted(calls[begin:end]) == sorted([*call, *told] for call in CALLS[begin:end])
    for options in slurm_stand_in.jobs_of(farm.folder / "tools").values():
        assert {"--requeue", "--cpus-per-task=3", "--partition=a b"} <= set(options)


def test_an_array_of_slurm_has_as_many_tasks_as_it_may_and_they_share_the_rest(farm: Farm) -> None:
    assert submitted(farm, most=3) == [[0], [0, 0], [0] * 3, [0, 0], [0]]
    assert sorted(farm.calls()) == sorted(CALLS)


def test_slurm_tries_again_what_may_succeed_later_and_leaves_others_alone(farm: Farm) -> None:
    farm.answer("*--shot=a*=2/2*) exit 75 ;;\n*=-b*=1/2*) kill -9 $$ ;;\n*=-b*=here*) exit 3 ;;")
    assert submitted(farm) == [[0], [0, 0], [0, 75, 137, 0], [0, 3], [0]]
    calls = farm.calls()
    counts = [calls.count(call) for call in CALLS]
    assert counts == [1, 1, 1, 1, 3, 3, 1, 1, 1, 1]


needs_openjd = pytest.mark.skipif(
    shutil.which("openjd") is None, reason="openjd-cli is not installed"
)


def carried_out_by_openjd(
    farm: Farm, threads: int | None = None, shares: int = 2
) -> subprocess.CompletedProcess[str]:
    template = farm.write("openjd", threads=threads, shares=shares)
    subprocess.run(["openjd", "check", template], check=True)
    command = ["openjd", "run", str(template), "-p", f"Visagist={farm.program}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_openjd
def test_openjd_carries_out_every_task_once_in_the_order_of_steps(farm: Farm) -> None:
    done = carried_out_by_openjd(farm, threads=1)
    assert done.returncode == 0, done.stdout
    *calls, last = farm.calls()
    assert last == ["--report"]
    told = [
        [call[0], "--progress=openjd", *call[1:], "--overwrite", "--threads=1"] for call in CALLS
    ]
    assert calls == told[:-1]


@needs_openjd
def test_a_task_that_fails_fails_the_job_of_openjd(farm: Farm) -> None:
    farm.answer("*here*) exit 75 ;;")
    assert carried_out_by_openjd(farm, shares=1).returncode != 0
