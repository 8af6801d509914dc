"""One file on any machine: `python -m tests.scale.threads [--clip FILE] [--codec NAME …]`.

The same frames are edited on one and two cores, with one and two threads; the files must be equal,
and no process may have more than N + 3 threads. Encoders other than x264 are asked for by name:
what they start is shown, and held to the same. Exits 1 if not. Linux only.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from hashlib import sha256
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.console import show
from tests.scale.cost import ROOT, cost_of

BESIDE = 3
"""Threads that read, write and wait: the decoder's, the encoder's and the main one."""


def most_threads(clip: Path, codec: str, frames: str, target: Path, run: tuple[int, int]) -> int:
    """Edit some frames on so many cores with so many threads; return the most that were alive."""
    cores, threads = run
    command = [sys.executable, "-m", "pipeline", "edit", str(clip), "--attr", "smile"]
    more = ["--frames", frames, "--codec", codec, "-o", str(target), "--quiet"]
    cost = cost_of([*command, *more, "--threads", str(threads)], cores=range(cores))
    if cost.exit_code:
        raise SystemExit(cost.exit_code)
    return cost.threads


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--clip", type=Path, default=ROOT / "samples" / "astronaut.mp4")
    parser.add_argument("--codec", nargs="+", default=["libx264"])
    parser.add_argument("--frames", default="10-19")
    options = parser.parse_args(arguments)
    is_kept = True
    for codec in options.codec:
        files, told = set(), []
        for run in product((1, 2), (1, 2)):
            with TemporaryDirectory() as name:
                target = Path(name) / "edited.mp4"
                clip = options.clip.absolute()
                most = most_threads(clip, codec, options.frames, target, run)
                files.add(sha256(target.read_bytes()).hexdigest()[:12])
            told.append(f"{run[0]} core(s), --threads {run[1]}: {most}")
            is_kept &= most <= run[1] + BESIDE
        is_kept &= len(files) == 1
        show(f"{codec}: {len(files)} different file(s); threads: {'; '.join(told)}")
    return 0 if is_kept else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
