"""Many short clips in one process: `python -m tests.scale.clips --clips 50 [--clip FILE]`.

Each clip is ten frames. One process edits one of them, another all: the difference is what each of
the others costs. Exits 1 if that is more than 1.5 s of processor. Linux only.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.console import show
from tests.scale.cost import ROOT, Cost, cost_of

FRAMES = 10
MOST_S = 1.5


def pieces(clip: Path, folder: Path, count: int) -> list[Path]:
    """Return clips of ten frames, each from another place of a clip."""
    made: list[Path] = []
    for number in range(count):
        first = number % 5 * FRAMES
        path = folder / f"clip{number:03}.mp4"
        if number < 5:
            _edit([clip], "smile=0", "--frames", f"{first}-{first + FRAMES - 1}", "-o", path)
        else:
            shutil.copy(made[number % 5], path)
        made.append(path)
    return made


def _edit(clips: Sequence[Path], attribute: str, *more: object) -> Cost:
    command = [sys.executable, "-m", "pipeline", "edit", *map(str, clips), "--attr", attribute]
    cost = cost_of([*command, "--quiet", "--threads", "1", *map(str, more)])
    if cost.exit_code:
        raise SystemExit(cost.exit_code)
    return cost


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--clips", type=int, default=50)
    parser.add_argument("--clip", type=Path, default=ROOT / "samples" / "astronaut.mp4")
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as name:
        clips = pieces(options.clip.absolute(), Path(name), options.clips)
        folder = Path(name) / "out"
        folder.mkdir()
        first = _edit(clips[:1], "smile", "--output-dir", folder)
        every = _edit(clips, "smile", "--output-dir", folder, "--overwrite")
    each = (every.processor_s - first.processor_s) / (options.clips - 1)
    show(
        f"first {first.processor_s:.2f} s of processor, each of {options.clips - 1} others "
        f"{each:.2f} s; memory {first.peak_mb:.0f} and {every.peak_mb:.0f} MB; "
        f"read {first.read_mb:.0f} and {every.read_mb:.0f} MB; {every.threads} threads"
    )
    return 0 if each <= MOST_S else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
