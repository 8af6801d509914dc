"""What a command costs: `python -m tests.scale.cost [--cores 0,1] [--label WORD] -- COMMAND …`.

Prints a line of processor time, time, memory, threads, and bytes read and written, of the command
and all processes it began. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pipeline.console import show

ROOT = Path(__file__).resolve().parents[2]
_POLL_S = 0.02


@dataclass(slots=True)
class Cost:
    """What a command took."""

    exit_code: int = 0
    seconds: float = 0.0
    processor_s: float = 0.0
    """Of all processes, user and system."""
    peak_mb: float = 0.0
    """Most memory (resident) of one process."""
    together_mb: float = 0.0
    """Most memory of all at once: what processes share is counted in each."""
    threads: int = 0
    """Most threads of one process at a time."""
    read_mb: float = 0.0
    """By calls of the system, files that were in memory already with them."""
    written_mb: float = 0.0
    output: str = field(default="", repr=False)


def cost_of(
    command: Sequence[str],
    *,
    cores: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
    folder: Path = ROOT,
) -> Cost:
    """Run a command and return what it took; `cores`: those it may use, empty: all."""
    used, moved, begin = _processor_s(), _moved(), time.monotonic()
    process = subprocess.Popen(
        list(command),
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None,
        text=True,
    )
    cost, is_over = Cost(), threading.Event()
    watcher = threading.Thread(target=_watch, args=(process.pid, cost, is_over))
    watcher.start()
    cost.output, _ = process.communicate()
    is_over.set()
    watcher.join()
    cost.exit_code, cost.seconds = process.returncode, time.monotonic() - begin
    cost.processor_s = _processor_s() - used
    after = _moved()
    cost.read_mb = (after["rchar"] - moved["rchar"]) / 1e6
    cost.written_mb = (after["wchar"] - moved["wchar"]) / 1e6
    return cost


def _processor_s() -> float:
    """Return the processor time of all processes that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _moved() -> dict[str, int]:
    """Return the bytes this process, and those it waited for, read and wrote."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return {name: int(number) for name, number in (line.split(": ") for line in lines)}


def _watch(pid: int, cost: Cost, is_over: threading.Event) -> None:
    while not is_over.wait(_POLL_S):
        memory = []
        for one in _family(pid):
            with suppress(OSError, ValueError, IndexError):
                lines = (Path("/proc") / str(one) / "status").read_text().splitlines()
                status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
                cost.threads = max(cost.threads, int(status["Threads"]))
                memory.append(int(status.get("VmRSS", "0 kB").split()[0]) / 1024)
                peak = int(status.get("VmHWM", "0 kB").split()[0]) / 1024
                cost.peak_mb = max(cost.peak_mb, peak)
        cost.together_mb = max(cost.together_mb, sum(memory))


def _family(pid: int) -> list[int]:
    """Return a process and all it began."""
    found = [pid]
    for one in found:
        with suppress(OSError):
            for task in (Path("/proc") / str(one) / "task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cores", default="")
    parser.add_argument("--label", default="")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    command = [word for word in options.command if word != "--"]
    cores = [int(core) for core in options.cores.split(",") if core]
    told = asdict(cost_of(command, cores=cores))
    del told["output"]
    show(json.dumps({"label": options.label} | {k: round(v, 2) for k, v in told.items()}))
    return int(told["exit_code"])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
