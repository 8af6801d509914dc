"""What can be typed after `run`."""

from __future__ import annotations

import argparse

from ..errors import LaterError, UsageError
from ..side_files import expanded_path
from .groups import Commands, add_sayings


def add_run(commands: Commands) -> None:
    """Add the command that makes a batch."""
    command = commands.add_parser(
        "run",
        help="edit many shots as a manifest says; the same command goes on after anything",
        description="Make what is missing of the shots in a manifest (TOML), and deliver them. "
        "Whatever is finished is kept, so that the same command goes on where it was stopped, and "
        "makes anew only what a change touches.",
    )
    command.add_argument("manifest", type=expanded_path, metavar="MANIFEST")
    _add_instead(command)
    add = command.add_argument_group("which, and by whom").add_argument
    add(
        "--shot",
        action="append",
        dest="shots",
        default=[],
        metavar="NAME",
        help="only this shot; may be given several times",
    )
    add(
        "--unit",
        metavar="UNIT",
        help="only this unit of the shot, in this process, with what it needs: analysis, codes, "
        "N (a chunk, from 0), K/N (every Nth chunk from the Kth, from 1), join",
    )
    add(
        "--on",
        default="processes:1",
        metavar="WHERE",
        help="processes:N: N worker processes on this machine (default: processes:1); here: this "
        "process, which begins sooner and is not replaced if it dies; ray or ray:N: as many "
        "workers as a Ray cluster has room for, or N (the one of RAY_ADDRESS, or one on this "
        "machine; needs the extra `cluster`)",
    )
    add(
        "--threads",
        type=int,
        metavar="N",
        help="threads that work at the same time in each process (default: half the cores, "
        "shared among the processes; on ray 2, and each worker takes as many cores)",
    )
    _add_farm(command)
    group = command.add_argument_group("output")
    group.add_argument(
        "--overwrite", action="store_true", help="replace targets that no run of this batch wrote"
    )
    group.add_argument(
        "--halt-on-error", action="store_true", help="stop at the first shot that fails"
    )
    group.add_argument(
        "--rehash",
        action="store_true",
        help="read all inputs, though they seem not to have changed",
    )
    add_sayings(group)


def _add_instead(command: argparse.ArgumentParser) -> None:
    """Add what is done in place of making anything."""
    group = command.add_argument_group("instead of making anything")
    add = group.add_mutually_exclusive_group().add_argument
    add(
        "--list",
        action="store_true",
        help="check the manifest and show every unit: kept, missing or failed, and why",
    )
    add(
        "--clean",
        action="store_true",
        help="remove units that no shot needs any more, and what killed runs left",
    )
    add(
        "--report",
        action="store_true",
        help="write report.json and report.html of what is kept, as a run over all shots does at "
        "its end",
    )
    add(
        "--emit",
        choices=("openjd", "slurm"),
        help="write the batch as the job of a render farm to stdout: a job template of Open Job "
        "Description, or a script for Slurm",
    )
    add("--serve", action="store_true", help=argparse.SUPPRESS)  # be a worker process
    group.add_argument("--json", action="store_true", help="list as JSON")


def _add_farm(command: argparse.ArgumentParser) -> None:
    """Add what render farms need."""
    add = command.add_argument_group("for render farms").add_argument
    add(
        "--shares",
        type=int,
        default=1,
        metavar="N",
        help="with --emit: tasks that the chunks of every shot are divided among, for long shots "
        "(default: 1, a task makes a shot)",
    )
    add(
        "--ahead",
        action="store_true",
        help="with --unit: what is wrong with the shot is a warning, and left to the task that "
        "delivers it, so that tasks of other shots go on",
    )
    add(
        "--retry-code",
        type=int,
        default=LaterError.exit_code,
        metavar="N",
        help="exit code if the same may succeed later (default: 75; Grid Engine begins a job "
        "again after 99)",
    )


def check_farm(options: argparse.Namespace) -> None:
    """Refuse what does not go together.

    Raises:
        UsageError: it does not.
    """
    if not 1 <= options.retry_code <= _MOST_CODE:
        raise UsageError(
            f"--retry-code {options.retry_code} is out of range; accepted: 1 to {_MOST_CODE}"
        )
    if options.shares != 1 and options.emit is None:
        raise UsageError("--shares divides the tasks of a job; give --emit openjd or slurm with it")
    if options.ahead and options.unit is None:
        raise UsageError("--ahead is for tasks others wait for; give --unit UNIT with it")


_MOST_CODE = 125
