"""`python -m tests.fuzz`: damage files for as long as is asked, and say what broke."""

from __future__ import annotations

import argparse
import importlib
import itertools
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from .families import FAMILIES
from .run import Case, Outcome, bases_of, damaged, run_case, whole_cases

CORPUS = Path(__file__).with_name("corpus.txt")


def _warm_up() -> None:
    """Import once what every child needs."""
    # One thread: a process whose libraries have started threads cannot be forked safely.
    for library in ("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
        os.environ[library] = "1"
    for name in ("bench", "compare", "contact_sheet", "inspection", "run"):
        importlib.import_module(f"pipeline.{name}")


def corpus() -> list[Case]:
    """Return the cases that were found before; a line is `family base seed`, then a comment."""
    lines = (line.partition("#")[0].split() for line in CORPUS.read_text().splitlines())
    return [Case(family, base, int(seed)) for family, base, seed in filter(None, lines)]


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--family", action="append", choices=sorted(FAMILIES), help="only this")
    parser.add_argument("--minutes", type=float, help="how long")
    parser.add_argument("--count", type=int, help="how many new cases of each family")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="first number")
    parser.add_argument("--no-corpus", action="store_true", help="leave out what was found before")
    parser.add_argument("--replay", nargs=3, metavar=("FAMILY", "BASE", "SEED"), help="one case")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="store the files that break it")
    return parser.parse_args()


def _cases(asked: argparse.Namespace, bases: dict[str, dict[str, bytes]]) -> Iterator[Case]:
    """Yield what was found before, then new cases of every family in turn."""
    if asked.replay:
        yield Case(asked.replay[0], asked.replay[1], int(asked.replay[2]))
        return
    if not asked.no_corpus:
        yield from (case for case in corpus() if case.family in bases)
    rounds = range(asked.count) if asked.count is not None else itertools.count()
    for k in rounds:
        for family, files in bases.items():
            base = sorted(files)[k % len(files)]
            yield Case(family, base, asked.first + k)


def _say(case: str, outcome: Outcome) -> None:
    print(f"{case}: {outcome.complaint} ({outcome.seconds:.1f} s)", flush=True)
    for line in outcome.said.strip().splitlines()[-6:]:
        print(f"    {line[:300]}", flush=True)


def _whole(names: list[str], bases: dict[str, dict[str, bytes]]) -> Iterator[tuple[str, Outcome]]:
    for name in names:
        for base, outcome in whole_cases(FAMILIES[name], bases[name]):
            yield f"{name} {base} (undamaged)", outcome


def _keep(folder: Path, case: Case, data: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{case.family}-{case.seed}-{case.base}").write_bytes(data)


def main() -> int:
    """Run; return 1 if anything was wrong."""
    asked = _asked()
    _warm_up()
    names = [asked.replay[0]] if asked.replay else asked.family or sorted(FAMILIES)
    bases = {name: bases_of(FAMILIES[name]) for name in names}
    until = time.monotonic() + 60 * asked.minutes if asked.minutes is not None else None
    found: Counter[str] = Counter()
    for name, outcome in () if asked.replay else _whole(names, bases):
        if outcome.complaint:
            _say(name, outcome)
            found[outcome.complaint.partition(":")[0]] += 1
    count = 0
    for case in _cases(asked, bases):
        count += 1
        data = damaged(FAMILIES[case.family], bases[case.family], case)
        outcome = run_case(FAMILIES[case.family], data, case)
        if outcome.complaint:
            found[outcome.complaint.partition(":")[0]] += 1
        if outcome.complaint or asked.replay:
            _say(str(case), outcome)
            if asked.keep:
                _keep(asked.keep, case, data)
        if until is not None and time.monotonic() > until:
            break
    wrong = ", ".join(f"{n} × {kind}" for kind, n in found.items()) or "nothing wrong"
    print(f"{count} damaged files: {wrong}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
