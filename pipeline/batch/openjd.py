"""A batch as a job template of Open Job Description, 2023-09: the format of AWS Deadline Cloud.

Written as the standard library can: YAML whose texts are in double quotes, as JSON has them.
Specification: https://github.com/OpenJobDescription/openjd-specifications (read, not copied).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from .emit import Job, Step

_MOST_VALUES: Final = 1024
"""Of a parameter of tasks, as the specification has it; steps of more shots are cut."""
_ENDING_S: Final = 30
"""Between the wish that a task end and the kill."""


def template_of(job: Job) -> str:
    """Return the template, YAML."""
    return "\n".join([*_head(job), "steps:", *_steps(job)])


def _head(job: Job) -> Iterator[str]:
    name = re.sub(r"[^\w .-]", "_", job.manifest.removesuffix(".toml"))[:100]
    yield f"# Made by `visagist run {job.manifest} --emit openjd`: {job.told}."
    yield "# It belongs beside the manifest; or tell where that is: -p Manifest=/path/to/it"
    yield "specificationVersion: jobtemplate-2023-09"
    yield f"name: {_text(f'visagist {name}')}"
    yield "parameterDefinitions:"
    yield "- name: Manifest"
    yield "  type: PATH"
    yield "  objectType: FILE"
    yield "  dataFlow: NONE  # all files lie on a share that all machines see"
    yield f"  default: {_text(job.manifest)}"
    yield "- name: Visagist"
    yield "  type: STRING"
    yield "  description: the program, as machines of the farm call it"
    yield "  default: visagist"


def _steps(job: Job) -> Iterator[str]:
    before: list[str] = []
    for step in job.steps:
        blocks = [
            step.shots[begin : begin + _MOST_VALUES]
            for begin in range(0, len(step.shots) or 1, _MOST_VALUES)
        ]
        names = [f"{step.name} {n}" if n else step.name for n in range(len(blocks))]
        for name, shots in zip(names, blocks, strict=True):
            yield from _step(job, step, name, shots, before)
        before = names


def _step(
    job: Job, step: Step, name: str, shots: Sequence[str], before: Sequence[str]
) -> Iterator[str]:
    yield f"- name: {_text(name)}"
    if before:
        yield "  dependencies:"
        yield from (f"  - dependsOn: {_text(other)}" for other in before)
    if job.threads is not None:
        yield "  hostRequirements:"
        yield f"    amounts: [{{name: amount.worker.vcpu, min: {job.threads}}}]"
    if shots:
        yield from ("  parameterSpace:", "    taskParameterDefinitions:")
        yield from ("    - name: Shot", "      type: STRING", f"      range: {_text(list(shots))}")
    if step.shares > 1:
        yield from ("    - name: Share", "      type: INT", f'      range: "1-{step.shares}"')
    yield from ("  script:", "    actions:", "      onRun:")
    yield '        command: "{{Param.Visagist}}"'
    yield "        args:"
    yield from (f"        - {_text(word)}" for word in _words(job, step))
    yield "        cancelation:"
    yield "          mode: NOTIFY_THEN_TERMINATE"
    yield f"          notifyPeriodInSeconds: {_ENDING_S}"


def _words(job: Job, step: Step) -> Iterator[str]:
    yield from ("run", "{{Param.Manifest}}")
    if not step.shots:
        yield f"--{step.name}"
        return
    yield from ("--shot={{Task.Param.Shot}}", "--progress=openjd")
    if step.shares > 1:
        yield from (f"--unit={{{{Task.Param.Share}}}}/{step.shares}", "--ahead")
    elif step.unit:
        yield from (f"--unit={step.unit}", "--ahead")
    else:
        yield "--on=here"
    yield from job.options


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
