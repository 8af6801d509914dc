"""A batch as a script that submits itself to Slurm: an array of jobs a step, one after the other.

A step waits for the one before to end, however it ended (`afterany`): a shot that cannot be used
takes nobody with it. A task that may succeed later, or was killed, is queued again, twice at most.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Final

from .emit import Job


def script_of(job: Job) -> str:
    """Return the script, for bash 4 or newer."""
    return "\n".join([*_head(job), _BODY])


def _head(job: Job) -> Iterator[str]:
    # Names of shots are letters, digits, '.', '-' and '_'.
    clips = next((step.shots for step in job.steps if step.name == "analyse"), ())
    resources = [] if job.threads is None else [f"--cpus-per-task={job.threads}"]
    yield "#!/bin/bash"
    yield f"# Made by `visagist run {job.manifest} --emit slurm`: {job.told}."
    yield "# To submit it: bash job.sh [OPTIONS OF SBATCH, as --partition=film --mem=4G]"
    yield "# It belongs beside the manifest; or MANIFEST says where that is. VISAGIST names the"
    yield "# program; MOST is how many tasks an array may have (MaxArraySize), more are shared out."
    yield from _array("shots", job.shots)
    yield from _array("clips", clips, "  # a shot of each")
    yield from _array("steps", [step.name for step in job.steps])
    yield from _array("options", job.options)
    yield from _array("resources", resources)
    yield f"shares={max(step.shares for step in job.steps)}"
    yield f"name={shlex.quote(job.manifest)}"


def _array(name: str, words: Sequence[str], note: str = "") -> Iterator[str]:
    """Yield the lines of an array of bash."""
    if not words:
        yield f"{name}=(){note}"
        return
    yield f"{name}=({note}"
    yield from (f"  {shlex.quote(word)}" for word in words)
    yield ")"


_BODY: Final = r"""
tasks_of() { # STEP: say how many tasks it has
  case $1 in
    analyse) echo "${#clips[@]}" ;;
    render) echo "$((${#shots[@]} * shares))" ;;
    report) echo 1 ;;
    *) echo "${#shots[@]}" ;;
  esac
}

carry_out() { # STEP NUMBER: one task
  local what
  case $1 in
    analyse) what=("--shot=${clips[$2]}" --unit=analysis --ahead) ;;
    prepare) what=("--shot=${shots[$2]}" --unit=codes --ahead) ;;
    render) what=("--shot=${shots[$2 / shares]}" "--unit=$(($2 % shares + 1))/$shares" --ahead) ;;
    deliver) what=("--shot=${shots[$2]}" --on=here) ;;
    report) what=(--report) ;;
  esac
  "$program" run "$manifest" "${what[@]}" "${options[@]}"
}

job() { # STEP: what falls to this job of the array
  local number code again=0 failed=0
  for ((number = SLURM_ARRAY_TASK_ID; number < $(tasks_of "$1"); number += most)); do
    carry_out "$1" "$number"
    code=$?
    case $code in
      0) ;;
      75 | 137) again=$code ;; # it may succeed later; it was killed, as where memory runs out
      *) failed=$code ;;
    esac
  done
  if ((again && ${SLURM_RESTART_COUNT:-0} < 2)); then
    # Not $SLURM_JOB_ID: the one of an array's last task is that of the whole array.
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" && sleep 60 # until it is ended
  fi
  exit "$((failed ? failed : again))"
}

submit() { # OPTIONS OF SBATCH
  local step count last='' after
  for step in "${steps[@]}"; do
    count=$(tasks_of "$step")
    after=()
    if [[ -n $last ]]; then after=("--dependency=afterany:$last"); fi
    last=$(sbatch --parsable --requeue --job-name="visagist-$step" \
      --array="0-$(((count < most ? count : most) - 1))" "${after[@]}" "${resources[@]}" "$@" \
      "$0" job "$step" "$manifest" "$program" "$most") || exit
    last=${last%%;*}
    echo "$step: job $last, $count tasks"
  done
}

if [[ ${1-} == job ]]; then
  manifest=$3 program=$4 most=$5
  job "$2"
fi
manifest=${MANIFEST:-$(cd -- "$(dirname -- "$0")" && pwd)/$name}
program=${VISAGIST:-visagist}
most=${MOST:-1000}
submit "$@"
"""
