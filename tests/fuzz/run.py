"""One case in a child of its own, with limits, and what became of it.

The parent imports everything once and forks for each case. It never runs the program itself: a
process with threads cannot be forked safely.
"""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .mutate import mutant

_POLL_S = 0.005


@dataclass(frozen=True)
class Limits:
    """What a child may use."""

    seconds: float = 60.0
    memory_bytes: int = 3 << 30
    """On top of what the parent has mapped."""
    file_bytes: int = 256 << 20


@dataclass(frozen=True)
class Family:
    """A kind of input.

    `check` runs in a child: it puts the damaged file into the folder, runs the program
    (`command`), and returns what is wrong, in words, or nothing.
    """

    name: str
    make: Callable[[Path], None]
    """Writes the whole files into a folder; runs in a child too."""
    check: Callable[[bytes, str, Path], str]
    """(damaged file, name of the whole one, empty folder) → complaint or ""."""
    check_whole: Callable[[bytes, str, Path], str] | None = None
    """The same for a file that is not damaged; None: `check`."""
    transform: Callable[[bytes, str, int], bytes] = mutant
    """(whole file, its name, number) → the damaged file."""
    limits: Limits = Limits()


@dataclass(frozen=True)
class Case:
    """One damaged file, by its numbers."""

    family: str
    base: str
    seed: int

    def __str__(self) -> str:
        return f"{self.family} {self.base} {self.seed}"


@dataclass(frozen=True)
class Outcome:
    """What became of a child."""

    complaint: str
    """What is wrong; empty if nothing is."""
    said: str
    """Standard output and error."""
    seconds: float


def command(*arguments: str | Path) -> tuple[int, str]:
    """Run the command line (in a child); return its exit code and what it said so far."""
    from pipeline.cli import main

    try:
        code = main([str(a) for a in arguments])
    except SystemExit as e:
        code = int(e.code or 0)
    return code, _said_so_far()


def complaint_of(code: int, said: str) -> str:
    """Return what is wrong with any answer of the program, whatever it was asked."""
    if code == 70 or "Traceback (most recent call last)" in said:
        return f"traceback: {said.strip().splitlines()[-1]}"
    if code not in range(8):
        return f"exit code {code}"
    if code and "visagist: error: " not in said:
        return f"exit code {code} without a word"
    return ""


def in_child(work: Callable[[], str], limits: Limits) -> Outcome:
    """Run `work` in a forked process; its answer is the complaint, "" for none."""
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as answer:
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            _live(work, limits, said.fileno(), answer.fileno())
        status = _wait(child, began + limits.seconds)
        seconds = time.monotonic() - began
        answer.seek(0)
        complaint = answer.read().decode()
        if status is None:
            complaint = f"hang: not done after {limits.seconds:g} s"
        elif os.WIFSIGNALED(status):
            complaint = f"crash: {signal.Signals(os.WTERMSIG(status)).name}"
        elif os.WEXITSTATUS(status):
            complaint = f"crash: exit {os.WEXITSTATUS(status)}"
        said.seek(0)
        return Outcome(complaint, said.read().decode(errors="replace"), seconds)


def _live(work: Callable[[], str], limits: Limits, said: int, answer: int) -> None:
    code = 99
    faulthandler.enable(said)
    faulthandler.dump_traceback_later(limits.seconds - 2, file=said)
    try:
        os.setsid()
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        space = mapped + limits.memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (space, space))
        resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file_bytes, limits.file_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for number in (1, 2):
            os.dup2(said, number)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="replace", closefd=False)
        os.write(answer, work().encode())
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)  # nothing of the parent's is to be cleaned up here


def _said_so_far() -> str:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return os.pread(2, 1 << 20, 0).decode(errors="replace")


def _wait(child: int, until: float) -> int | None:
    """Return the status of a child, or None after killing it for being late."""
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(_POLL_S)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def bases_of(family: Family) -> dict[str, bytes]:
    """Return the whole files of a family by name."""
    with tempfile.TemporaryDirectory() as folder:

        def make() -> str:
            family.make(Path(folder))
            return ""

        made = in_child(make, Limits(seconds=120))
        if made.complaint:
            raise RuntimeError(f"{family.name}: {made.complaint}\n{made.said}")
        return {p.name: p.read_bytes() for p in sorted(Path(folder).iterdir())}


def damaged(family: Family, bases: Mapping[str, bytes], case: Case) -> bytes:
    """Return the damaged file of a case."""
    return family.transform(bases[case.base], case.base, case.seed)


def run_case(family: Family, data: bytes, case: Case) -> Outcome:
    """Run the program on the damaged file of a case."""
    return _checked(family.check, data, case.base, family.limits)


def whole_cases(family: Family, bases: Mapping[str, bytes]) -> Iterator[tuple[str, Outcome]]:
    """Run the program on the whole files, which must pass without a complaint."""
    for name, data in bases.items():
        yield name, _checked(family.check_whole or family.check, data, name, family.limits)


def _checked(
    check: Callable[[bytes, str, Path], str], data: bytes, name: str, limits: Limits
) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        return in_child(lambda: check(data, name, Path(folder)), limits)
